/*
 * Polling: a worker that looks at the ring with kicks switched off loses
 * nothing, and leaves them switched on.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "integration/admin.h"
#include "integration/load.h"

#define KILLS	  12	/* of a session's workers: more would be its end */
#define SAVED_NS  25000 /* by a hit, as vrngd.conf(5) has it */
#define CREDIT_MS 100	/* whose share can be saved up */

static const uint64_t modes[] = { QEMU_FEATURES, PLAIN_FEATURES };

/* The polling counters of vm0's polling. */
struct polled {
	uint64_t polls, hits, misses, ns;
};

static uint64_t
number(const char *text, const char *name)
{
	const char *at = strstr(text, name);

	assert_non_null(at);
	return strtoull(at + strlen(name), NULL, 10);
}

static struct polled
ask(struct suite *s)
{
	static char out[1 << 16];
	const char *text;

	assert_int_equal(admin_ctl(s, out, sizeof(out), "status --json"), 0);
	text = strstr(out, "\"polling\":");
	assert_non_null(text);
	return (struct polled){
		.polls = number(text, "\"polls\": "),
		.hits = number(text, "\"hits\": "),
		.misses = number(text, "\"misses\": "),
		.ns = number(text, "\"ns\": "),
	};
}

static void
conf(struct suite *s, const char *polling)
{
	admin_conf(s, "w",
	    "pool \"default\" { source \"k\" { type = kernel } }\n");
	admin_conf_guest(s, "vm0", polling);
}

static void
start(struct suite *s, const char *polling, uint64_t features)
{
	conf(s, polling);
	admin_start(s);
	suite_up(s, &s->fe, "vm0", 64, features, QEMU_PFEATURES);
}

/* The guest goes, and another one comes to another daemon. */
static void
restart(struct suite *s)
{
	fe_close(&s->fe);
	assert_int_equal(daemon_stop(&s->d, SIGTERM), 0);
}

/* Does nothing for `us`, on the CPU: sleeping takes longer. */
static void
spin(uint64_t us)
{
	struct timespec t;
	uint64_t now, end = 0;

	do {
		clock_gettime(CLOCK_MONOTONIC, &t);
		now = (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
		if (end == 0)
			end = now + us;
	} while (now < end);
}

/* One request, of which nothing may be lost. */
static void
served(struct fe *fe)
{
	CHECK(fe_read(fe, NULL, 64, FE_TIMEOUT_MS) - 64);
}

/* Waits until the driver is to kick again. */
static void
await_kicks(struct fe *fe)
{
	uint64_t deadline = fe_now() + FE_TIMEOUT_MS;

	while ((fe->features & FE_F_EVENT_IDX) != 0
		? fe_avail_event(fe) != fe->ring.avail_idx
		: fe_used_flags(fe) != 0) {
		assert_true(fe_now() < deadline);
		usleep(100);
	}
}

/* Whether kicks are switched off now. */
static bool
is_looked_at(const struct fe *fe)
{
	if ((fe->features & FE_F_EVENT_IDX) != 0)
		return fe_avail_event(fe) != fe->ring.avail_idx;
	return (fe_used_flags(fe) & FE_USED_NO_NOTIFY) != 0;
}

/* Kicks are not needed, and that is counted. */
static void
test_hits(void **state)
{
	struct suite *s = *state;
	struct polled polled, before;
	uint64_t kicks, deadline;

	for (size_t i = 0; i < 2; i++) {
		start(s, "poll-us = 1000 poll-share = 100%", modes[i]);
		deadline = fe_now() + FE_TIMEOUT_MS;
		do {
			/* On a busy host it may take a while. */
			assert_true(fe_now() < deadline);
			kicks = s->fe.ring.kicks;
			before = ask(s);
			for (int n = 0; n < 2000; n++)
				served(&s->fe);
			kicks = s->fe.ring.kicks - kicks;
			print_message("# %ju kicks\n", (uintmax_t)kicks);
		} while (kicks > 1000);
		polled = ask(s);
		/* One that was seen may have been kicked for as well. */
		assert_in_range(polled.hits - before.hits, 1000, 2000);
		assert_true(polled.polls >= polled.hits + polled.misses);
		assert_in_range(polled.ns, 1000, UINT64_C(60) * 1000000000);
		restart(s);
	}
	/* And without it they are. */
	start(s, "", QEMU_FEATURES);
	for (int n = 0; n < 1000; n++)
		served(&s->fe);
	assert_true(s->fe.ring.kicks >= 1000);
	assert_int_equal(ask(s).polls, 0);
	suite_pass(s);
}

/* Requests that come just when a look ends. */
static void
race(struct suite *s, uint64_t features, unsigned int depth)
{
	struct fe *fe = &s->fe;
	struct fe_used_elem elem;
	uint64_t end = fe_now() + 1500, deadline, i = 0;
	unsigned int n;

	while (fe_now() < end) {
		for (n = 0; n < depth; n++)
			assert_int_not_equal(
			    fe_add_one(fe, FE_BUF_GPA + n * 64, 64), -1);
		fe_kick(fe);
		deadline = fe_now() + FE_TIMEOUT_MS;
		while (fe_pending(fe) < depth)
			assert_true(fe_now() < deadline);
		for (n = 0; n < depth; n++) {
			assert_int_equal(fe_pop(fe, &elem), 1);
			assert_int_equal(elem.len, 64);
		}
		/* Most think for a while, so that looks are worth it. */
		i++;
		spin(i % 3 == 0 ? i * 7919 % 30 : i % 10);
	}
	assert_int_equal(fe->features & FE_F_EVENT_IDX,
	    features & FE_F_EVENT_IDX);
	print_message("# %ju rounds, %ju kicks\n", (uintmax_t)i,
	    (uintmax_t)fe->ring.kicks);
}

static void
test_races(void **state)
{
	struct suite *s = *state;
	struct polled polled;
	uint64_t deadline;

	for (size_t i = 0; i < 2; i++) {
		start(s, "poll-us = 20 poll-share = 100%", modes[i]);
		deadline = fe_now() + 4 * FE_TIMEOUT_MS;
		do {
			/* On a busy host it may take a while. */
			assert_true(fe_now() < deadline);
			race(s, modes[i], 1);
			race(s, modes[i], 5);
			polled = ask(s);
			print_message("# %ju hits, %ju misses\n",
			    (uintmax_t)polled.hits, (uintmax_t)polled.misses);
		} while (polled.hits <= 100 || polled.misses <= 100);
		restart(s);
	}
	start(s, "", QEMU_FEATURES);
	suite_pass(s);
}

/* An idle worker is not woken up, and uses no CPU time. */
static void
test_idle(void **state)
{
	struct suite *s = *state;
	char before[32], after[32];
	pid_t worker;
	long cpu;

	start(s, "poll-us = 1000 poll-share = 100%", QEMU_FEATURES);
	for (int n = 0; n < 1000; n++)
		served(&s->fe);
	assert_true(ask(s).hits > 0);
	await_kicks(&s->fe);
	usleep(100000);
	worker = daemon_child(&s->d, ROLE_VHOST, "vm0");
	CHECK(proc_status(worker, "voluntary_ctxt_switches", before,
	    sizeof(before)));
	cpu = proc_cpu(worker);
	usleep(1000000);
	CHECK(proc_status(worker, "voluntary_ctxt_switches", after,
	    sizeof(after)));
	assert_string_equal(before, after);
	assert_int_equal(proc_cpu(worker), cpu);
	suite_served(&s->fe);
	suite_pass(s);
}

/* While a request waits for bytes, there is nothing to look for. */
static void
test_starved(void **state)
{
	struct suite *s = *state;
	pid_t worker;
	uint64_t end;
	long cpu;

	start(s,
	    "poll-us = 1000 poll-share = 100% max-bytes = 6400 period = 1000ms",
	    QEMU_FEATURES);
	worker = daemon_child(&s->d, ROLE_VHOST, "vm0");
	cpu = proc_cpu(worker);
	end = fe_now() + 3000;
	while (fe_now() < end)
		served(&s->fe);
	cpu = proc_cpu(worker) - cpu;
	print_message("# %ld ms of 3000\n", cpu * 1000 / sysconf(_SC_CLK_TCK));
	assert_in_range(cpu, 0, sysconf(_SC_CLK_TCK));
	suite_pass(s);
}

/*
 * Three seconds of a driver that is slow.  Looks never take more than the
 * share; returns whether some found a request, and they took a good part of it.
 */
static bool
shared(struct suite *s)
{
	struct polled before = ask(s), polled;
	uint64_t begun = fe_now(), hits, ns, most;

	while (fe_now() < begun + 3000) {
		served(&s->fe);
		spin(800);
	}
	polled = ask(s);
	hits = polled.hits - before.hits;
	ns = polled.ns - before.ns;
	most = (fe_now() - begun + CREDIT_MS) * 1000000 / 20 + hits * SAVED_NS;
	print_message("# %ju hits, %ju misses, %ju us of %ju\n",
	    (uintmax_t)hits, (uintmax_t)(polled.misses - before.misses),
	    (uintmax_t)ns / 1000, (uintmax_t)most / 1000);
	assert_in_range(ns, 0, most);
	return hits > 0 && ns >= most / 10;
}

/* On a busy host the driver may be late for the looks of a while. */
static void
test_share(void **state)
{
	struct suite *s = *state;
	int tries = 5;

	start(s, "poll-us = 1000 poll-share = 5%", QEMU_FEATURES);
	while (!shared(s) && --tries > 0)
		continue;
	assert_true(tries > 0);
	suite_pass(s);
}

/* Looks are switched on and off under load. */
static void
test_reload(void **state)
{
	struct suite *s = *state;
	struct load l = { .fe = &s->fe, .depth = 1, .len = 64 };
	uint64_t polls, requests;

	start(s, "", QEMU_FEATURES);
	for (int i = 0; i < 4; i++) {
		conf(s, "poll-us = 500 poll-share = 100%");
		admin_reload(s, ": reloaded, ");
		requests = l.requests;
		polls = ask(s).polls;
		load_run(&l, 1, 300, NULL);
		assert_true(l.requests > requests);
		assert_true(ask(s).polls > polls);
		conf(s, "");
		admin_reload(s, ": reloaded, ");
		load_run(&l, 1, 50, NULL);
		requests = l.requests;
		polls = ask(s).polls;
		load_run(&l, 1, 300, NULL);
		assert_true(l.requests > requests);
		assert_int_equal(ask(s).polls, polls);
	}
	assert_int_equal(l.shorts, 0);
	suite_pass(s);
}

/* Messages are handled during a poll. */
static void
test_messages(void **state)
{
	struct suite *s = *state;
	uint64_t polls = 0;

	for (size_t i = 0; i < 2; i++) {
		start(s, "poll-us = 1000 poll-share = 100%", modes[i]);
		for (int n = 0; n < 300; n++) {
			for (int k = 0; k < 5; k++)
				served(&s->fe);
			polls += is_looked_at(&s->fe);
			CHECK(fe_set_fd(&s->fe, FE_SET_VRING_CALL, s->fe.call));
			served(&s->fe);
			polls += is_looked_at(&s->fe);
			assert_int_equal(fe_stop(&s->fe), fe_next(&s->fe));
			assert_int_equal(fe_used_flags(&s->fe), 0);
			CHECK(fe_start(&s->fe));
		}
		served(&s->fe);
		restart(s);
	}
	print_message("# %ju of 1200 in the middle\n", (uintmax_t)polls);
	assert_true(polls > 100);
	start(s, "", QEMU_FEATURES);
	suite_pass(s);
}

/* A worker that dies while it looks leaves kicks switched off. */
static void
test_deaths(void **state)
{
	struct suite *s = *state;
	uint64_t deadline;
	pid_t worker;
	int looked;

	for (size_t i = 0; i < 2; i++) {
		start(s, "poll-us = 1000 poll-share = 100%", modes[i]);
		for (int n = 0; n < KILLS; n++) {
			worker = daemon_child_wait(&s->d, ROLE_VHOST, "vm0",
			    FE_TIMEOUT_MS);
			assert_true(worker > 0);
			deadline = fe_now() + FE_TIMEOUT_MS;
			looked = 0;
			while (!looked) {
				assert_true(fe_now() < deadline);
				served(&s->fe);
				spin(50);
				CHECK(kill(worker, SIGSTOP));
				looked = is_looked_at(&s->fe);
				if (!looked)
					CHECK(kill(worker, SIGCONT));
			}
			CHECK(kill(worker, SIGKILL));
			/* What comes now is not kicked for. */
			if (n % 2 == 0)
				served(&s->fe);
			await_kicks(&s->fe);
			served(&s->fe);
		}
		assert_int_equal(daemon_log_count(&s->d, "session closed"), 0);
		restart(s);
	}
	start(s, "", QEMU_FEATURES);
	suite_pass(s);
}

/* And of what it gave to the guest nothing is given again. */
static void
test_deaths_unique(void **state)
{
	struct suite *s = *state;
	size_t size = (size_t)32 << 20;
	uint8_t *data = malloc(size);
	struct load l = { .fe = &s->fe,
		.len = 64,
		.depth = 4,
		.data = data,
		.size = size };
	uint64_t before;
	pid_t worker;

	assert_non_null(data);
	start(s, "poll-us = 1000 poll-share = 100%", QEMU_FEATURES);
	for (int n = 0; n < KILLS; n++) {
		worker =
		    daemon_child_wait(&s->d, ROLE_VHOST, "vm0", FE_TIMEOUT_MS);
		assert_true(worker > 0);
		load_run(&l, 1, 20, NULL);
		CHECK(kill(worker, SIGKILL));
		before = l.requests;
		load_run(&l, 1, 100, NULL);
		assert_true(l.requests > before);
	}
	assert_true(ask(s).hits > 0);
	assert_int_equal(l.shorts, 0);
	suite_unique(data, l.bytes < size ? l.bytes : size);
	free(data);
	suite_pass(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { SUITE_EMPTY(test_hits),
		SUITE_EMPTY(test_races), SUITE_EMPTY(test_idle),
		SUITE_EMPTY(test_starved), SUITE_EMPTY(test_share),
		SUITE_EMPTY(test_reload), SUITE_EMPTY(test_messages),
		SUITE_EMPTY(test_deaths), SUITE_EMPTY(test_deaths_unique),
		SUITE_EMPTY_PACKED(test_hits), SUITE_EMPTY_PACKED(test_races),
		SUITE_EMPTY_PACKED(test_messages),
		SUITE_EMPTY_PACKED(test_deaths),
		SUITE_EMPTY_PACKED(test_deaths_unique) };

	return SUITE_MAIN("polling", tests);
}
