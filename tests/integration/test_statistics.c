/*
 * Statistics in the journal: deliveries are logged, without wake-ups.
 */
#include <sys/socket.h>
#include <sys/un.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "integration/events.h"
#include "integration/load.h"
#include "integration/manager.h"

#define IDLE_MS 2500

static void
test_throttled(void **state)
{
	struct journal_record r;
	struct watched w;
	uint64_t wait;

	events_start(&w, *state, "1s");
	suite_up_qemu(w.s, &w.s->other, "vm1");
	/* The burst, and then a quarter of a second. */
	for (int i = 0; i < 20; i++)
		suite_served(&w.s->other);
	events_await(&w, EVENT_THROTTLED, "VRNGD_GUEST", "vm1", &r);
	journal_is(&r, "VRNGD_CLASS", "slow");
	journal_is(&r, "VRNGD_LIMIT", "guest");
	assert_int_equal(journal_number(&r, "VRNGD_CEIL"), 1024);
	assert_in_range(journal_number(&r, "VRNGD_WAIT_NS"), 100000000,
	    1000000000);
	events_await(&w, EVENT_STATISTICS, "VRNGD_GUEST", "vm1", &r);
	wait = journal_number(&r, "VRNGD_WAIT_NS");
	assert_in_range(journal_number(&r, "VRNGD_THROTTLED_NS"), 100000000,
	    wait + 50000000);
	events_pass(&w);
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

/* Deliveries are logged once per guest; then there are no wake-ups. */
static void
test_statistics(void **state)
{
	struct journal_record r;
	struct watched w;
	uint64_t before, woken;
	uint8_t buf[100];
	int egd;

	events_start(&w, *state, "1s");
	suite_up_qemu(w.s, &w.s->fe, "vm0");
	suite_up_qemu(w.s, &w.s->other, "vm1");
	for (int i = 0; i < 100; i++)
		suite_served(&w.s->fe);
	egd = egd_connect(&w);
	assert_int_equal(write(egd, "\x02\x64", 2), 2);
	assert_int_equal(recv(egd, buf, 100, MSG_WAITALL), 100);
	events_await(&w, EVENT_STATISTICS, "VRNGD_GUEST", "vm0", &r);
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
	/* journalctl shows one line for all guests. */
	journal_is(&r, "MESSAGE", NULL);
	events_await(&w, EVENT_STATISTICS, "VRNGD_SERVICE", "local", &r);
	assert_int_equal(journal_number(&r, "VRNGD_BYTES"), 100);
	assert_int_equal(journal_number(&r, "VRNGD_REQUESTS"), 1);
	events_await(&w, EVENT_SOURCE_STATISTICS, "VRNGD_SOURCE", "kernel", &r);
	assert_true(journal_number(&r, "VRNGD_BYTES") >= 6500);
	assert_int_equal(journal_number(&r, "VRNGD_ALARMS"), 0);
	assert_int_equal(journal_number(&r, "VRNGD_HEALTHY"), 1);
	journal_is(&r, "VRNGD_POOL", "default");
	events_await(&w, EVENT_POOL_STATISTICS, "VRNGD_POOL", "default", &r);
	assert_true(journal_number(&r, "VRNGD_GRANTED") >= 6500);
	assert_int_equal(journal_number(&r, "VRNGD_SOURCES"), 1);
	assert_int_equal(journal_number(&r, "VRNGD_HEALTHY"), 1);
	assert_true(journal_number(&r, "VRNGD_STOCK") > 0);
	assert_int_equal(journal_number(&r, "VRNGD_WAITING"), 0);
	assert_non_null(journal_value(&r, "MESSAGE"));
	assert_non_null(strstr(journal_value(&r, "MESSAGE"),
	    " to 3 guests and services, "));
	/* The fifo without a writer is reported meanwhile. */
	while (journal_next(w.fd, &r, IDLE_MS))
		continue;
	before = wakeups(&w);
	assert_false(journal_next(w.fd, &r, IDLE_MS));
	woken = wakeups(&w) - before;
	print_message("# woken up %ju times\n", (uintmax_t)woken);
	assert_int_equal(woken, 0);
	suite_served(&w.s->other);
	events_await(&w, EVENT_STATISTICS, "VRNGD_GUEST", "vm1", &r);
	assert_int_equal(journal_number(&r, "VRNGD_BYTES"), 64);
	/* Of vm0 and the service nothing, to the end of the period. */
	events_await(&w, EVENT_POOL_STATISTICS, "VRNGD_POOL", "default", &r);
	close(egd);
	events_pass(&w);
}

/*
 * A guest that reads without a pause is looked for: each look finds something,
 * finds nothing, or ends for other reasons, and is found no more than there is.
 */
static void
test_polling(void **state)
{
	struct journal_record r;
	struct watched w;
	struct load load = { .depth = 1, .len = 64 };
	uint64_t deadline = fe_now() + 20000, hits = 0, misses, requests, polls;

	events_start(&w, *state, "1s");
	suite_up_qemu(w.s, &w.s->fe, "vm0");
	load.fe = &w.s->fe;
	while (hits == 0) {
		assert_true(fe_now() < deadline);
		load_run(&load, 1, 1000, NULL);
		events_await(&w, EVENT_STATISTICS, "VRNGD_GUEST", "vm0", &r);
		hits = journal_number(&r, "VRNGD_POLL_HITS");
		misses = journal_number(&r, "VRNGD_POLL_MISSES");
		polls = journal_number(&r, "VRNGD_POLLS");
		requests = journal_number(&r, "VRNGD_REQUESTS");
		/* One look may have begun in the period before. */
		assert_in_range(hits + misses, 0, polls + 1);
		assert_in_range(hits, 0, requests);
	}
	assert_true(journal_number(&r, "VRNGD_POLL_NS") > 0);
	events_pass(&w);
}

/* A period that was cut short by the end is logged too. */
static void
test_last_statistics(void **state)
{
	struct journal_record r;
	struct watched w;

	events_start(&w, *state, "10min");
	suite_up_qemu(w.s, &w.s->fe, "vm0");
	suite_served(&w.s->fe);
	suite_served(&w.s->fe);
	CHECK(kill(w.s->d.pid, SIGTERM));
	events_await(&w, EVENT_STOPPING, "VRNGD_SIGNAL", "15", &r);
	events_await(&w, EVENT_STATISTICS, "VRNGD_GUEST", "vm0", &r);
	assert_int_equal(journal_number(&r, "VRNGD_BYTES"), 128);
	events_await(&w, EVENT_POOL_STATISTICS, "VRNGD_POOL", "default", &r);
	events_pass(&w);
}

/*
 * A session is resumed by the next daemon, whose statistics have only what it
 * gave itself.
 */
static void
test_resumed(void **state)
{
	struct suite *s = *state;
	struct journal_record r;
	struct manager m;
	struct watched w;

	manager_open(&m, s);
	events_start(&w, s, "10min");
	suite_up_qemu(s, &s->fe, "vm0");
	for (int i = 0; i < 10; i++)
		suite_served(&s->fe);
	manager_hear(&m);
	assert_int_equal(daemon_stop(&s->d, SIGTERM), 0);
	manager_hear(&m);
	events_await(&w, EVENT_STATISTICS, "VRNGD_GUEST", "vm0", &r);
	assert_int_equal(journal_number(&r, "VRNGD_BYTES"), 640);
	events_again(&w);
	events_await(&w, EVENT_RESUMED, "VRNGD_GUEST", "vm0", &r);
	journal_is(&r, "PRIORITY", "6");
	suite_served(&s->fe);
	manager_hear(&m);
	assert_int_equal(daemon_stop(&s->d, SIGTERM), 0);
	events_await(&w, EVENT_STATISTICS, "VRNGD_GUEST", "vm0", &r);
	assert_int_equal(journal_number(&r, "VRNGD_BYTES"), 64);
	assert_int_equal(journal_number(&r, "VRNGD_BYTES_TOTAL"), 704);
	manager_close(&m);
	events_pass(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SUITE_EMPTY(test_throttled),
		SUITE_EMPTY(test_statistics),
		SUITE_EMPTY(test_polling),
		SUITE_EMPTY(test_last_statistics),
		SUITE_EMPTY(test_resumed),
	};

	if (events_init() == -1)
		return 1;
	return SUITE_MAIN("statistics", tests);
}
