/*
 * Processes that hang while they have work are replaced, and only the one
 * who made them hang waits; those that merely do not run are left alone.
 */
#include <sys/mount.h>
#include <sys/stat.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/fd_passing.h"
#include "integration/hostile.h"
#include "integration/lingering.h"
#include "integration/load.h"
#include "integration/peer.h"

#define EGD_WORKER "vrngd-egd"
#define HUNG	   "killed and replaced, as it hung"
#define POOL	   "pool \"default\" { source \"kernel\" { type = kernel } }\n"
#define STOPPED	   9 /* guests whose workers do not end */

/* Found within 0.9 s, and replaced at once; the rest is for a busy machine. */
#define REPLACED_MS (1500 * test_patience())
#define WAIT_MS	    (400 * test_patience()) /* of those whom it is not about */
#define PAUSE_US    2000000

/* The longest time between arrivals, and from the last one until now. */
static uint64_t
longest_gap(const struct record *rec)
{
	uint64_t gap = 0, next;

	assert_true(rec->n > 0);
	for (size_t i = 0; i < rec->n; i++) {
		next = i + 1 < rec->n ? rec->events[i + 1].time : fe_now();
		if (next - rec->events[i].time > gap)
			gap = next - rec->events[i].time;
	}
	return gap;
}

/* Guests read on when the entropy process is stopped. */
static void
test_entropy(void **state)
{
	struct suite *s = *state;
	struct load loads[2] = { { .fe = &s->fe, .depth = 4, .len = 64 },
		{ .fe = &s->other, .depth = 4, .len = 4096 } };
	struct record rec;
	pid_t pid;

	suite_up_qemu(s, &s->fe, "vm0");
	suite_up_qemu(s, &s->other, "vm1");
	load_run(loads, 2, 100, NULL);
	pid = daemon_child(&s->d, ROLE_ENTROPY, NULL);
	assert_true(pid > 0);
	record_init(&rec, 1 << 22);
	CHECK(kill(pid, SIGSTOP));
	load_run(loads, 2, 2 * REPLACED_MS, &rec);
	assert_in_range(longest_gap(&rec), 0, REPLACED_MS);
	record_free(&rec);
	assert_int_equal(daemon_log_count(&s->d, HUNG), 1);
	assert_int_not_equal(daemon_child(&s->d, ROLE_ENTROPY, NULL), pid);
	suite_pass(s);
}

/* The client asks for bytes, and gets them within so many ms. */
static void
take(int fd, int ms)
{
	struct pollfd pfd = { fd, POLLIN, 0 };
	uint8_t bytes[64];

	assert_int_equal(write(fd, "\002\100", 2), 2);
	assert_int_equal(poll(&pfd, 1, ms), 1);
	assert_int_equal(recv(fd, bytes, sizeof(bytes), MSG_WAITALL),
	    sizeof(bytes));
}

/* A worker that does not take what is granted to it is replaced. */
static void
test_service(void **state)
{
	struct suite *s = *state;
	struct place p;
	struct pollfd pfd = { .events = POLLIN };
	pid_t pid;
	int fd;

	place_unix(s, &p, "e.sock");
	admin_conf(s, "w", POOL "egd \"e\" { %s rate = 1K burst = 256 }\n",
	    p.text);
	admin_start(s);
	pfd.fd = place_connect(&p);
	take(pfd.fd, FE_TIMEOUT_MS);
	/* For a while the client waits for its share. */
	for (int i = 0; i < 20; i++)
		assert_int_equal(write(pfd.fd, "\002\377", 2), 2);
	pid = daemon_child(&s->d, EGD_WORKER, NULL);
	assert_true(pid > 0);
	CHECK(kill(pid, SIGSTOP));
	CHECK(daemon_log_wait(&s->d, HUNG, 1, REPLACED_MS));
	fd = place_connect(&p);
	take(fd, REPLACED_MS);
	close(fd);
	close(pfd.fd);
	suite_pass(s);
}

/* Workers that do not end do not delay other guests and services. */
static void
test_removed(void **state)
{
	struct suite *s = *state;
	struct load load = { .fe = &s->fe, .depth = 1, .len = 64 };
	struct fe others[STOPPED];
	struct record rec;
	char name[16];
	pid_t pid;

	admin_conf(s, "w", POOL);
	for (unsigned int i = 0; i <= STOPPED; i++) {
		snprintf(name, sizeof(name), "vm%u", i);
		admin_conf_guest(s, name, "");
	}
	admin_start(s);
	suite_up_qemu(s, &s->fe, "vm0");
	for (unsigned int i = 0; i < STOPPED; i++) {
		snprintf(name, sizeof(name), "vm%u", i + 1);
		suite_up_qemu(s, &others[i], name);
		suite_served(&others[i]);
		pid = daemon_child(&s->d, ROLE_VHOST, name);
		assert_true(pid > 0);
		CHECK(kill(pid, SIGSTOP));
	}
	record_init(&rec, 1 << 22);
	load_run(&load, 1, 100, &rec);
	admin_conf(s, "w", POOL);
	admin_conf_guest(s, "vm0", "");
	CHECK(kill(s->d.pid, SIGHUP));
	load_run(&load, 1, 1500, &rec);
	assert_in_range(longest_gap(&rec), 0, WAIT_MS);
	record_free(&rec);
	for (unsigned int i = 0; i < STOPPED; i++) {
		fe_close(&others[i]);
		snprintf(name, sizeof(name), "vm%u", i + 1);
		CHECK(
		    daemon_child_gone(&s->d, ROLE_VHOST, name, FE_TIMEOUT_MS));
	}
	suite_pass(s);
}

/* The client sends a descriptor along with what it says. */
static void
send_fd(int conn, int fd, const char *text, size_t len)
{
	union fd_passing place;
	struct iovec iov = { (void *)(uintptr_t)text, len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	fd_passing_put(&msg, &place, &fd, 1);
	assert_int_equal(sendmsg(conn, &msg, 0), (ssize_t)len);
}

/* A client has the worker close a socket that lingers: it loses its place. */
static void
test_client_lingers(void **state)
{
	struct suite *s = *state;
	struct place p;
	int peer, lingering = hostile_lingering(&peer), first, bad, fd;
	uint64_t start;
	pid_t pid;

	place_unix(s, &p, "e.sock");
	admin_conf(s, "w", POOL "egd \"e\" { %s }\n", p.text);
	admin_start(s);
	first = place_connect(&p);
	take(first, FE_TIMEOUT_MS);
	bad = place_connect(&p);
	take(bad, FE_TIMEOUT_MS);
	/* It has the last copy. */
	pid = daemon_child(&s->d, EGD_WORKER, NULL);
	assert_true(pid > 0);
	CHECK(kill(pid, SIGSTOP));
	send_fd(bad, lingering, "\002\020", 2);
	close(lingering);
	start = fe_now();
	CHECK(kill(pid, SIGCONT));
	CHECK(daemon_log_wait(&s->d, HUNG, 1, REPLACED_MS));
	fd = place_connect(&p);
	take(fd, REPLACED_MS);
	assert_in_range(fe_now() - start, 0, REPLACED_MS);
	close(fd);
	close(bad);
	close(first);
	close(peer);
	suite_pass(s);
}

/* A client waits at a socket, and has sent a lingering descriptor. */
static int
wait_outside(struct suite *s, const char *name, int *peer)
{
	int lingering = hostile_lingering(peer), conn;
	struct place p;

	place_unix(s, &p, name);
	conn = place_connect(&p);
	send_fd(conn, lingering, "\002\020", 2);
	close(lingering);
	return conn;
}

/* A reload that closes listeners, and the end, wait for none of that. */
static void
test_listener_lingers(void **state)
{
	static const char *const sockets[] = { "e.sock", "e.sock", "vm1.sock",
		"vm0.sock", "source.sock", "source.sock" };
	struct suite *s = *state;
	struct load load = { .fe = &s->fe, .depth = 1, .len = 64 };
	int first, outside[6], peers[6];
	struct record rec;
	struct place p, source;
	uint64_t start;

	place_unix(s, &p, "e.sock");
	place_unix(s, &source, "source.sock");
	admin_conf(s, "w",
	    POOL "pool \"other\" { source \"s\" { type = stream %s "
		 "listen = yes } }\n",
	    source.text);
	admin_conf(s, "a", "egd \"e\" { %s }\n", p.text);
	admin_conf_guest(s, "vm0", "");
	admin_conf_guest(s, "vm1", "");
	admin_start(s);
	suite_up_qemu(s, &s->fe, "vm0");
	suite_up_qemu(s, &s->other, "vm1");
	first = place_connect(&p);
	take(first, FE_TIMEOUT_MS);
	/* It accepts no clients, and others are not affected. */
	CHECK(kill(daemon_child(&s->d, EGD_WORKER, NULL), SIGSTOP));
	for (int i = 0; i < 6; i++)
		outside[i] = wait_outside(s, sockets[i], &peers[i]);
	record_init(&rec, 1 << 22);
	load_run(&load, 1, 100, &rec);
	admin_conf(s, "w", POOL);
	admin_conf_guest(s, "vm0", "");
	CHECK(kill(s->d.pid, SIGHUP));
	load_run(&load, 1, 1000, &rec);
	CHECK(daemon_log_wait(&s->d, "reloaded, 1 guest", 1, FE_TIMEOUT_MS));
	assert_in_range(longest_gap(&rec), 0, WAIT_MS);
	record_free(&rec);
	start = fe_now();
	assert_int_equal(daemon_stop(&s->d, SIGTERM), 0);
	assert_in_range(fe_now() - start, 0, 3000 * test_patience());
	for (int i = 0; i < 6; i++) {
		close(outside[i]);
		close(peers[i]);
	}
	close(first);
	suite_pass(s);
}

/*
 * A worker that cannot be killed, since it closes a file that hangs, keeps none
 * but its own guest waiting: not when it hangs, when its guest is removed, or
 * when the daemon ends.
 */
static void
test_unkillable(void **state)
{
	struct suite *s = *state;
	struct load load = { .fe = &s->fe, .depth = 1, .len = 64 };
	struct record rec;
	struct lingering l;
	char out[256];
	pid_t pid;
	int fd;

	if (lingering_mount(&l) == -1)
		suite_skip(s, "no file system can be mounted by /dev/fuse");
	admin_conf(s, "w", POOL);
	admin_conf_guest(s, "vm0", "");
	admin_conf_guest(s, "vm1", "");
	admin_start(s);
	suite_up_qemu(s, &s->fe, "vm0");
	suite_up_qemu(s, &s->other, "vm1");
	fd = lingering_open(&l);
	CHECK(fe_set_fd(&s->other, FE_SET_VRING_ERR, fd));
	suite_served(&s->other);
	close(fd);
	pid = daemon_child(&s->d, ROLE_VHOST, "vm1");
	assert_true(pid > 0);
	lingering_arm(&l);
	record_init(&rec, 1 << 22);
	load_run(&load, 1, 100, &rec);
	CHECK(kill(pid, SIGKILL));
	load_run(&load, 1, 300, &rec);
	assert_true(l.waiting > 0);
	CHECK(kill(pid, 0));
	assert_int_equal(admin_ctl(s, out, sizeof(out), "guest remove vm1"), 0);
	load_run(&load, 1, 500, &rec);
	assert_in_range(longest_gap(&rec), 0, WAIT_MS);
	record_free(&rec);
	fe_close(&s->other);
	lingering_unmount(&l);
	suite_pass(s);
}

/* The directory of a socket hangs: a status does not wait for it. */
static void
test_directory(void **state)
{
	struct suite *s = *state;
	struct load load = { .fe = &s->fe, .depth = 1, .len = 64 };
	char dir[128], out[8192];
	struct record rec;
	struct lingering l;
	int dev;

	if (lingering_mount(&l) == -1)
		suite_skip(s, "no file system can be mounted by /dev/fuse");
	snprintf(dir, sizeof(dir), "%s", daemon_path(&s->d, "hangs"));
	CHECK(mkdir(dir, 0755));
	admin_conf(s, "w", POOL "guest \"vm1\" { socket = \"%s/vm1.sock\" }\n",
	    dir);
	admin_conf_guest(s, "vm0", "");
	admin_start(s);
	suite_up_qemu(s, &s->fe, "vm0");
	CHECK(admin_ctl(s, out, sizeof(out), "status vm1"));
	assert_null(strstr(out, "missing"));
	dev = lingering_silence(dir);
	record_init(&rec, 1 << 22);
	load_run(&load, 1, 100, &rec);
	CHECK(admin_ctl(s, out, sizeof(out), "status vm1"));
	assert_non_null(strstr(out, "socket file is missing"));
	load_run(&load, 1, 300, &rec);
	assert_in_range(longest_gap(&rec), 0, WAIT_MS);
	record_free(&rec);
	close(dev);
	CHECK(umount2(dir, MNT_DETACH));
	CHECK(admin_ctl(s, out, sizeof(out), "status vm1"));
	assert_null(strstr(out, "missing"));
	lingering_unmount(&l);
	suite_pass(s);
}

/* All that runs, with its pids. */
static size_t
all(struct suite *s, pid_t pids[8])
{
	struct proc list[8];
	size_t n = proc_children(s->d.pid, list, 7);

	pids[0] = s->d.pid;
	for (size_t i = 0; i < n; i++)
		pids[i + 1] = list[i].pid;
	return n + 1;
}

/* A host that was suspended, or a service that was frozen: all go on. */
static void
test_frozen(void **state)
{
	struct suite *s = *state;
	struct load loads[2] = { { .fe = &s->fe, .depth = 4, .len = 64 },
		{ .fe = &s->other, .depth = 4, .len = 4096 } };
	pid_t pids[8], after[8];
	size_t n;

	suite_up_qemu(s, &s->fe, "vm0");
	suite_up_qemu(s, &s->other, "vm1");
	load_run(loads, 2, 300, NULL);
	n = all(s, pids);
	for (int i = 0; i < 2; i++) {
		for (size_t j = 0; j < n; j++)
			CHECK(kill(pids[j], SIGSTOP));
		usleep(PAUSE_US);
		for (size_t j = 0; j < n; j++)
			CHECK(kill(pids[j], SIGCONT));
		load_run(loads, 2, 1500, NULL);
	}
	assert_int_equal(daemon_log_count(&s->d, HUNG), 0);
	assert_int_equal(all(s, after), n);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(pids[i], after[i]);
	suite_pass(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SUITE_TEST(test_entropy),
		SUITE_EMPTY(test_service),
		SUITE_EMPTY(test_client_lingers),
		SUITE_EMPTY(test_listener_lingers),
		SUITE_EMPTY(test_removed),
		SUITE_EMPTY(test_unkillable),
		SUITE_EMPTY(test_directory),
		SUITE_TEST(test_frozen),
	};

	return SUITE_MAIN("hung", tests);
}
