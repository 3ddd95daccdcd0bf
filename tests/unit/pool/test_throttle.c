/*
 * When a guest that waits because of its limits is reported.
 */
#include "unit/unit.h"

#include "parent/pool/throttle.h"

#define START (1000 * NS_PER_SEC)
#define MS    NS_PER_MS

/* Waits of `ms` each, `pause` ms apart: how many of `n` are reported. */
static int
waits(struct throttle *t, uint64_t *now, int n, uint64_t ms, uint64_t pause)
{
	int reported = 0;

	for (int i = 0; i < n; i++) {
		throttle_begin(t, *now, 0);
		*now += ms * MS;
		reported += throttle_end(t, *now, 0);
		*now += pause * MS;
	}
	return reported;
}

/* One that is long enough. */
static void
test_long(void **state)
{
	struct throttle t = { 0 };
	uint64_t now = START;

	(void)state;
	assert_int_equal(waits(&t, &now, 1, 100, 0), 1);
	assert_false(t.waiting);
	assert_int_equal(t.waited, 100 * MS);
	assert_int_equal(t.total, 100 * MS);
}

/* Many that are not, of which the tenth makes it. */
static void
test_many(void **state)
{
	struct throttle t = { 0 };
	uint64_t now = START;

	(void)state;
	assert_int_equal(waits(&t, &now, 9, 10, 10), 0);
	assert_int_equal(waits(&t, &now, 1, 10, 10), 1);
	assert_int_equal(waits(&t, &now, 100, 10, 10), 0);
	assert_int_equal(t.total, 1100 * MS);
}

/* Some now and then are nothing to speak of, however many. */
static void
test_few(void **state)
{
	struct throttle t = { 0 };
	uint64_t now = START;

	(void)state;
	assert_int_equal(waits(&t, &now, 10000, 90, 1000), 0);
	assert_int_equal(t.total, 900000 * MS);
}

/* Again only after a while in which there was none. */
static void
test_again(void **state)
{
	struct throttle t = { 0 };
	uint64_t now = START;

	(void)state;
	assert_int_equal(waits(&t, &now, 5000, 200, 200), 1);
	now += THROTTLE_QUIET - 300 * MS;
	assert_int_equal(waits(&t, &now, 1, 99, 0), 0);
	assert_int_equal(waits(&t, &now, 1, 1, 0), 0);
	now += THROTTLE_QUIET + 1;
	assert_int_equal(waits(&t, &now, 1, 99, 0), 0);
	assert_int_equal(waits(&t, &now, 1, 1, 0), 1);
}

/* An endless wait is reported while it lasts. */
static void
test_endless(void **state)
{
	struct throttle t = { 0 };
	uint64_t now = START;
	int reported = 0;

	(void)state;
	throttle_begin(&t, now, 0);
	for (int i = 0; i < 10000; i++) {
		now += MS;
		reported += throttle_go_on(&t, now, 0);
		assert_true(reported == (i >= 99));
	}
	assert_true(t.waiting);
	assert_int_equal(t.total, 10000 * MS);
}

/* Without bytes, waiting is not due to limits. */
static void
test_dry(void **state)
{
	struct throttle t = { 0 };
	uint64_t now = START;

	(void)state;
	throttle_begin(&t, now, 5);
	now += 3600 * NS_PER_SEC;
	assert_false(throttle_end(&t, now, 5 + 3600 * NS_PER_SEC - 99 * MS));
	assert_int_equal(t.total, 99 * MS);
	/* More than it waited: it began while there was none. */
	throttle_begin(&t, now, 0);
	assert_false(throttle_end(&t, now + 50 * MS, 100 * MS));
	assert_int_equal(t.total, 99 * MS);
}

static void
test_clock_back(void **state)
{
	struct throttle t = { 0 };

	(void)state;
	throttle_begin(&t, START, 0);
	assert_false(throttle_go_on(&t, START - 1, 0));
	assert_false(throttle_end(&t, START - 1, 0));
	assert_int_equal(t.total, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_long),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_few),
		cmocka_unit_test(test_again),
		cmocka_unit_test(test_endless),
		cmocka_unit_test(test_dry),
		cmocka_unit_test(test_clock_back),
	};

	return UNIT_MAIN("throttle", tests);
}
