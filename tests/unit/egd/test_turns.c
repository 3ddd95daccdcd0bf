/*
 * Turns: who waits is given bytes in order, and all the same.
 */
#include "unit/unit.h"

#include <stdlib.h>
#include <string.h>

#include "egd/turns.h"

#define QUANTUM 256
#define MANY	200

struct crowd {
	struct turns turns;
	struct turn turn[MANY];
	uint64_t got[MANY];
};

static struct crowd *
crowd_new(void)
{
	struct crowd *c = calloc(1, sizeof(*c));

	assert_non_null(c);
	turns_init(&c->turns, QUANTUM);
	return c;
}

static size_t
index_of(const struct crowd *c, const struct turn *t)
{
	return (size_t)(t - c->turn);
}

/* Gives up to `n` bytes to whose turn it is.  Returns who that is. */
static size_t
give(struct crowd *c, uint32_t n)
{
	struct turn *t = turns_first(&c->turns);

	assert_non_null(t);
	assert_true(turns_missing(t) > 0);
	assert_true(turns_missing(t) <= t->left);
	if (n > turns_missing(t))
		n = turns_missing(t);
	c->got[index_of(c, t)] += n;
	turns_give(&c->turns, t, n);
	return index_of(c, t);
}

static void
test_order(void **state)
{
	struct crowd *c = crowd_new();

	(void)state;
	assert_null(turns_first(&c->turns));
	for (size_t i = 0; i < 3; i++)
		turns_wait(&c->turns, &c->turn[i], 100);
	assert_int_equal(c->turns.missing, 300);
	assert_int_equal(c->turns.waiting, 3);
	/* A part of it does not end a turn. */
	assert_int_equal(give(c, 1), 0);
	assert_int_equal(give(c, 98), 0);
	assert_int_equal(c->turns.missing, 201);
	assert_int_equal(give(c, 255), 0);
	assert_int_equal(c->got[0], 100);
	assert_int_equal(give(c, 255), 1);
	assert_int_equal(give(c, 255), 2);
	assert_null(turns_first(&c->turns));
	assert_int_equal(c->turns.missing, 0);
	assert_int_equal(c->turns.waiting, 0);
	free(c);
}

/* So many requests are one turn as there are bytes in it. */
static void
test_quantum(void **state)
{
	struct crowd *c = crowd_new();
	const size_t order[] = { 0, 0, 0, 0, 1, 0, 0, 0, 0, 1 };

	(void)state;
	turns_wait(&c->turns, &c->turn[0], 64);
	turns_wait(&c->turns, &c->turn[1], 255);
	for (size_t i = 0; i < sizeof(order) / sizeof(*order); i++) {
		assert_int_equal(give(c, 255), order[i]);
		turns_wait(&c->turns, &c->turn[order[i]],
		    order[i] == 0 ? 64 : 255);
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
		turns_wait(&c->turns, &c->turn[i],
		    (uint32_t)(1 + i * 255 / MANY));
	for (int i = 0; i < 500000; i++) {
		who = give(c, (uint32_t)(1 + unit_below(&seed, 300)));
		if (c->turn[who].missing == 0)
			turns_wait(&c->turns, &c->turn[who],
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

/*
 * Those who do not wait long enough have their share put by when their turn
 * comes, and no more than that.
 */
static void
test_impatient(void **state)
{
	struct crowd *c = crowd_new();
	uint64_t others = 0;
	size_t who;

	(void)state;
	for (size_t i = 0; i < MANY; i++)
		turns_wait(&c->turns, &c->turn[i], 200);
	for (int i = 0; i < 20 * MANY; i++) {
		turns_wait(&c->turns, &c->turn[7], 100);
		assert_int_equal(c->turns.waiting, MANY);
		turns_defer(&c->turns, &c->turn[7]);
		assert_int_equal(c->turns.waiting, MANY - 1);
		assert_int_equal(c->turns.missing, 200 * (MANY - 1));
		who = give(c, 200);
		if (who != 7)
			turns_wait(&c->turns, &c->turn[who], 200);
	}
	for (size_t i = 0; i < MANY; i++)
		others += i == 7 ? 0 : c->got[i];
	others /= MANY - 1;
	assert_true(others > 4 * QUANTUM);
	assert_true(c->got[7] + 2 * QUANTUM >= others);
	assert_true(c->got[7] <= others + 2 * QUANTUM);
	/* With nobody else there, nothing has to be put by. */
	for (size_t i = 0; i < MANY; i++)
		turns_pause(&c->turns, &c->turn[i]);
	turns_wait(&c->turns, &c->turn[7], 100);
	turns_defer(&c->turns, &c->turn[7]);
	assert_null(turns_first(&c->turns));
	free(c);
}

/* Whose turn has come and who does not wait is the last when it does again. */
static void
test_absent(void **state)
{
	struct crowd *c = crowd_new();

	(void)state;
	for (size_t i = 0; i < 3; i++)
		turns_wait(&c->turns, &c->turn[i], 10);
	turns_pause(&c->turns, &c->turn[0]);
	turns_pause(&c->turns, &c->turn[1]);
	assert_int_equal(c->turns.waiting, 1);
	assert_int_equal(c->turns.missing, 10);
	turns_wait(&c->turns, &c->turn[1], 20);
	assert_int_equal(give(c, 5), 1);
	turns_wait(&c->turns, &c->turn[0], 10);
	/* In the midst of a turn, too. */
	turns_pause(&c->turns, &c->turn[1]);
	assert_int_equal(give(c, 10), 2);
	turns_wait(&c->turns, &c->turn[1], 10);
	assert_int_equal(give(c, 10), 0);
	assert_int_equal(give(c, 10), 1);
	assert_null(turns_first(&c->turns));
	free(c);
}

/* Any calls in any order: sums are right, and nobody gets what is not due. */
static void
test_any(void **state)
{
	struct crowd *c = crowd_new();
	uint64_t seed = 11, missing;
	uint32_t waiting;
	struct turn *t;

	(void)state;
	for (int i = 0; i < 200000; i++) {
		t = &c->turn[unit_below(&seed, 8)];
		switch (unit_below(&seed, 7)) {
		case 0:
			turns_leave(&c->turns, t);
			memset(t, 0xff, sizeof(*t));
			*t = (struct turn){ 0 };
			break;
		case 1:
			turns_pause(&c->turns, t);
			break;
		case 2:
			turns_defer(&c->turns, t);
			break;
		case 3:
		case 4:
			turns_wait(&c->turns, t,
			    (uint32_t)(1 + unit_below(&seed, QUANTUM)));
			break;
		default:
			if (c->turns.waiting > 0)
				give(c, (uint32_t)(1 + unit_below(&seed, 300)));
		}
		missing = waiting = 0;
		for (size_t k = 0; k < 8; k++) {
			missing += c->turn[k].missing;
			waiting += c->turn[k].missing > 0;
			assert_true(c->turn[k].left < 2 * QUANTUM);
		}
		assert_int_equal(c->turns.missing, missing);
		assert_int_equal(c->turns.waiting, waiting);
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
		cmocka_unit_test(test_impatient),
		cmocka_unit_test(test_absent),
		cmocka_unit_test(test_any),
	};

	return UNIT_MAIN("turns", tests);
}
