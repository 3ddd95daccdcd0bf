/*
 * Polling: when a look at the ring is taken, for how long, and what it may
 * cost.
 */
#include "unit/unit.h"

#include "common/clock.h"
#include "common/polling.h"

#define US   UINT64_C(1000)
#define WAKE (20 * US) /* latency of a kick */

/* A driver that makes its next request a while after the last was served. */
struct game {
	struct polling p;
	struct counters counters;
	uint64_t start;
	uint64_t now;
	uint64_t vain;	/* ns, of looks that saw nothing */
	uint64_t extra; /* ns, of others, beyond what they save */
	uint64_t kicks;
};

static void
limit(struct game *g, uint32_t us, uint32_t share)
{
	const struct proto_limits limits = { .poll_us = us,
		.poll_share = share };

	polling_limit(&g->p, &limits, g->now);
}

static void
game_init(struct game *g, uint32_t us, uint32_t share)
{
	*g = (struct game){ .start = 5 * NS_PER_SEC, .now = 5 * NS_PER_SEC };
	polling_init(&g->p, &g->counters);
	limit(g, us, share);
}

/* The next request comes after `think` ns: is seen, or kicked for. */
static void
request(struct game *g, uint64_t think)
{
	uint64_t window = g->p.window;

	if (g->p.looking && think < window) {
		g->now += think;
		if (think > POLLING_WAKE_UP)
			g->extra += think - POLLING_WAKE_UP;
	} else {
		if (g->p.looking) {
			polling_idle(&g->p, g->now + window - 1);
			assert_true(g->p.looking);
			polling_idle(&g->p, g->now + window);
			assert_false(g->p.looking);
			g->vain += window;
		}
		g->now += think + WAKE;
		g->kicks++;
	}
	polling_served(&g->p, g->now, true);
	assert_true(g->p.window <= g->p.max);
}

static void
requests(struct game *g, uint64_t n, uint64_t think)
{
	while (n-- > 0)
		request(g, think);
}

/* Begins with looks that see all of a driver's requests. */
static void
game_looks(struct game *g, uint32_t share)
{
	game_init(g, 50, share);
	requests(g, 200, 45 * US);
	assert_true(g->p.looking);
	assert_int_equal(g->p.window, 50 * US);
}

static uint64_t
spent(const struct game *g)
{
	return g->vain + g->extra;
}

static void
test_off(void **state)
{
	struct game g;

	(void)state;
	game_init(&g, 0, 100);
	requests(&g, 1000, 1 * US);
	assert_int_equal(g.kicks, 1000);
	assert_int_equal(g.counters.polls, 0);
	assert_int_equal(g.counters.poll_ns, 0);
}

/* Requests that come within the maximum are seen, soon all of them. */
static void
test_hits(void **state)
{
	const uint64_t thinks[] = { 0, 1 * US, 9 * US, 15 * US, 49 * US };
	struct game g;

	(void)state;
	for (size_t i = 0; i < sizeof(thinks) / sizeof(*thinks); i++) {
		game_init(&g, 50, 50);
		requests(&g, 10000, thinks[i]);
		assert_in_range(g.kicks, 1, 50);
		assert_int_equal(g.counters.poll_hits, 10000 - g.kicks);
		assert_in_range(g.counters.poll_misses, 0, g.kicks);
		assert_int_equal(g.counters.polls,
		    g.counters.poll_hits + g.counters.poll_misses +
			g.p.looking);
		assert_int_equal(g.counters.poll_ns,
		    g.counters.poll_hits * thinks[i] + g.vain);
	}
}

/* Those that come a little later are missed; that is noticed. */
static void
test_misses(void **state)
{
	const uint64_t thinks[] = { 51 * US, 60 * US, 80 * US };
	struct game g;

	(void)state;
	for (size_t i = 0; i < sizeof(thinks) / sizeof(*thinks); i++) {
		game_init(&g, 50, 100);
		requests(&g, 100000, thinks[i]);
		assert_int_equal(g.kicks, 100000);
		assert_int_equal(g.counters.poll_hits, 0);
		assert_true(g.counters.poll_misses > 0);
		assert_true(spent(&g) * 20 < g.now - g.start);
		/* But not for ever. */
		requests(&g, 1000, 5 * US);
		assert_in_range(g.kicks, 100001, 100300);
	}
}

/* Now and then a request: after a while there is no look at all. */
static void
test_seldom(void **state)
{
	struct game g;
	uint64_t polls;

	(void)state;
	game_init(&g, 50, 100);
	requests(&g, 1000, 10 * US);
	for (int i = 0; i < 100; i++) {
		requests(&g, 4, NS_PER_SEC / 100);
		polls = g.counters.polls;
		requests(&g, 10, NS_PER_SEC / 100);
		assert_int_equal(g.counters.polls, polls);
		assert_false(g.p.looking);
		requests(&g, i % 7, 10 * US);
	}
	/* Bursts are seen again. */
	requests(&g, 5, 10 * US);
	assert_true(g.p.looking);
}

/* Whatever the driver does, its share is not overdrawn. */
static void
test_share(void **state)
{
	const uint32_t shares[] = { 1, 5, 20, 100 };
	uint64_t seed = 1, max, before, since;
	struct game g;

	(void)state;
	for (int i = 0; i < 4 * 50; i++) {
		game_init(&g, (uint32_t)(10 + unit_below(&seed, 991)),
		    shares[i % 4]);
		max = g.p.max;
		for (int n = 0; n < 2000; n++) {
			/* One that draws the looks on, and then is late. */
			if (unit_below(&seed, 4) == 0)
				request(&g, max + unit_below(&seed, max / 4));
			else
				request(&g, unit_below(&seed, max));
			assert_true(spent(&g) * 100 <=
			    (g.now - g.start) * shares[i % 4]);
		}
		/* What is saved up while it is idle has an end. */
		request(&g, 100 * NS_PER_SEC);
		before = spent(&g);
		since = g.now;
		for (int n = 0; n < 2000; n++) {
			request(&g, n % 8 == 0 ? max + 1 : max / 4);
			assert_true((spent(&g) - before) * 100 <=
			    (g.now - since + POLLING_CREDIT) * shares[i % 4]);
		}
		assert_true(spent(&g) > before);
	}
}

/* A look that ends because there is nothing to serve with is paid for too. */
static void
test_stop(void **state)
{
	struct game g;
	uint64_t ns, hits, misses;
	int64_t credit;

	(void)state;
	game_looks(&g, 50);
	ns = g.counters.poll_ns;
	hits = g.counters.poll_hits;
	misses = g.counters.poll_misses;
	credit = g.p.credit;
	polling_stop(&g.p, g.now + 10 * US);
	assert_false(g.p.looking);
	assert_int_equal(g.counters.poll_ns, ns + 10 * US);
	assert_int_equal(g.p.credit, credit + 10 * US * 50 - 10 * US * 100);
	polling_stop(&g.p, g.now + 20 * US);
	polling_idle(&g.p, g.now + 90 * US);
	assert_int_equal(g.counters.poll_ns, ns + 10 * US);
	assert_int_equal(g.counters.poll_hits, hits);
	assert_int_equal(g.counters.poll_misses, misses);
}

/* Time in which it had no CPU is not what it spent. */
static void
test_preempted(void **state)
{
	struct game g;
	uint64_t ns;

	(void)state;
	game_looks(&g, 20);
	ns = g.counters.poll_ns;
	polling_idle(&g.p, g.now + 5 * NS_PER_MS);
	assert_int_equal(g.counters.poll_ns, ns + 50 * US);
	assert_true(g.p.credit > 0);
}

/* On a host with no CPU to spare there are no looks, or few. */
static void
test_ceded(void **state)
{
	struct game g;
	uint64_t kicks;

	(void)state;
	game_looks(&g, 100);
	polling_ceded(&g.p, g.now, 20 * US);
	assert_true(g.p.looking);
	g.now += 3 * NS_PER_MS;
	polling_ceded(&g.p, g.now, 3 * NS_PER_MS);
	assert_false(g.p.looking);
	kicks = g.kicks;
	requests(&g, 500, 5 * US);
	assert_in_range(g.kicks, kicks + 4, kicks + 16);
	/* Once in a while does no harm, */
	assert_true(g.p.looking);
	polling_ceded(&g.p, g.now, 3 * NS_PER_MS);
	kicks = g.kicks;
	requests(&g, 500, 5 * US);
	assert_in_range(g.kicks, kicks + 4, kicks + 16);
	/* often it does, */
	kicks = g.kicks;
	for (int i = 0; i < 2000; i++) {
		requests(&g, 1, 5 * US);
		polling_ceded(&g.p, g.now, 3 * NS_PER_MS);
	}
	assert_in_range(g.kicks, kicks + 1900, kicks + 1999);
	/* until it ends. */
	requests(&g, 500, 5 * US);
	kicks = g.kicks;
	requests(&g, 500, 5 * US);
	assert_int_equal(g.kicks, kicks);
	polling_stop(&g.p, g.now);
	polling_ceded(&g.p, g.now, NS_PER_SEC);
	request(&g, 5 * US);
	assert_true(g.p.looking);
}

/* Requests that waited for bytes say nothing about the driver. */
static void
test_bytes(void **state)
{
	struct game g;
	uint64_t window;

	(void)state;
	game_looks(&g, 100);
	window = g.p.window;
	polling_stop(&g.p, g.now);
	for (int i = 0; i < 10; i++) {
		g.now += NS_PER_SEC;
		polling_served(&g.p, g.now, false);
		assert_int_equal(g.p.window, window);
		assert_true(g.p.looking);
		polling_stop(&g.p, g.now);
	}
}

/* Limits that change while it looks. */
static void
test_limits(void **state)
{
	struct game g;
	uint64_t kicks;

	(void)state;
	game_looks(&g, 100);
	limit(&g, 0, 100);
	polling_idle(&g.p, g.now);
	assert_false(g.p.looking);
	kicks = g.kicks;
	requests(&g, 100, 1 * US);
	assert_int_equal(g.kicks, kicks + 100);
	limit(&g, 20, 100);
	requests(&g, 100, 1 * US);
	assert_in_range(g.kicks, kicks + 101, kicks + 110);
	limit(&g, UINT32_MAX, UINT32_MAX);
	assert_int_equal(g.p.max, POLL_US_MAX * US);
	assert_int_equal(g.p.share, 100);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_off),
		cmocka_unit_test(test_hits),
		cmocka_unit_test(test_misses),
		cmocka_unit_test(test_seldom),
		cmocka_unit_test(test_share),
		cmocka_unit_test(test_stop),
		cmocka_unit_test(test_preempted),
		cmocka_unit_test(test_ceded),
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_limits),
	};

	return UNIT_MAIN("polling", tests);
}
