/*
 * Deficit round robin: clients that wait are given bytes in order, and all the
 * same.
 */
#include "unit/unit.h"

#include <stdlib.h>
#include <string.h>

#include "egd/drr.h"

#define QUANTUM 256
#define MANY	200

struct crowd {
	struct drr drr;
	struct drr_entry turn[MANY];
	uint64_t got[MANY];
};

static struct crowd *
crowd_new(void)
{
	struct crowd *c = calloc(1, sizeof(*c));

	assert_non_null(c);
	drr_init(&c->drr, QUANTUM);
	return c;
}

static size_t
index_of(const struct crowd *c, const struct drr_entry *t)
{
	return (size_t)(t - c->turn);
}

/* Gives up to `n` bytes to whose turn it is.  Returns who that is. */
static size_t
give(struct crowd *c, uint32_t n)
{
	struct drr_entry *t = drr_first(&c->drr);

	assert_non_null(t);
	assert_true(t->missing > 0);
	assert_true(t->missing <= t->deficit);
	if (n > t->missing)
		n = t->missing;
	c->got[index_of(c, t)] += n;
	drr_give(&c->drr, t, n);
	return index_of(c, t);
}

static void
test_order(void **state)
{
	struct crowd *c = crowd_new();

	(void)state;
	assert_null(drr_first(&c->drr));
	for (size_t i = 0; i < 3; i++)
		drr_wait(&c->drr, &c->turn[i], 100);
	assert_int_equal(c->drr.missing, 300);
	assert_int_equal(c->drr.waiting, 3);
	/* A part of it does not end a turn. */
	assert_int_equal(give(c, 1), 0);
	assert_int_equal(give(c, 98), 0);
	assert_int_equal(c->drr.missing, 201);
	assert_int_equal(give(c, 255), 0);
	assert_int_equal(c->got[0], 100);
	assert_int_equal(give(c, 255), 1);
	assert_int_equal(give(c, 255), 2);
	assert_null(drr_first(&c->drr));
	assert_int_equal(c->drr.missing, 0);
	assert_int_equal(c->drr.waiting, 0);
	free(c);
}

/* So many requests are one turn as there are bytes in it. */
static void
test_quantum(void **state)
{
	struct crowd *c = crowd_new();
	const size_t order[] = { 0, 0, 0, 0, 1, 0, 0, 0, 0, 1 };

	(void)state;
	drr_wait(&c->drr, &c->turn[0], 64);
	drr_wait(&c->drr, &c->turn[1], 255);
	for (size_t i = 0; i < sizeof(order) / sizeof(*order); i++) {
		assert_int_equal(give(c, 255), order[i]);
		drr_wait(&c->drr, &c->turn[order[i]], order[i] == 0 ? 64 : 255);
	}
	free(c);
}

/* Whatever sizes they ask for and however bytes come, all get the same. */
static void
test_fair(void **state)
{
	struct crowd *c = crowd_new();
	uint64_t seed = 3, low, high;
	size_t who;

	(void)state;
	for (size_t i = 0; i < MANY; i++)
		drr_wait(&c->drr, &c->turn[i], (uint32_t)(1 + i * 255 / MANY));
	for (int i = 0; i < 500000; i++) {
		who = give(c, (uint32_t)(1 + unit_below(&seed, 300)));
		if (c->turn[who].missing == 0)
			drr_wait(&c->drr, &c->turn[who],
			    (uint32_t)(1 + who * 255 / MANY));
	}
	low = high = c->got[0];
	for (size_t i = 0; i < MANY; i++) {
		low = c->got[i] < low ? c->got[i] : low;
		high = c->got[i] > high ? c->got[i] : high;
	}
	assert_true(low > 10 * QUANTUM);
	assert_true(high - low <= 2 * QUANTUM);
	free(c);
}

/* Whose turn has come and who does not wait is the last when it does again. */
static void
test_absent(void **state)
{
	struct crowd *c = crowd_new();

	(void)state;
	for (size_t i = 0; i < 3; i++)
		drr_wait(&c->drr, &c->turn[i], 10);
	drr_pause(&c->drr, &c->turn[0]);
	drr_pause(&c->drr, &c->turn[1]);
	assert_int_equal(c->drr.waiting, 1);
	assert_int_equal(c->drr.missing, 10);
	drr_wait(&c->drr, &c->turn[1], 20);
	assert_int_equal(give(c, 5), 1);
	drr_wait(&c->drr, &c->turn[0], 10);
	/* In the midst of a turn, too. */
	drr_pause(&c->drr, &c->turn[1]);
	assert_int_equal(give(c, 10), 2);
	drr_wait(&c->drr, &c->turn[1], 10);
	assert_int_equal(give(c, 10), 0);
	assert_int_equal(give(c, 10), 1);
	assert_null(drr_first(&c->drr));
	free(c);
}

/*
 * Any calls in any order: sums are right, and no client gets more than its
 * share.
 */
static void
test_any(void **state)
{
	struct crowd *c = crowd_new();
	uint64_t seed = 11, missing;
	uint32_t waiting;
	struct drr_entry *t;

	(void)state;
	for (int i = 0; i < 200000; i++) {
		t = &c->turn[unit_below(&seed, 8)];
		switch (unit_below(&seed, 6)) {
		case 0:
			drr_leave(&c->drr, t);
			memset(t, 0xff, sizeof(*t));
			*t = (struct drr_entry){ 0 };
			break;
		case 1:
			drr_pause(&c->drr, t);
			break;
		case 2:
		case 3:
			drr_wait(&c->drr, t,
			    (uint32_t)(1 + unit_below(&seed, QUANTUM)));
			break;
		default:
			if (c->drr.waiting > 0)
				give(c, (uint32_t)(1 + unit_below(&seed, 300)));
		}
		missing = waiting = 0;
		for (size_t k = 0; k < 8; k++) {
			missing += c->turn[k].missing;
			waiting += c->turn[k].missing > 0;
			assert_true(c->turn[k].deficit < 2 * QUANTUM);
		}
		assert_int_equal(c->drr.missing, missing);
		assert_int_equal(c->drr.waiting, waiting);
	}
	free(c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_quantum),
		cmocka_unit_test(test_fair),
		cmocka_unit_test(test_absent),
		cmocka_unit_test(test_any),
	};

	return UNIT_MAIN("drr", tests);
}
