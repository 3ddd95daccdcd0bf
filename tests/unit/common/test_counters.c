/*
 * Counters: sums and differences have all of them, and what a worker counts
 * is believed only as far as it can be true.
 */
#include "unit/unit.h"

#include "common/clock.h"
#include "common/counters.h"

#define N (sizeof(struct counters) / sizeof(uint64_t))

/* Each counter by its number, as memory has them. */
static uint64_t *
nth(struct counters *c, size_t i)
{
	return (uint64_t *)(void *)c + i;
}

static struct counters
all(uint64_t first, uint64_t step)
{
	struct counters c = { 0 };

	for (size_t i = 0; i < N; i++)
		*nth(&c, i) = first + i * step;
	return c;
}

static void
test_sums(void **state)
{
	struct counters a = all(10, 1), b = all(100, 3), d;

	(void)state;
	d = counters_grown(&b, &a);
	for (size_t i = 0; i < N; i++)
		assert_int_equal(*nth(&d, i), 90 + 2 * i);
	d = counters_grown(&a, &b);
	for (size_t i = 0; i < N; i++)
		assert_int_equal(*nth(&d, i), 0);
	counters_add(&a, &b);
	for (size_t i = 0; i < N; i++)
		assert_int_equal(*nth(&a, i), 110 + 4 * i);
}

/* What can be true is believed. */
static void
test_true(void **state)
{
	struct counters before = all(10, 1), now = all(20, 1), c;

	(void)state;
	now.bytes = 5000;
	c = counters_clamp(&now, &before, 5000, 1000);
	assert_memory_equal(&c, &now, sizeof(c));
	c = counters_clamp(&now, &now, 5000, 1000);
	assert_memory_equal(&c, &now, sizeof(c));
}

/* No counter goes back, with any other error. */
static void
test_backwards(void **state)
{
	struct counters before = all(1000, 1), now, c;

	(void)state;
	for (size_t i = 0; i < N; i++) {
		now = before;
		*nth(&now, i) = i % 2 == 0 ? 0 : 999;
		c = counters_clamp(&now, &before, UINT64_MAX, UINT64_MAX);
		assert_memory_equal(&c, &before, sizeof(c));
	}
	now = all(2000, 0);
	c = counters_clamp(&now, &before, 0, 0);
	assert_memory_equal(&c, &before, sizeof(c));
}

/* Bytes are limited by what was granted, all else by time. */
static void
test_huge(void **state)
{
	struct counters before = all(1, 0), now = all(UINT64_MAX, 0), c;

	(void)state;
	c = counters_clamp(&now, &before, 64, 1000000);
	assert_int_equal(c.bytes, 64);
	for (size_t i = 0; i < N; i++)
		if (nth(&c, i) != &c.bytes)
			assert_int_equal(*nth(&c, i), 1000000);
}

/* Garbage upon garbage. */
static void
test_garbage(void **state)
{
	struct counters last = { 0 }, now = { 0 }, c;
	uint64_t granted = 0, most = 0, seed = 1;

	(void)state;
	for (int round = 0; round < 10000; round++) {
		granted += unit_below(&seed, 100);
		most += unit_below(&seed, 100);
		for (size_t i = 0; i < N; i++)
			*nth(&now, i) =
			    unit_random(&seed) >> unit_below(&seed, 64);
		c = counters_clamp(&now, &last, granted, most);
		for (size_t i = 0; i < N; i++) {
			assert_true(*nth(&c, i) >= *nth(&last, i));
			assert_true(*nth(&c, i) <=
			    (nth(&c, i) == &c.bytes ? granted : most));
		}
		last = c;
	}
}

/* Of numbers that may come from a child, none of which is too large. */
static void
test_rates(void **state)
{
	const uint64_t sizes[] = { 0, 1, 1000, COUNTER_MAX, UINT64_MAX };
	const uint64_t times[] = { 0, 1, 1000, NS_PER_SEC, UINT64_MAX };
	const uint64_t now = 10 * METER_WINDOW;
	struct meter m;

	(void)state;
	assert_int_equal(meter_per_second(1000, NS_PER_SEC), 1000);
	assert_int_equal(meter_per_second(1000, NS_PER_SEC / 2), 2000);
	assert_int_equal(meter_per_second(COUNTER_MAX, 1), METER_RATE_MAX);
	assert_int_equal(meter_per_second(UINT64_MAX, 1), METER_RATE_MAX);
	for (size_t i = 0; i < 5; i++)
		for (size_t k = 0; k < 5; k++)
			assert_true(meter_per_second(sizes[i], times[k]) <=
			    METER_RATE_MAX);
	for (size_t i = 0; i < 5; i++) {
		m = (struct meter){ .start = now, .previous = sizes[i] };
		assert_int_equal(meter_rate(&m, now), sizes[i]);
		assert_int_equal(meter_rate(&m, now + METER_WINDOW / 2),
		    sizes[i] / 2);
	}
	m = (struct meter){ .start = UINT64_MAX, .previous = 7 };
	assert_int_equal(meter_rate(&m, now), 7);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sums),
		cmocka_unit_test(test_true),
		cmocka_unit_test(test_backwards),
		cmocka_unit_test(test_huge),
		cmocka_unit_test(test_garbage),
		cmocka_unit_test(test_rates),
	};

	return UNIT_MAIN("counters", tests);
}
