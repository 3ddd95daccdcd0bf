/*
 * Token buckets and their division, compared with numbers of 128 bits.
 */
#include "unit/unit.h"

#include "parent/alloc/bucket.h"
#include "parent/alloc/wide.h"

#define ROUNDS 200000

__extension__ typedef unsigned __int128 wide;

/* A number of any size: most numbers of 64 bits are large. */
static uint64_t
any(uint64_t *seed)
{
	uint64_t edge = UINT64_MAX - unit_below(seed, 3);

	return unit_below(seed, 8) == 0
	    ? edge
	    : unit_random(seed) >> unit_below(seed, 64);
}

static void
test_divide(void **state)
{
	uint64_t seed = 1, long_ones = 0;

	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		uint64_t a = any(&seed), b = any(&seed), c = any(&seed);
		uint64_t d = any(&seed) | 1, rest = 0, quotient;
		wide n = (wide)a * b + c;

		quotient = wide_divide(a, b, c, d, &rest);
		if (n / d > UINT64_MAX) {
			assert_true(quotient == UINT64_MAX);
			continue;
		}
		long_ones += n > UINT64_MAX;
		assert_true(quotient == (uint64_t)(n / d));
		assert_true(rest == (uint64_t)(n % d));
	}
	assert_true(long_ones > ROUNDS / 100);
}

/* A bucket that nothing has initialized is one without a rate. */
static void
test_zeroed(void **state)
{
	struct bucket b = { .rate = { .bytes = 0 } };

	(void)state;
	bucket_refill(&b, 1, 1);
	assert_true(b.tokens == 0 && b.remainder == 0);
	assert_true(bucket_wait(&b, 1) == BUCKET_NEVER);
	b.rate.bytes = 1;
	bucket_refill(&b, 1, 1);
	assert_true(b.tokens == 0 && b.remainder == 0);
}

/* A change keeps what fits, and what is left of a token of the same period. */
static void
test_change(void **state)
{
	const struct bucket_rate slow = { 1, 1000 }, fast = { 7, 1000 };
	const struct bucket_rate none = { 0, 1000 }, other = { 7, 500 };
	struct bucket b;

	(void)state;
	bucket_init(&b, slow, 10);
	b.tokens = 4;
	bucket_refill(&b, 500, 10);
	bucket_change(&b, fast, 10);
	assert_true(b.tokens == 4 && b.remainder == 500);
	bucket_change(&b, fast, 3);
	assert_true(b.tokens == 3 && b.remainder == 500);
	bucket_change(&b, other, 10);
	assert_true(b.tokens == 3 && b.remainder == 0);
	bucket_change(&b, none, 10);
	bucket_change(&b, fast, 10);
	assert_true(b.tokens == 10);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_divide),
		cmocka_unit_test(test_zeroed),
		cmocka_unit_test(test_change),
	};

	return UNIT_MAIN("bucket", tests);
}
