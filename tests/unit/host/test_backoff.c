/*
 * Waiting ever longer between attempts.
 */
#include "unit/unit.h"

#include "parent/host/backoff.h"

static void
test_grows(void **state)
{
	struct backoff b = { 0 };
	uint64_t now = NS_PER_SEC, wait, last = 0;

	(void)state;
	assert_int_equal(backoff_failed(&b, now, 2, 1), 0);
	assert_int_equal(backoff_failed(&b, now, 2, 1), 0);
	assert_int_equal(backoff_failed(&b, now, 2, 1), BACKOFF_FIRST);
	last = BACKOFF_FIRST;
	for (int i = 0; i < 100; i++) {
		now += last;
		wait = backoff_failed(&b, now, 2, 1);
		assert_int_equal(wait,
		    last * 2 < BACKOFF_LAST ? last * 2 : BACKOFF_LAST);
		last = wait;
	}
	assert_int_equal(last, BACKOFF_LAST);
}

static void
test_forgets(void **state)
{
	struct backoff b = { 0 };
	uint64_t now = NS_PER_SEC;

	(void)state;
	for (int i = 0; i < 10; i++)
		backoff_failed(&b, now, 0, 1);
	now += BACKOFF_LAST + BACKOFF_FORGET;
	assert_int_equal(backoff_failed(&b, now, 0, 1), BACKOFF_LAST);
	now += BACKOFF_LAST + BACKOFF_FORGET + 1;
	assert_int_equal(backoff_failed(&b, now, 0, 1), BACKOFF_FIRST);
	assert_int_equal(b.failures, 1);
}

static void
test_slower(void **state)
{
	struct backoff b = { 0 };

	(void)state;
	assert_int_equal(backoff_failed(&b, 1, 1, 10), 0);
	assert_int_equal(backoff_failed(&b, 1, 1, 10), 10 * BACKOFF_FIRST);
	for (int i = 0; i < 10; i++)
		backoff_failed(&b, 1, 1, 10);
	assert_int_equal(backoff_failed(&b, 1, 1, 10), 10 * BACKOFF_LAST);
}

/* So many are free at once, and then as many as their rate allows. */
static void
test_deaths(void **state)
{
	struct deaths d;
	uint64_t now = NS_PER_SEC, one = NS_PER_SEC / DEATHS_RATE;

	(void)state;
	deaths_init(&d, now);
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < DEATHS_BURST; i++)
			assert_true(deaths_free(&d, now));
		assert_false(deaths_free(&d, now));
		assert_false(deaths_free(&d, now + one - 1));
		assert_true(deaths_free(&d, now + one));
		assert_false(deaths_free(&d, now + one));
		now += one + DEATHS_BURST * one;
	}
	now += 1000 * one;
	for (int i = 0; i < DEATHS_BURST; i++)
		assert_true(deaths_free(&d, now));
	assert_false(deaths_free(&d, now));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_grows),
		cmocka_unit_test(test_forgets),
		cmocka_unit_test(test_slower),
		cmocka_unit_test(test_deaths),
	};

	return UNIT_MAIN("backoff", tests);
}
