/*
 * The shares of 10,000 backlogged leaves, over simulated time: how far each is
 * from what it should have, and how soon one that was idle has its own.
 */
#include "unit/unit.h"

#include <string.h>

#include "parent/alloc/alloc.h"
#include "common/clock.h"

#define LEAVES 10000
#define FEWER  1000 /* where the number is not what matters */
#define TICK   NS_PER_MS
#define PLENTY (UINT64_MAX / 4)

struct crowd {
	struct alloc a;
	uint64_t now;
	size_t n;
	struct alloc_node leaves[LEAVES];
	uint64_t got[LEAVES];
	bool idle[LEAVES];
};

static struct crowd crowd;

static void
ask(struct crowd *c, size_t i)
{
	struct alloc_node *n = &c->leaves[i];
	uint64_t need = n->granted + (c->idle[i] ? 0 : GRANT_MIN);

	alloc_want(&c->a, n, c->now, need, need, 0);
}

/* All want more than the pool has: each has `rate` on average. */
static void
crowd_init(struct crowd *c, size_t n, uint64_t rate, bool guaranteed,
    uint32_t weights)
{
	struct alloc_share s = alloc_no_share(false);

	memset(c, 0, sizeof(*c));
	c->now = NS_PER_SEC;
	c->n = n;
	s.ceil = (struct bucket_rate){ rate * n, NS_PER_SEC };
	s.burst = rate * n / 10;
	alloc_init(&c->a, &s, c->now);
	alloc_stock(&c->a, PLENTY, 0);
	if (guaranteed)
		s.rate = (struct bucket_rate){ rate, NS_PER_SEC };
	s.burst = 4096;
	for (size_t i = 0; i < c->n; i++) {
		s.weight = 1 + (uint32_t)i % weights;
		s.generated = i % 7 == 0;
		alloc_add(&c->a, &c->leaves[i], &c->a.root.node, &s, c->now);
		ask(c, i);
	}
}

static void
run(struct crowd *c, uint64_t ns)
{
	uint64_t end = c->now + ns, bytes;
	struct alloc_node *n;

	memset(c->got, 0, sizeof(c->got));
	while (c->now < end) {
		c->now += TICK;
		while ((n = alloc_next(&c->a, c->now, &bytes)) != NULL) {
			c->got[n - c->leaves] += bytes;
			ask(c, (size_t)(n - c->leaves));
		}
	}
}

/* The largest difference from the share, in parts of 10,000 of it. */
static uint64_t
largest_error(const struct crowd *c)
{
	uint64_t most = 0, sum = 0, weights = 0, wanted, error;

	for (size_t i = 0; i < c->n; i++) {
		sum += c->got[i];
		weights += c->leaves[i].turn.weight;
	}
	for (size_t i = 0; i < c->n; i++) {
		wanted = sum / weights * c->leaves[i].turn.weight;
		error = c->got[i] > wanted ? c->got[i] - wanted
					   : wanted - c->got[i];
		error = error * 10000 / wanted;
		most = error > most ? error : most;
	}
	return most;
}

/*
 * A leaf may be a grant before or behind the others at each end, so it must have
 * many in the time.
 */
static void
test_ten_seconds(void **state)
{
	(void)state;
	crowd_init(&crowd, LEAVES, 1600, false, 1);
	run(&crowd, NS_PER_SEC / 5);
	run(&crowd, 10 * NS_PER_SEC);
	assert_in_range(largest_error(&crowd), 0, 50);
}

static void
test_one_second(void **state)
{
	(void)state;
	crowd_init(&crowd, LEAVES, 8000, false, 1);
	run(&crowd, NS_PER_SEC / 5);
	run(&crowd, NS_PER_SEC);
	assert_in_range(largest_error(&crowd), 0, 100);
}

static void
test_weights(void **state)
{
	(void)state;
	crowd_init(&crowd, FEWER, 24000, false, 2);
	run(&crowd, NS_PER_SEC / 5);
	run(&crowd, NS_PER_SEC);
	assert_in_range(largest_error(&crowd), 0, 100);
}

/* After its buckets are empty, each has its rate. */
static void
test_rates(void **state)
{
	(void)state;
	crowd_init(&crowd, FEWER, 8000, true, 1);
	run(&crowd, NS_PER_SEC);
	run(&crowd, NS_PER_SEC);
	assert_in_range(largest_error(&crowd), 0, 100);
}

/* One that was idle has what it should have in 10 ms, but for a grant. */
static void
test_back(void **state)
{
	const uint64_t rate = 10000, own = rate / 100;

	(void)state;
	for (int guaranteed = 0; guaranteed < 2; guaranteed++) {
		crowd_init(&crowd, FEWER, rate, guaranteed == 1, 1);
		for (size_t i = 0; i < 100; i++) {
			crowd.idle[i] = true;
			alloc_restart(&crowd.a, &crowd.leaves[i], crowd.now, 0);
		}
		run(&crowd, NS_PER_SEC);
		assert_int_equal(crowd.got[0], 0);
		for (size_t i = 0; i < 100; i++) {
			crowd.idle[i] = false;
			ask(&crowd, i);
		}
		run(&crowd, 10 * NS_PER_MS);
		for (size_t i = 0; i < 100; i++)
			assert_in_range(crowd.got[i], own - GRANT_MIN,
			    4096 + GRANT_MIN);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ten_seconds),
		cmocka_unit_test(test_one_second),
		cmocka_unit_test(test_weights),
		cmocka_unit_test(test_rates),
		cmocka_unit_test(test_back),
	};

	return UNIT_MAIN("many", tests);
}
