/*
 * Events in the journal: that they are logged, with all that the catalog says
 * of them.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "integration/events.h"

static void
test_guest(void **state)
{
	struct journal_record r;
	struct watched w;

	events_start(&w, *state, "0");
	suite_up_qemu(w.s, &w.s->fe, "vm0");
	events_await(&w, EVENT_CONNECTED, "VRNGD_GUEST", "vm0", &r);
	journal_is(&r, "VRNGD_POOL", "default");
	journal_is(&r, "VRNGD_CLASS", "gold");
	journal_is(&r, "VRNGD_PROCESS", "parent");
	assert_int_equal(journal_number(&r, "VRNGD_PEER_PID"), getpid());
	assert_int_equal(journal_number(&r, "VRNGD_WORKER_PID"),
	    daemon_child(&w.s->d, ROLE_VHOST, "vm0"));
	for (int i = 0; i < 10; i++)
		suite_served(&w.s->fe);
	fe_close(&w.s->fe);
	events_await(&w, EVENT_DISCONNECTED, "VRNGD_GUEST", "vm0", &r);
	assert_int_equal(journal_number(&r, "VRNGD_BYTES"), 640);
	assert_int_equal(journal_number(&r, "VRNGD_REQUESTS"), 10);
	assert_int_equal(journal_number(&r, "VRNGD_CUT"), 0);
	assert_int_equal(journal_number(&r, "VRNGD_REFUSED"), 0);
	assert_true(journal_number(&r, "VRNGD_WAIT_NS") <=
	    journal_number(&r, "VRNGD_SERVED_NS"));
	events_pass(&w);
}

static void
test_source(void **state)
{
	struct journal_record r;
	struct watched w;
	char out[512];

	events_start(&w, *state, "0");
	fifo_feed(&w.fifo, 20000);
	events_await(&w, EVENT_SOURCE_HEALTHY, "VRNGD_SOURCE", "fifo", &r);
	journal_is(&r, "VRNGD_POOL", "two");
	journal_is(&r, "VRNGD_TEST", "none");
	/* More than the limit, less than what is no chance. */
	fifo_stick(&w.fifo, 13);
	fifo_feed(&w.fifo, 64);
	events_await(&w, EVENT_SOURCE_FAILED, "VRNGD_SOURCE", "fifo", &r);
	journal_is(&r, "PRIORITY", "4");
	journal_is(&r, "VRNGD_TEST", "repetition");
	journal_is(&r, "VRNGD_REASON", "failed the repetition count test");
	assert_true(journal_number(&r, "VRNGD_BYTES") > 0);
	assert_int_equal(admin_ctl(w.s, out, sizeof(out), "source retest fifo"),
	    0);
	events_await(&w, EVENT_CONTROLLED, "VRNGD_COMMAND", "source retest",
	    &r);
	assert_int_equal(journal_number(&r, "VRNGD_PEER_UID"), geteuid());
	events_await(&w, EVENT_SOURCE_RETESTED, "VRNGD_SOURCE", "fifo", &r);
	fifo_feed(&w.fifo, 20000);
	events_await(&w, EVENT_SOURCE_RECOVERED, "VRNGD_SOURCE", "fifo", &r);
	assert_int_equal(journal_number(&r, "VRNGD_FAILURES"), 1);
	events_await(&w, EVENT_SOURCE_STALLED, "VRNGD_SOURCE", "fifo", &r);
	fifo_stick(&w.fifo, 64);
	events_await(&w, EVENT_SOURCE_LATCHED, "VRNGD_SOURCE", "fifo", &r);
	journal_is(&r, "PRIORITY", "3");
	journal_is(&r, "VRNGD_TEST", "repetition");
	events_pass(&w);
}

/* The sources of a pool, logged before or after the reason. */
static void
test_pool(void **state)
{
	struct journal_record r;
	struct watched w;
	char out[512];

	events_start(&w, *state, "0");
	fifo_feed(&w.fifo, 20000);
	events_await(&w, EVENT_POOL_SERVING, "VRNGD_SOURCE", "fifo", &r);
	journal_is(&r, "VRNGD_POOL", "two");
	assert_int_equal(journal_number(&r, "VRNGD_SERVING"), 1);
	assert_int_equal(journal_number(&r, "VRNGD_SOURCES"), 2);
	fifo_stick(&w.fifo, 64);
	events_await(&w, EVENT_POOL_DEGRADED, "VRNGD_POOL", "two", &r);
	journal_is(&r, "PRIORITY", "4");
	journal_is(&r, "VRNGD_SOURCE", "kernel");
	while (admin_ctl(w.s, out, sizeof(out), "source retest fifo") != 0)
		usleep(10000);
	fifo_feed(&w.fifo, 20000);
	events_await(&w, EVENT_POOL_SERVING, "VRNGD_SOURCE", "fifo", &r);
	events_pass(&w);
}

/* A pool with one source: its guests wait, and do not any more. */
static void
test_starved(void **state)
{
	struct suite *s = *state;
	struct watched w = { .s = s, .fd = journal_open(s) };
	struct journal_record r;
	char out[512];

	fifo_make(s, &w.fifo, "fifo");
	admin_conf(s, "w",
	    "pool \"lone\" { source \"fifo\" { type = device path = \"%s\"\n"
	    "noise = raw sample-bits = 8 min-entropy = 4 } }\n",
	    w.fifo.path);
	s->d.journal = true;
	events_again(&w);
	fifo_feed(&w.fifo, 20000);
	events_await(&w, EVENT_SOURCE_HEALTHY, "VRNGD_SOURCE", "fifo", &r);
	for (int i = 0; i < 2; i++) {
		fifo_stick(&w.fifo, 64);
		events_await(&w, EVENT_POOL_STARVED, "VRNGD_POOL", "lone", &r);
		journal_is(&r, "PRIORITY", "3");
		assert_int_equal(journal_number(&r, "VRNGD_SOURCES"), 1);
		while (
		    admin_ctl(s, out, sizeof(out), "source retest fifo") != 0)
			usleep(10000);
		fifo_feed(&w.fifo, 20000);
		events_await(&w, EVENT_POOL_SERVING, "VRNGD_POOL", "lone", &r);
		journal_is(&r, "VRNGD_SOURCE", "fifo");
	}
	events_pass(&w);
}

/* Sources that never served: after a while that is reported once. */
static void
test_never(void **state)
{
	struct suite *s = *state;
	struct watched w = { .s = s, .fd = journal_open(s) };
	struct journal_record r;

	fifo_make(s, &w.fifo, "fifo");
	admin_conf(s, "w",
	    "pool \"lone\" { source \"fifo\" { type = device path = \"%s\" } }\n",
	    w.fifo.path);
	s->d.journal = true;
	events_again(&w);
	events_await(&w, EVENT_POOL_STARVED, "VRNGD_POOL", "lone", &r);
	assert_int_equal(journal_number(&r, "VRNGD_SERVING"), 0);
	fifo_feed(&w.fifo, 20000);
	events_await(&w, EVENT_POOL_SERVING, "VRNGD_POOL", "lone", &r);
	events_pass(&w);
}

static void
test_processes(void **state)
{
	struct journal_record r;
	struct watched w;
	pid_t pid;

	events_start(&w, *state, "0");
	suite_up_qemu(w.s, &w.s->fe, "vm0");
	suite_served(&w.s->fe);
	pid = daemon_child(&w.s->d, ROLE_VHOST, "vm0");
	CHECK(kill(pid, SIGKILL));
	events_await(&w, EVENT_PROCESS_DIED, "VRNGD_GUEST", "vm0", &r);
	journal_is(&r, "VRNGD_PROCESS", "vhost");
	assert_int_equal(journal_number(&r, "VRNGD_PID"), pid);
	assert_int_equal(journal_number(&r, "VRNGD_SIGNAL"), SIGKILL);
	events_await(&w, EVENT_WORKER_RESTARTED, "VRNGD_GUEST", "vm0", &r);
	assert_int_equal(journal_number(&r, "VRNGD_DEATHS"), 1);
	assert_int_equal(journal_number(&r, "VRNGD_WORKER_PID"),
	    daemon_child_wait(&w.s->d, ROLE_VHOST, "vm0", FE_TIMEOUT_MS));
	suite_served(&w.s->fe);
	pid = daemon_child(&w.s->d, ROLE_ENTROPY, NULL);
	CHECK(kill(pid, SIGSYS));
	events_await(&w, EVENT_ALARM, "VRNGD_PROCESS", "entropy", &r);
	journal_is(&r, "PRIORITY", "3");
	journal_is(&r, "VRNGD_POOL", "default");
	assert_int_equal(journal_number(&r, "VRNGD_PID"), pid);
	events_await(&w, EVENT_ENTROPY_RESTARTED, "VRNGD_POOL", "default", &r);
	events_await(&w, EVENT_SOURCE_HEALTHY, "VRNGD_POOL", "default", &r);
	events_pass(&w);
}

/* Whether that event is among the records so far; leaves it. */
static bool
logged(struct watched *w, enum event event, struct journal_record *r)
{
	const char *id;

	while (journal_next(w->fd, r, 0)) {
		id = journal_value(r, "MESSAGE_ID");
		if (id != NULL && strcmp(id, event_type(event)->id) == 0)
			return true;
	}
	return false;
}

static void
test_cut_off(void **state)
{
	struct journal_record r;
	struct watched w;
	uint64_t deadline = fe_now() + FE_TIMEOUT_MS;
	pid_t pid;

	events_start(&w, *state, "0");
	suite_up_qemu(w.s, &w.s->fe, "vm0");
	/* It is known that the last message was answered. */
	suite_served(&w.s->fe);
	while (!logged(&w, EVENT_CUT_OFF, &r)) {
		assert_true(fe_now() < deadline);
		pid = daemon_child(&w.s->d, ROLE_VHOST, "vm0");
		if (pid != 0)
			kill(pid, SIGKILL);
		usleep(5000);
	}
	events_explained(&r, EVENT_CUT_OFF);
	journal_is(&r, "PRIORITY", "3");
	journal_is(&r, "VRNGD_GUEST", "vm0");
	journal_is(&r, "VRNGD_REASON", "workers die repeatedly");
	assert_in_range(journal_number(&r, "VRNGD_DEATHS"), 20, 60);
	events_pass(&w);
}

static void
test_changes(void **state)
{
	struct journal_record r;
	struct watched w;
	char out[512], path[128];

	events_start(&w, *state, "0");
	CHECK(kill(w.s->d.pid, SIGHUP));
	events_await(&w, EVENT_RELOADED, "VRNGD_GUESTS", "2", &r);
	assert_int_equal(admin_ctl(w.s, out, sizeof(out),
			     "guest add vm2 --socket %s/vm2.sock --class gold",
			     w.s->d.dir),
	    0);
	events_await(&w, EVENT_GUEST_ADDED, "VRNGD_GUEST", "vm2", &r);
	snprintf(path, sizeof(path), "guest vm2: added, listens at %s/vm2.sock",
	    w.s->d.dir);
	journal_is(&r, "MESSAGE", path);
	journal_is(&r, "VRNGD_CLASS", "gold");
	assert_int_equal(admin_ctl(w.s, out, sizeof(out),
			     "guest add vm4 --socket %s/vm4.sock --class tin",
			     w.s->d.dir),
	    1);
	events_await(&w, EVENT_GUEST_REJECTED, "VRNGD_GUEST", "vm4", &r);
	journal_is(&r, "PRIORITY", "4");
	journal_is(&r, "VRNGD_CLASS", "tin");
	journal_is(&r, "VRNGD_REASON",
	    "unknown class \"tin\" in pool \"default\", which has the classes "
	    "gold, slow");
	assert_int_equal(admin_ctl(w.s, out, sizeof(out), "guest remove vm2"),
	    0);
	events_await(&w, EVENT_GUEST_REMOVED, "VRNGD_GUEST", "vm2", &r);
	admin_conf_guest(w.s, "vm3", "pool = \"two\"");
	CHECK(kill(w.s->d.pid, SIGHUP));
	events_await(&w, EVENT_GUEST_ADDED, "VRNGD_GUEST", "vm3", &r);
	journal_is(&r, "VRNGD_POOL", "two");
	journal_is(&r, "VRNGD_CLASS", NULL);
	admin_conf(w.s, "a", "nonsense\n");
	CHECK(kill(w.s->d.pid, SIGHUP));
	events_await(&w, EVENT_RELOAD_REFUSED, NULL, NULL, &r);
	journal_is(&r, "PRIORITY", "3");
	events_pass(&w);
}

/* Many guests have a record each, and together one line. */
static void
test_many(void **state)
{
	struct journal_record r;
	struct watched w;
	char name[16];

	events_start(&w, *state, "0");
	for (int i = 0; i < 50; i++) {
		snprintf(name, sizeof(name), "new%d", i);
		admin_conf_guest(w.s, name, "");
	}
	CHECK(kill(w.s->d.pid, SIGHUP));
	for (int i = 0; i < 50; i++) {
		snprintf(name, sizeof(name), "new%d", i);
		events_await(&w, EVENT_GUEST_ADDED, "VRNGD_GUEST", name, &r);
		journal_is(&r, "MESSAGE", NULL);
		journal_is(&r, "VRNGD_POOL", "default");
	}
	journal_expect(w.fd, "MESSAGE", "50 guests added", &r);
	assert_int_equal(journal_number(&r, "VRNGD_GUESTS"), 50);
	events_pass(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SUITE_EMPTY(test_guest),
		SUITE_EMPTY(test_source),
		SUITE_EMPTY(test_pool),
		SUITE_EMPTY(test_starved),
		SUITE_EMPTY(test_never),
		SUITE_EMPTY(test_processes),
		SUITE_EMPTY(test_cut_off),
		SUITE_EMPTY(test_changes),
		SUITE_EMPTY(test_many),
	};

	if (events_init() == -1)
		return 1;
	return SUITE_MAIN("events", tests);
}
