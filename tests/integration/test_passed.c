/*
 * Listeners that systemd makes: passed at the start, by vrngctl, and kept for
 * the next daemon.
 */
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "integration/hostile.h"
#include "integration/manager.h"

#define OUT 8192

static void
conf(struct suite *s, const char *guests)
{
	admin_conf(s, "w",
	    "pool \"default\" { source \"k\" { type = kernel }\n"
	    "class \"gold\" { rate = 1M } class \"iron\" { rate = 1M } }\n"
	    "pool \"other\" { source \"k\" { type = kernel } }\n%s",
	    guests);
}

/* Adopts a socket at DIR/vm0.sock, which must be done. */
static void
adopt(struct manager *m, int fd, const char *class)
{
	char out[OUT];

	assert_int_equal(
	    manager_adopt(m, &fd, 1, "vm0", class, "", out, sizeof(out)), 0);
	assert_string_equal(out, "");
	manager_hear(m);
}

/* vrngctl shows the guest, there. */
static void
is_in(struct suite *s, const char *guest, const char *class)
{
	char out[OUT], line[128];

	assert_int_equal(admin_ctl(s, out, sizeof(out), "status"), 0);
	snprintf(line, sizeof(line), "%s   %s ", guest, class);
	if (strstr(out, line) == NULL)
		print_error("# no '%s' in:\n%s", line, out);
	assert_non_null(strstr(out, line));
}

static void
stops(struct suite *s)
{
	CHECK(daemon_stop(&s->d, SIGTERM));
}

/* A socket file that is not ours stays where it is. */
static void
test_start(void **state)
{
	struct suite *s = *state;
	struct manager m;
	struct stat st;

	manager_open(&m, s);
	conf(s, "guest \"vm0\" { socket = systemd class = gold }\n");
	manager_unit(&m, "guest-vm0", manager_listen(&m, "vm0.sock"));
	manager_unit(&m, "guest-vm1", manager_listen(&m, "vm1.sock"));
	manager_unit(&m, "something", manager_listen(&m, "other.sock"));
	admin_start(s);
	suite_up_qemu(s, &s->fe, "vm0");
	suite_up_qemu(s, &s->other, "vm1");
	suite_served(&s->fe);
	suite_served(&s->other);
	is_in(s, "vm0", "gold");
	assert_int_equal(
	    daemon_log_count(&s->d,
		"closing a descriptor from systemd, unknown name: "),
	    1);
	fe_close(&s->fe);
	stops(s);
	assert_int_equal(stat(daemon_path(&s->d, "vm0.sock"), &st), 0);
	admin_start(s);
	suite_up_qemu(s, &s->fe, "vm0");
	suite_served(&s->fe);
	manager_hear(&m);
	assert_int_equal(manager_stored(&m, "g-"), 0);
	manager_close(&m);
	suite_pass(s);
}

/* With a wrong count, no descriptor can be trusted. */
static void
test_count(void **state)
{
	struct suite *s = *state;
	const char *const args[] = { "-C", "@conf", NULL };
	struct manager m;
	int status;

	manager_open(&m, s);
	conf(s, "");
	m.names = "guest-a:b:guest-c";
	manager_unit(&m, "guest-a", manager_listen(&m, "a.sock"));
	manager_unit(&m, "guest-c", manager_listen(&m, "c.sock"));
	CHECK(daemon_spawn(&s->d, args));
	status = daemon_wait(&s->d, DAEMON_TIMEOUT_MS);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 1);
	assert_int_equal(daemon_log_count(&s->d,
			     "descriptors and names from systemd differ"),
	    1);
	manager_close(&m);
	suite_pass(s);
}

/* Adopted, kept by systemd, and there again with the next daemon. */
static void
test_adopted(void **state)
{
	struct suite *s = *state;
	struct manager m;
	int fd;

	manager_open(&m, s);
	conf(s, "");
	admin_start(s);
	fd = manager_listen(&m, "vm0.sock");
	manager_hear(&m);
	adopt(&m, fd, "iron");
	close(fd);
	assert_string_equal(m.said, "FDSTORE=1 FDNAME=g-vm0++iron\n");
	suite_up_qemu(s, &s->fe, "vm0");
	suite_served(&s->fe);
	is_in(s, "vm0", "iron");
	fe_close(&s->fe);
	for (int i = 0; i < 3; i++) {
		if (i == 1)
			assert_int_equal(daemon_stop(&s->d, SIGKILL), SIGKILL);
		else
			stops(s);
		manager_hear(&m);
		assert_int_equal(manager_stored(&m, "g-vm0"), 1);
		admin_start(s);
		is_in(s, "vm0", "iron");
		suite_up_qemu(s, &s->fe, "vm0");
		suite_served(&s->fe);
		fe_close(&s->fe);
		manager_hear(&m);
		assert_null(strstr(m.said, "FDSTORE"));
	}
	manager_close(&m);
	suite_pass(s);
}

/*
 * A guest that vrngctl added is there again with the next daemon, and keeps its
 * connection; its socket file goes with it.
 */
static void
test_added(void **state)
{
	struct suite *s = *state;
	struct manager m;
	char out[OUT], guest[128];

	manager_open(&m, s);
	conf(s, "");
	admin_start(s);
	assert_int_equal(admin_ctl(s, out, sizeof(out),
			     "guest add vm0 --socket %s --class iron",
			     daemon_path(&s->d, "vm0.sock")),
	    0);
	suite_up_qemu(s, &s->fe, "vm0");
	suite_served(&s->fe);
	for (int i = 0; i < 3; i++) {
		if (i == 1)
			assert_int_equal(daemon_stop(&s->d, SIGKILL), SIGKILL);
		else
			stops(s);
		manager_hear(&m);
		assert_int_equal(manager_stored(&m, "a-vm0++iron"), 1);
		admin_start(s);
		is_in(s, "vm0", "iron");
		suite_served(&s->fe);
	}
	fe_close(&s->fe);
	suite_up_qemu(s, &s->fe, "vm0");
	suite_served(&s->fe);
	fe_close(&s->fe);
	/* A socket in place of one whose file was removed is stored as well. */
	CHECK(unlink(daemon_path(&s->d, "vm0.sock")));
	assert_int_equal(admin_ctl(s, out, sizeof(out), "reload"), 0);
	stops(s);
	manager_hear(&m);
	admin_start(s);
	suite_up_qemu(s, &s->fe, "vm0");
	suite_served(&s->fe);
	/* The configuration takes the socket over, also while vrngd is down. */
	stops(s);
	snprintf(guest, sizeof(guest),
	    "guest \"vm0\" { socket = \"%s\" class = \"gold\" }\n",
	    daemon_path(&s->d, "vm0.sock"));
	conf(s, guest);
	manager_hear(&m);
	admin_start(s);
	is_in(s, "vm0", "gold");
	suite_served(&s->fe);
	manager_hear(&m);
	assert_int_equal(manager_stored(&m, "a-"), 0);
	conf(s, "");
	assert_int_equal(admin_ctl(s, out, sizeof(out), "reload"), 0);
	assert_int_equal(access(daemon_path(&s->d, "vm0.sock"), F_OK), -1);
	fe_close(&s->fe);
	manager_close(&m);
	suite_pass(s);
}

/* One whose directory is gone keeps no other guest from being served. */
static void
test_added_vanished(void **state)
{
	struct suite *s = *state;
	char out[OUT], dir[128];
	struct manager m;

	manager_open(&m, s);
	conf(s, "");
	admin_start(s);
	snprintf(dir, sizeof(dir), "%s", daemon_path(&s->d, "vm0"));
	CHECK(mkdir(dir, 0700));
	assert_int_equal(admin_ctl(s, out, sizeof(out),
			     "guest add vm0 --socket %s/sock", dir),
	    0);
	assert_int_equal(admin_ctl(s, out, sizeof(out),
			     "guest add vm1 --socket %s/vm1.sock", s->d.dir),
	    0);
	stops(s);
	manager_hear(&m);
	snprintf(out, sizeof(out), "%s/sock", dir);
	CHECK(unlink(out));
	CHECK(rmdir(dir));
	admin_start(s);
	CHECK(daemon_log_wait(&s->d,
	    "guest vm0: stored socket rejected: cannot listen", 1, 5000));
	suite_up_qemu(s, &s->fe, "vm1");
	suite_served(&s->fe);
	manager_hear(&m);
	assert_int_equal(manager_stored(&m, "a-vm0"), 0);
	assert_int_equal(manager_stored(&m, "a-vm1"), 1);
	fe_close(&s->fe);
	/* One whose file is gone gets another, also if it cannot be stored. */
	stops(s);
	manager_hear(&m);
	CHECK(unlink(daemon_path(&s->d, "vm1.sock")));
	m.unstoring = true;
	admin_start(s);
	suite_up_qemu(s, &s->fe, "vm1");
	suite_served(&s->fe);
	fe_close(&s->fe);
	manager_close(&m);
	suite_pass(s);
}

/* One that is removed is gone, with its file, and one without a class too. */
static void
test_added_ends(void **state)
{
	struct suite *s = *state;
	struct manager m;
	char out[OUT];

	manager_open(&m, s);
	conf(s, "");
	admin_start(s);
	for (int i = 0; i < 2; i++)
		assert_int_equal(admin_ctl(s, out, sizeof(out),
				     "guest add vm%d --socket %s/vm%d.sock "
				     "--class iron",
				     i, s->d.dir, i),
		    0);
	stops(s);
	manager_hear(&m);
	admin_start(s);
	assert_int_equal(admin_ctl(s, out, sizeof(out), "guest remove vm0"), 0);
	assert_int_equal(access(daemon_path(&s->d, "vm0.sock"), F_OK), -1);
	manager_hear(&m);
	assert_int_equal(manager_stored(&m, "a-vm0"), 0);
	stops(s);
	manager_hear(&m);
	admin_conf(s, "w",
	    "pool \"default\" { source \"k\" "
	    "{ type = kernel } }\n");
	admin_start(s);
	CHECK(daemon_log_wait(&s->d,
	    "guest vm1++iron: stored socket rejected: ", 1, 5000));
	assert_int_equal(access(daemon_path(&s->d, "vm1.sock"), F_OK), -1);
	manager_hear(&m);
	assert_int_equal(manager_stored(&m, "a-"), 0);
	manager_close(&m);
	suite_pass(s);
}

/* The notifications to the manager, except for the status. */
static const char *
said(struct manager *m)
{
	char *line = m->said;
	size_t len;

	while (*line != '\0') {
		len = strcspn(line, "\n");
		len += line[len] == '\n';
		if (strncmp(line, "STATUS=", 7) == 0)
			memmove(line, line + len, strlen(line + len) + 1);
		else
			line += len;
	}
	return m->said;
}

/* No more descriptors than that: processes that close others' end soon. */
static void
await_fds(struct suite *s, int n)
{
	for (int i = 0; i < 500 && proc_fds(s->d.pid) > n; i++)
		usleep(10000);
	assert_in_range(proc_fds(s->d.pid), 0, n);
}

/* The same socket again changes nothing but the place; a connection goes on. */
static void
test_again(void **state)
{
	struct suite *s = *state;
	struct manager m;
	char out[OUT];
	int fd, fds;

	manager_open(&m, s);
	conf(s, "");
	admin_start(s);
	fd = manager_listen(&m, "vm0.sock");
	adopt(&m, fd, "");
	suite_up_qemu(s, &s->fe, "vm0");
	suite_served(&s->fe);
	fds = proc_fds(s->d.pid);
	for (int i = 0; i < 20; i++) {
		adopt(&m, fd, "");
		assert_null(strstr(m.said, "FDSTORE"));
	}
	await_fds(s, fds + 1);
	adopt(&m, fd, "gold");
	assert_non_null(strstr(m.said,
	    "FDSTOREREMOVE=1 FDNAME=g-vm0\nFDSTORE=1 FDNAME=g-vm0++gold\n"));
	is_in(s, "vm0", "gold");
	suite_served(&s->fe);
	close(fd);
	/* Another one takes its place. */
	fd = manager_listen(&m, "vm0.sock");
	adopt(&m, fd, "gold");
	assert_string_equal(said(&m),
	    "FDSTOREREMOVE=1 FDNAME=g-vm0++gold\n"
	    "FDSTORE=1 FDNAME=g-vm0++gold\n");
	suite_served(&s->fe);
	fe_close(&s->fe);
	suite_up_qemu(s, &s->fe, "vm0");
	suite_served(&s->fe);
	assert_int_equal(admin_ctl(s, out, sizeof(out), "guest remove vm0"), 0);
	manager_hear(&m);
	assert_string_equal(said(&m), "FDSTOREREMOVE=1 FDNAME=g-vm0++gold\n");
	close(fd);
	manager_close(&m);
	suite_pass(s);
}

/* The configuration comes and goes: a guest with a unit stays, where it is. */
static void
test_reload(void **state)
{
	struct suite *s = *state;
	struct manager m;
	char egd[512];
	int fd;

	manager_open(&m, s);
	(void)snprintf(egd, sizeof(egd),
	    "guest \"vm0\" { egd = \"%s/none\" class = iron }\n", s->d.dir);
	conf(s, "guest \"vm0\" { socket = systemd class = gold }\n");
	admin_start(s);
	is_in(s, "vm0", "gold");
	fd = manager_listen(&m, "vm0.sock");
	adopt(&m, fd, "iron");
	is_in(s, "vm0", "gold");
	suite_up_qemu(s, &s->fe, "vm0");
	conf(s, "");
	admin_reload(s, ": reloaded, ");
	is_in(s, "vm0", "gold");
	suite_served(&s->fe);
	conf(s, egd);
	admin_reload(s, ": reloaded, ");
	is_in(s, "vm0", "iron");
	suite_served(&s->fe);
	/* In another pool it has to connect again. */
	conf(s, "guest \"vm0\" { socket = systemd pool = other }\n");
	admin_reload(s, ": reloaded, ");
	fe_close(&s->fe);
	suite_up_qemu(s, &s->fe, "vm0");
	suite_served(&s->fe);
	manager_hear(&m);
	assert_null(strstr(m.said, "FDSTORE"));
	assert_int_equal(manager_stored(&m, "g-vm0++iron"), 1);
	close(fd);
	manager_close(&m);
	suite_pass(s);
}

static void
refused(struct manager *m, const int *fds, size_t n, const char *name,
    const char *class, const char *why)
{
	char out[OUT];

	assert_int_not_equal(
	    manager_adopt(m, fds, n, name, class, "", out, sizeof(out)), 0);
	if (strstr(out, why) == NULL)
		print_error("# no '%s' in: %s", why, out);
	assert_non_null(strstr(out, why));
}

/* Nothing but one listening socket, for a name that has no other. */
static void
test_refused(void **state)
{
	struct suite *s = *state;
	int good, pair[2], fds, two[2], null;
	struct manager m;

	manager_open(&m, s);
	conf(s, "");
	admin_conf_guest(s, "vm1", "");
	admin_start(s);
	manager_hear(&m);
	good = manager_listen(&m, "vm0.sock");
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
	two[0] = two[1] = good;
	fds = proc_fds(s->d.pid);
	refused(&m, NULL, 0, "vm0", "", "0 sockets");
	refused(&m, two, 2, "vm0", "", "2 sockets");
	refused(&m, &null, 1, "vm0", "", "not a listening unix");
	refused(&m, &pair[0], 1, "vm0", "", "not a listening unix");
	refused(&m, &good, 1, "vm0", "tin", "unknown class");
	refused(&m, &good, 1, "vm0", "a b", "VRNGD_CLASS 'a b'");
	refused(&m, &good, 1, "vm1", "", "guest has a socket");
	refused(&m, &good, 1, "v:m", "", "letters");
	refused(&m, &good, 1, "a\\x2db", "", "letters");
	await_fds(s, fds);
	manager_hear(&m);
	assert_string_equal(said(&m), "");
	close(good);
	close(null);
	close(pair[0]);
	close(pair[1]);
	suite_up_qemu(s, &s->other, "vm1");
	suite_served(&s->other);
	manager_close(&m);
	suite_pass(s);
}

/*
 * A guest that is served continues if its new class is rejected, and another
 * guest does not exist.  Its unit removes it, but no guest with another socket.
 */
static void
test_kept(void **state)
{
	struct suite *s = *state;
	struct manager m;
	char out[OUT];
	int fd, other;

	manager_open(&m, s);
	conf(s, "");
	admin_conf_guest(s, "vm1", "");
	admin_start(s);
	fd = manager_listen(&m, "vm0.sock");
	other = manager_listen(&m, "vm2.sock");
	adopt(&m, fd, "gold");
	suite_up_qemu(s, &s->fe, "vm0");
	assert_int_equal(
	    manager_adopt(&m, &fd, 1, "vm0", "tin", "", out, sizeof(out)), 4);
	assert_non_null(strstr(out, "has the classes gold, iron"));
	assert_int_equal(
	    manager_adopt(&m, &other, 1, "vm2", "", "none", out, sizeof(out)),
	    1);
	assert_non_null(strstr(out, "the pools are default, other"));
	is_in(s, "vm0", "gold");
	suite_served(&s->fe);
	assert_int_equal(daemon_log_count(&s->d, "warning guest vm0: rejected"),
	    1);
	assert_int_equal(daemon_log_count(&s->d, "warning guest vm2: rejected"),
	    1);
	assert_int_equal(admin_ctl(s, out, sizeof(out), "guest release vm1"),
	    0);
	is_in(s, "vm1", "-");
	assert_int_equal(admin_ctl(s, out, sizeof(out), "guest release vm0"),
	    0);
	assert_int_equal(admin_ctl(s, out, sizeof(out), "guest release vm0"),
	    0);
	assert_int_equal(admin_ctl(s, out, sizeof(out), "guest remove vm0"), 1);
	close(fd);
	close(other);
	manager_close(&m);
	suite_pass(s);
}

/* Invalid or closed descriptors are dropped, and the rest is served. */
static void
test_odd_store(void **state)
{
	static const char *const odd[] = { "g-a+b", "g-a+b+c+d", "g-++gold",
		"g-vm9++tin", "g-vm8+none+" };
	struct suite *s = *state;
	struct manager m;

	manager_open(&m, s);
	conf(s, "");
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++)
		manager_unit(&m, odd[i], manager_listen(&m, "odd.sock"));
	manager_unit(&m, "g-vm0++gold", manager_listen(&m, "vm0.sock"));
	manager_unit(&m, "g-vm7", open("/dev/null", O_RDWR | O_CLOEXEC));
	admin_start(s);
	is_in(s, "vm0", "gold");
	suite_up_qemu(s, &s->fe, "vm0");
	suite_served(&s->fe);
	assert_int_equal(daemon_log_count(&s->d, "stored socket rejected"), 6);
	manager_hear(&m);
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++)
		assert_non_null(strstr(m.said, odd[i]));
	assert_non_null(strstr(m.said, "g-vm7"));
	assert_null(strstr(m.said, "g-vm0"));
	manager_close(&m);
	suite_pass(s);
}

/* The daemon's notifications to systemd. */
static void
test_notified(void **state)
{
	struct suite *s = *state;
	struct manager m;
	const char *reloading, *ready;

	manager_open(&m, s);
	conf(s, "");
	admin_start(s);
	poll(NULL, 0, 100);
	manager_hear(&m);
	assert_non_null(strstr(m.said, "READY=1 STATUS=0 of 0 guests"));
	/* It has sent its status, and nothing has changed since. */
	poll(NULL, 0, 3000);
	manager_hear(&m);
	assert_non_null(strstr(m.said, "STATUS=0 of 0 guests connected, "));
	assert_non_null(strstr(m.said, " 2 of 2 sources healthy\n"));
	poll(NULL, 0, 6000);
	manager_hear(&m);
	assert_string_equal(m.said, "");
	conf(s, "guest \"vm0\" {\n");
	admin_reload(s, "rejected, keeping the running");
	poll(NULL, 0, 100);
	manager_hear(&m);
	reloading = strstr(m.said, "RELOADING=1 MONOTONIC_USEC=");
	ready = strstr(m.said, "READY=1 STATUS=");
	assert_non_null(reloading);
	assert_non_null(ready);
	assert_true(reloading < ready);
	stops(s);
	manager_hear(&m);
	assert_non_null(strstr(m.said, "STOPPING=1"));
	manager_close(&m);
	suite_pass(s);
}

/* What lies in a session does not hold up the manager, which has it too. */
static void
test_lingering(void **state)
{
	struct suite *s = *state;
	struct manager m;
	uint64_t before = 0;
	int peer, fd = hostile_lingering(&peer);

	manager_open(&m, s);
	conf(s, "guest \"vm0\" { socket = systemd }\n");
	manager_unit(&m, "guest-vm0", manager_listen(&m, "vm0.sock"));
	admin_start(s);
	suite_up_qemu(s, &s->fe, "vm0");
	fe_set_fd(&s->fe, FE_SET_VRING_CALL, fd);
	close(fd);
	manager_hear(&m);
	assert_int_equal(manager_stored(&m, "s-"), 1);
	fe_close(&s->fe);
	for (int i = 0; i < 500 && manager_stored(&m, "s-") > 0; i++) {
		usleep(10000);
		before = fe_now();
		manager_hear(&m);
	}
	assert_int_equal(manager_stored(&m, "s-"), 0);
	assert_true(fe_now() - before < 5000);
	close(peer);
	manager_close(&m);
	suite_pass(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SUITE_EMPTY(test_start),
		SUITE_EMPTY(test_count),
		SUITE_EMPTY(test_adopted),
		SUITE_EMPTY(test_added),
		SUITE_EMPTY(test_added_vanished),
		SUITE_EMPTY(test_added_ends),
		SUITE_EMPTY(test_again),
		SUITE_EMPTY(test_reload),
		SUITE_EMPTY(test_refused),
		SUITE_EMPTY(test_kept),
		SUITE_EMPTY(test_odd_store),
		SUITE_EMPTY(test_notified),
		SUITE_EMPTY(test_lingering),
	};

	return SUITE_MAIN("passed", tests);
}
