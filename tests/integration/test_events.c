/*
 * Events in the journal: that they are told, with all that the catalog says of
 * them, and statistics, which disturb nobody.
 */
#include <sys/socket.h>
#include <sys/un.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "event.h" /* first, for the sake of names that daemon.h has too */

#include "admin.h"
#include "journal.h"

#define IDLE_MS 2500

static char *catalog;

struct watched {
	struct suite *s;
	struct fifo fifo; /* a source */
	int fd;		  /* the journal */
};

/* Each field that the catalog mentions is in the record. */
static void
explained(const struct journal_record *r, const char *id)
{
	const char *entry = strstr(catalog, id), *end, *at = entry;
	char name[64];

	assert_non_null(entry);
	end = strstr(entry, "\n-- ");
	while (
	    (at = strstr(at, "@VRNGD_")) != NULL && (end == NULL || at < end)) {
		assert_int_equal(sscanf(at, "@%63[A-Z_]@", name), 1);
		if (journal_value(r, name) == NULL)
			fail_msg("the catalog wants %s, which is not in: %s",
			    name, journal_value(r, "MESSAGE"));
		at += strlen(name) + 2;
	}
}

/* Waits for an event about something (a field and its value, or NULL). */
static void
await(struct watched *w, enum event event, const char *name, const char *value,
    struct journal_record *r)
{
	const char *found;

	do {
		journal_expect(w->fd, "MESSAGE_ID", event_type(event)->id, r);
		explained(r, event_type(event)->id);
		found = name == NULL ? NULL : journal_value(r, name);
	} while (name != NULL && (found == NULL || strcmp(found, value) != 0));
}

/* A daemon that is ready; false: that needs root. */
static bool
start(struct watched *w, struct suite *s, const char *statistics)
{
	const char *const args[] = { "-C", "@conf", "--control", "@control",
		NULL };
	struct journal_record r;

	*w = (struct watched){ .s = s, .fd = journal_open() };
	if (w->fd == -1) {
		suite_pass(s);
		return false;
	}
	fifo_make(s, &w->fifo, "fifo");
	admin_conf(s, "w",
	    "statistics = %s\n"
	    "pool \"default\" {\n"
	    "source \"kernel\" { type = kernel }\n"
	    "class \"gold\" { ceil = 1M } class \"slow\" { ceil = 1K } }\n"
	    "pool \"two\" {\n"
	    "source \"fifo\" { type = device path = \"%s\" noise = raw\n"
	    "sample-bits = 8 min-entropy = 4 timeout = 1s }\n"
	    "source \"kernel\" { type = kernel } }\n"
	    "egd \"local\" { unix = \"%s/egd\" class = \"gold\" }\n",
	    statistics, w->fifo.path, s->d.dir);
	admin_conf_guest(s, "vm0", "class = \"gold\"");
	admin_conf_guest(s, "vm1", "class = \"slow\" burst = 1K");
	s->d.journal = true;
	CHECK(daemon_spawn(&s->d, args));
	await(w, EVENT_READY, "VRNGD_GUESTS", "2", &r);
	journal_is(&r, "PRIORITY", "6");
	return true;
}

static void
end(struct watched *w)
{
	close(w->fd);
	fifo_free(&w->fifo);
	suite_pass(w->s);
}

static void
test_guest(void **state)
{
	struct journal_record r;
	struct watched w;

	if (!start(&w, *state, "0"))
		skip();
	suite_up_qemu(w.s, &w.s->fe, "vm0");
	await(&w, EVENT_CONNECTED, "VRNGD_GUEST", "vm0", &r);
	journal_is(&r, "VRNGD_POOL", "default");
	journal_is(&r, "VRNGD_CLASS", "gold");
	journal_is(&r, "VRNGD_PROCESS", "parent");
	assert_int_equal(journal_number(&r, "VRNGD_PEER_PID"), getpid());
	assert_int_equal(journal_number(&r, "VRNGD_WORKER_PID"),
	    daemon_child(&w.s->d, ROLE_VHOST, "vm0"));
	for (int i = 0; i < 10; i++)
		suite_served(&w.s->fe);
	fe_close(&w.s->fe);
	await(&w, EVENT_DISCONNECTED, "VRNGD_GUEST", "vm0", &r);
	assert_int_equal(journal_number(&r, "VRNGD_BYTES"), 640);
	assert_int_equal(journal_number(&r, "VRNGD_REQUESTS"), 10);
	assert_int_equal(journal_number(&r, "VRNGD_CUT"), 0);
	assert_int_equal(journal_number(&r, "VRNGD_REFUSED"), 0);
	assert_true(journal_number(&r, "VRNGD_WAIT_NS") <=
	    journal_number(&r, "VRNGD_SERVED_NS"));
	end(&w);
}

static void
test_throttled(void **state)
{
	struct journal_record r;
	struct watched w;
	uint64_t wait;

	if (!start(&w, *state, "1s"))
		skip();
	suite_up_qemu(w.s, &w.s->other, "vm1");
	/* The burst, and then a quarter of a second. */
	for (int i = 0; i < 20; i++)
		suite_served(&w.s->other);
	await(&w, EVENT_THROTTLED, "VRNGD_GUEST", "vm1", &r);
	journal_is(&r, "VRNGD_CLASS", "slow");
	journal_is(&r, "VRNGD_LIMIT", "guest");
	assert_int_equal(journal_number(&r, "VRNGD_CEIL"), 1024);
	assert_in_range(journal_number(&r, "VRNGD_WAIT_NS"), 100000000,
	    1000000000);
	await(&w, EVENT_STATISTICS, "VRNGD_GUEST", "vm1", &r);
	wait = journal_number(&r, "VRNGD_WAIT_NS");
	assert_in_range(journal_number(&r, "VRNGD_THROTTLED_NS"), 100000000,
	    wait + 50000000);
	end(&w);
}

/* How often the parent and its children have been woken up so far. */
static uint64_t
wakeups(struct watched *w)
{
	struct proc children[16];
	uint64_t sum = 0;
	char text[64];
	size_t n = proc_children(w->s->d.pid, children, 16);

	assert_true(n >= 4 && n < 16);
	children[n++].pid = w->s->d.pid;
	for (size_t i = 0; i < n; i++) {
		CHECK(proc_status(children[i].pid, "voluntary_ctxt_switches",
		    text, sizeof(text)));
		sum += strtoull(text, NULL, 10);
	}
	return sum;
}

static int
egd_connect(struct watched *w)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/egd", w->s->d.dir);
	assert_int_not_equal(fd, -1);
	CHECK(connect(fd, (struct sockaddr *)&sun, sizeof(sun)));
	return fd;
}

/* What was given is told once, of whom it was; then nobody is woken up. */
static void
test_statistics(void **state)
{
	struct journal_record r;
	struct watched w;
	uint64_t before, woken;
	uint8_t buf[100];
	int egd;

	if (!start(&w, *state, "1s"))
		skip();
	suite_up_qemu(w.s, &w.s->fe, "vm0");
	suite_up_qemu(w.s, &w.s->other, "vm1");
	for (int i = 0; i < 100; i++)
		suite_served(&w.s->fe);
	egd = egd_connect(&w);
	assert_int_equal(write(egd, "\x02\x64", 2), 2);
	assert_int_equal(recv(egd, buf, 100, MSG_WAITALL), 100);
	await(&w, EVENT_STATISTICS, "VRNGD_GUEST", "vm0", &r);
	assert_int_equal(journal_number(&r, "VRNGD_BYTES"), 6400);
	assert_int_equal(journal_number(&r, "VRNGD_BYTES_TOTAL"), 6400);
	assert_int_equal(journal_number(&r, "VRNGD_REQUESTS"), 100);
	assert_int_equal(journal_number(&r, "VRNGD_CONNECTIONS"), 1);
	assert_int_equal(journal_number(&r, "VRNGD_CLIENTS"), 1);
	assert_int_equal(journal_number(&r, "VRNGD_THROTTLED_NS"), 0);
	assert_true(journal_number(&r, "VRNGD_GRANTED") >= 6400);
	assert_in_range(journal_number(&r, "VRNGD_INTERVAL_NS"), 1000000000,
	    5000000000);
	journal_is(&r, "VRNGD_CLASS", "gold");
	await(&w, EVENT_STATISTICS, "VRNGD_SERVICE", "local", &r);
	assert_int_equal(journal_number(&r, "VRNGD_BYTES"), 100);
	assert_int_equal(journal_number(&r, "VRNGD_REQUESTS"), 1);
	await(&w, EVENT_SOURCE_STATISTICS, "VRNGD_SOURCE", "kernel", &r);
	assert_true(journal_number(&r, "VRNGD_BYTES") >= 6500);
	assert_int_equal(journal_number(&r, "VRNGD_ALARMS"), 0);
	assert_int_equal(journal_number(&r, "VRNGD_HEALTHY"), 1);
	journal_is(&r, "VRNGD_POOL", "default");
	await(&w, EVENT_POOL_STATISTICS, "VRNGD_POOL", "default", &r);
	assert_true(journal_number(&r, "VRNGD_GRANTED") >= 6500);
	assert_int_equal(journal_number(&r, "VRNGD_SOURCES"), 1);
	assert_int_equal(journal_number(&r, "VRNGD_HEALTHY"), 1);
	assert_true(journal_number(&r, "VRNGD_STOCK") > 0);
	assert_int_equal(journal_number(&r, "VRNGD_WAITING"), 0);
	/* The fifo, of which nobody writes, has its say meanwhile. */
	while (journal_next(w.fd, &r, IDLE_MS))
		continue;
	before = wakeups(&w);
	assert_false(journal_next(w.fd, &r, IDLE_MS));
	woken = wakeups(&w) - before;
	print_message("# woken up %ju times\n", (uintmax_t)woken);
	assert_int_equal(woken, 0);
	suite_served(&w.s->other);
	await(&w, EVENT_STATISTICS, "VRNGD_GUEST", "vm1", &r);
	assert_int_equal(journal_number(&r, "VRNGD_BYTES"), 64);
	/* Of vm0 and the service nothing, to the end of the period. */
	await(&w, EVENT_POOL_STATISTICS, "VRNGD_POOL", "default", &r);
	close(egd);
	end(&w);
}

/* A period that was cut short by the end is told too. */
static void
test_last_statistics(void **state)
{
	struct journal_record r;
	struct watched w;

	if (!start(&w, *state, "10min"))
		skip();
	suite_up_qemu(w.s, &w.s->fe, "vm0");
	suite_served(&w.s->fe);
	suite_served(&w.s->fe);
	CHECK(kill(w.s->d.pid, SIGTERM));
	await(&w, EVENT_STOPPING, "VRNGD_SIGNAL", "15", &r);
	await(&w, EVENT_STATISTICS, "VRNGD_GUEST", "vm0", &r);
	assert_int_equal(journal_number(&r, "VRNGD_BYTES"), 128);
	await(&w, EVENT_POOL_STATISTICS, "VRNGD_POOL", "default", &r);
	end(&w);
}

static void
test_source(void **state)
{
	struct journal_record r;
	struct watched w;
	char out[512];

	if (!start(&w, *state, "0"))
		skip();
	fifo_feed(&w.fifo, 20000);
	await(&w, EVENT_SOURCE_HEALTHY, "VRNGD_SOURCE", "fifo", &r);
	journal_is(&r, "VRNGD_POOL", "two");
	journal_is(&r, "VRNGD_TEST", "none");
	/* More than the limit, less than what is no chance. */
	fifo_stick(&w.fifo, 13);
	fifo_feed(&w.fifo, 64);
	await(&w, EVENT_SOURCE_FAILED, "VRNGD_SOURCE", "fifo", &r);
	journal_is(&r, "PRIORITY", "4");
	journal_is(&r, "VRNGD_TEST", "repetition");
	journal_is(&r, "VRNGD_REASON", "it failed the repetition count test");
	assert_true(journal_number(&r, "VRNGD_BYTES") > 0);
	await(&w, EVENT_POOL_DEGRADED, "VRNGD_POOL", "two", &r);
	journal_is(&r, "VRNGD_SOURCE", "kernel");
	assert_int_equal(journal_number(&r, "VRNGD_SOURCES"), 2);
	assert_int_equal(admin_ctl(w.s, out, sizeof(out), "source retest fifo"),
	    0);
	await(&w, EVENT_CONTROLLED, "VRNGD_COMMAND", "source retest", &r);
	assert_int_equal(journal_number(&r, "VRNGD_PEER_UID"), geteuid());
	await(&w, EVENT_SOURCE_RETESTED, "VRNGD_SOURCE", "fifo", &r);
	fifo_feed(&w.fifo, 20000);
	await(&w, EVENT_SOURCE_RECOVERED, "VRNGD_SOURCE", "fifo", &r);
	assert_int_equal(journal_number(&r, "VRNGD_FAILURES"), 1);
	await(&w, EVENT_POOL_SERVING, "VRNGD_POOL", "two", &r);
	await(&w, EVENT_SOURCE_STALLED, "VRNGD_SOURCE", "fifo", &r);
	fifo_stick(&w.fifo, 200);
	await(&w, EVENT_SOURCE_LATCHED, "VRNGD_SOURCE", "fifo", &r);
	journal_is(&r, "PRIORITY", "3");
	journal_is(&r, "VRNGD_TEST", "repetition");
	end(&w);
}

static void
test_processes(void **state)
{
	struct journal_record r;
	struct watched w;
	pid_t pid;

	if (!start(&w, *state, "0"))
		skip();
	suite_up_qemu(w.s, &w.s->fe, "vm0");
	suite_served(&w.s->fe);
	pid = daemon_child(&w.s->d, ROLE_VHOST, "vm0");
	CHECK(kill(pid, SIGKILL));
	await(&w, EVENT_PROCESS_DIED, "VRNGD_GUEST", "vm0", &r);
	journal_is(&r, "VRNGD_PROCESS", "vhost");
	assert_int_equal(journal_number(&r, "VRNGD_PID"), pid);
	assert_int_equal(journal_number(&r, "VRNGD_SIGNAL"), SIGKILL);
	await(&w, EVENT_WORKER_RESTARTED, "VRNGD_GUEST", "vm0", &r);
	assert_int_equal(journal_number(&r, "VRNGD_DEATHS"), 1);
	assert_int_equal(journal_number(&r, "VRNGD_WORKER_PID"),
	    daemon_child(&w.s->d, ROLE_VHOST, "vm0"));
	suite_served(&w.s->fe);
	pid = daemon_child(&w.s->d, ROLE_ENTROPY, NULL);
	CHECK(kill(pid, SIGSYS));
	await(&w, EVENT_ALARM, "VRNGD_PROCESS", "entropy", &r);
	journal_is(&r, "PRIORITY", "3");
	journal_is(&r, "VRNGD_POOL", "default");
	assert_int_equal(journal_number(&r, "VRNGD_PID"), pid);
	await(&w, EVENT_ENTROPY_RESTARTED, "VRNGD_POOL", "default", &r);
	await(&w, EVENT_SOURCE_HEALTHY, "VRNGD_POOL", "default", &r);
	end(&w);
}

/* Whether that event is among the records so far; leaves it. */
static bool
told(struct watched *w, enum event event, struct journal_record *r)
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

	if (!start(&w, *state, "0"))
		skip();
	suite_up_qemu(w.s, &w.s->fe, "vm0");
	while (!told(&w, EVENT_CUT_OFF, &r)) {
		assert_true(fe_now() < deadline);
		pid = daemon_child(&w.s->d, ROLE_VHOST, "vm0");
		if (pid != 0)
			kill(pid, SIGKILL);
		usleep(5000);
	}
	explained(&r, event_type(EVENT_CUT_OFF)->id);
	journal_is(&r, "PRIORITY", "3");
	journal_is(&r, "VRNGD_GUEST", "vm0");
	journal_is(&r, "VRNGD_REASON", "its workers keep dying");
	assert_in_range(journal_number(&r, "VRNGD_DEATHS"), 20, 60);
	end(&w);
}

static void
test_changes(void **state)
{
	struct journal_record r;
	struct watched w;
	char out[512];

	if (!start(&w, *state, "0"))
		skip();
	CHECK(kill(w.s->d.pid, SIGHUP));
	await(&w, EVENT_RELOADED, "VRNGD_GUESTS", "2", &r);
	assert_int_equal(admin_ctl(w.s, out, sizeof(out),
			     "guest add vm2 --socket %s/vm2.sock --class gold",
			     w.s->d.dir),
	    0);
	await(&w, EVENT_GUEST_ADDED, "VRNGD_GUEST", "vm2", &r);
	journal_is(&r, "VRNGD_CLASS", "gold");
	assert_int_equal(admin_ctl(w.s, out, sizeof(out), "guest remove vm2"),
	    0);
	await(&w, EVENT_GUEST_REMOVED, "VRNGD_GUEST", "vm2", &r);
	admin_conf(w.s, "a", "nonsense\n");
	CHECK(kill(w.s->d.pid, SIGHUP));
	await(&w, EVENT_RELOAD_REFUSED, NULL, NULL, &r);
	journal_is(&r, "PRIORITY", "3");
	end(&w);
}

static int
read_catalog(void)
{
	FILE *f = fopen(CATALOG, "r");
	size_t size = 0;
	ssize_t n;

	if (f == NULL)
		return -1;
	n = getdelim(&catalog, &size, '\0', f);
	fclose(f);
	return n > 0 ? 0 : -1;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SUITE_EMPTY(test_guest),
		SUITE_EMPTY(test_throttled),
		SUITE_EMPTY(test_statistics),
		SUITE_EMPTY(test_last_statistics),
		SUITE_EMPTY(test_source),
		SUITE_EMPTY(test_processes),
		SUITE_EMPTY(test_cut_off),
		SUITE_EMPTY(test_changes),
	};

	if (read_catalog() == -1)
		return 1;
	return SUITE_MAIN("events", tests);
}
