/*
 * Processes that hang while they have work are replaced, and nobody but the one
 * who made them hang waits; those that merely do not run are left alone.
 */
#include <sys/wait.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "integration/load.h"
#include "integration/peer.h"

#define EGD_WORKER "vrngd-egd"
#define HUNG	   "makes no progress"
#define POOL	   "pool \"default\" { source \"kernel\" { type = kernel } }\n"
#define STOPPED	   9 /* guests whose workers do not end */

/* Found within 0.9 s, and replaced at once; the rest is for a busy machine. */
#define REPLACED_MS (1500 * test_patience())
#define WAIT_MS	    (100 * test_patience()) /* of those whom it is not about */
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
	assert_int_equal(read(fd, bytes, sizeof(bytes)), sizeof(bytes));
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

/* Removes the guests vm1 and up, while this process goes on. */
static pid_t
remove_all(struct suite *s, unsigned int n)
{
	char out[256];
	pid_t pid;

	fflush(NULL);
	if ((pid = fork()) != 0)
		return pid;
	for (unsigned int i = 1; i <= n; i++)
		if (admin_ctl(s, out, sizeof(out), "guest remove vm%u", i) != 0)
			_exit(1);
	_exit(0);
}

/* Workers that do not end keep nobody waiting, not those that are not theirs. */
static void
test_removed(void **state)
{
	struct suite *s = *state;
	struct load load = { .fe = &s->fe, .depth = 1, .len = 64 };
	struct fe others[STOPPED];
	struct record rec;
	char name[16];
	pid_t pid;
	int status;

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
	pid = remove_all(s, STOPPED);
	load_run(&load, 1, 1000, &rec);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
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
		SUITE_EMPTY(test_removed),
		SUITE_TEST(test_frozen),
	};

	return SUITE_MAIN("hung", tests);
}
