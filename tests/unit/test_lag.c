/*
 * The lag test: what was there before is found wherever it is, and nothing
 * else.
 */
#include "noise.h"

#include <stdlib.h>

#include "lag.h"

#define STREAM (LAG_LOOK_BACK * 3)

/* The test of bytes with full entropy. */
static void
full_init(struct lag *lag)
{
	lag_init(lag, LAG_LOOK_BACK, lag_length(8, 8000, NOISE_ALPHA),
	    lag_length(8, 8000, HEALTH_ALPHA_MAX), true);
}

/* Feeds all of it; returns how far that came and leaves the verdict. */
static size_t
feed(struct lag *lag, const uint8_t *bytes, size_t n,
    enum health_verdict *verdict)
{
	size_t done = 0;

	*verdict = HEALTH_OK;
	while (done < n && *verdict == HEALTH_OK)
		done += lag_feed(lag, bytes + done, n - done, verdict);
	return done;
}

static void
test_length(void **state)
{
	(void)state;
	/* (alpha + 19) / H, rounded up, and H is that of a byte. */
	assert_int_equal(lag_length(8, 8000, 20), 5);
	assert_int_equal(lag_length(8, 8000, 40), 8);
	assert_int_equal(lag_length(8, 8000, 60), 10);
	assert_int_equal(lag_length(8, 4000, 40), 15);
	assert_int_equal(lag_length(8, 125, 40), 472);
	assert_int_equal(lag_length(1, 1000, 40), 8);
	assert_int_equal(lag_length(1, 500, 40), 15);
	assert_int_equal(lag_length(4, 1000, 40), 30);
	assert_int_equal(lag_length(8, 1, 60), 79000);
	assert_int_equal(lag_length(1, 1, 60), 9875);
	/* The number of ways in which a sequence can be there before. */
	assert_true(LAG_LOOK_BACK * LAG_SEQUENCES < 1 << LAG_CHOICES);
}

/*
 * A copy of 100 bytes is found at every distance within the look-back, at any
 * alignment, soon after it has the length that is looked for.
 */
static void
test_copies(void **state)
{
	static uint8_t bytes[STREAM];
	struct lag lag;
	enum health_verdict verdict;
	uint64_t seed = 1;
	size_t at, back, n;

	(void)state;
	full_init(&lag);
	for (int i = 0; i < 120; i++) {
		noise_fill(bytes, sizeof(bytes), &seed);
		back = i == 0
		    ? LAG_LOOK_BACK
		    : 100 + (size_t)unit_below(&seed, LAG_LOOK_BACK - 100);
		at = LAG_LOOK_BACK + (size_t)unit_below(&seed, LAG_LOOK_BACK);
		memcpy(bytes + at, bytes + at - back, 100);
		/* It is that long. */
		bytes[at + 100] = (uint8_t)~bytes[at + 100 - back];
		lag_restart(&lag);
		n = feed(&lag, bytes, sizeof(bytes), &verdict);
		assert_true(
		    verdict == HEALTH_FAILING || verdict == HEALTH_LATCHED);
		assert_in_range(n, at + lag.length - 1, at + 100);
		assert_int_equal(lag.back, back);
		if (back < LAG_LOOK_BACK / 4)
			assert_in_range(n, 0, at + lag.length + 24);
	}
	lag_free(&lag);
}

/* Shorter, or farther away, it is none. */
static void
test_limits(void **state)
{
	static uint8_t bytes[STREAM];
	struct lag lag;
	enum health_verdict verdict;
	uint64_t seed = 2;
	const size_t at = LAG_LOOK_BACK + 4321;
	size_t n;

	(void)state;
	full_init(&lag);
	for (size_t length = 6; length <= 12; length++) {
		noise_fill(bytes, sizeof(bytes), &seed);
		memcpy(bytes + at, bytes + at - 1001, length);
		bytes[at - 1] = (uint8_t)~bytes[at - 1002];
		bytes[at + length] = (uint8_t)~bytes[at + length - 1001];
		lag_restart(&lag);
		n = feed(&lag, bytes, sizeof(bytes), &verdict);
		if (length < 8) {
			assert_int_equal(verdict, HEALTH_OK);
			continue;
		}
		/* At its 8th byte, and worse from the 10th on. */
		assert_int_equal(verdict, HEALTH_FAILING);
		assert_int_equal(n, at + 8);
		while (verdict == HEALTH_FAILING)
			n += lag_feed(&lag, bytes + n, 1, &verdict);
		assert_int_equal(verdict,
		    length < 10 ? HEALTH_FAILED : HEALTH_LATCHED);
		assert_int_equal(n, at + (length < 10 ? length + 1 : 10));
	}
	noise_fill(bytes, sizeof(bytes), &seed);
	memcpy(bytes + LAG_LOOK_BACK + 1, bytes, LAG_LOOK_BACK);
	lag_restart(&lag);
	feed(&lag, bytes, sizeof(bytes), &verdict);
	assert_int_equal(verdict, HEALTH_OK);
	lag_free(&lag);
}

/*
 * A copy to which something is added that repeats itself after 1, 2, 4 or 8
 * bytes; after 3 it is none.
 */
static void
test_differences(void **state)
{
	static const size_t periods[] = { 1, 2, 4, 8, 3 };
	static uint8_t bytes[STREAM];
	struct lag lag;
	enum health_verdict verdict;
	uint64_t seed = 3;
	const size_t at = 12345, back = 999;
	uint8_t add[8];
	size_t n;

	(void)state;
	full_init(&lag);
	for (size_t i = 0; i < 5; i++) {
		noise_fill(bytes, sizeof(bytes), &seed);
		unit_fill(add, sizeof(add), i);
		for (size_t j = 0; j < 100; j++)
			bytes[at + j] = (uint8_t)(bytes[at + j - back] +
			    add[j % periods[i]]);
		lag_restart(&lag);
		n = feed(&lag, bytes, sizeof(bytes), &verdict);
		if (periods[i] == 3) {
			assert_int_equal(verdict, HEALTH_OK);
			continue;
		}
		assert_int_equal(verdict, HEALTH_FAILING);
		assert_int_equal(lag.distance, periods[i]);
		assert_int_equal(lag.back, back);
		assert_in_range(n, at + periods[i] + lag.length - 1,
		    at + periods[i] + lag.length + 24);
	}
	lag_free(&lag);
}

/* Counters of all widths, with carries, at the smallest entropies. */
static void
test_little_entropy(void **state)
{
	static const uint32_t entropies[] = { 1000, 100, 10, 1 };
	enum {
		SIZE = 1 << 20
	};
	uint8_t *bytes = malloc(SIZE);
	struct lag lag;
	enum health_verdict verdict;
	uint64_t seed = 4, number;
	size_t n;

	(void)state;
	assert_non_null(bytes);
	for (size_t i = 0; i < 4; i++) {
		lag_init(&lag, LAG_LOOK_BACK, lag_length(8, entropies[i], 40),
		    lag_length(8, entropies[i], 60), true);
		for (size_t width = 1; width <= 8; width *= 2) {
			number = unit_random(&seed);
			/* A carry beyond the second byte, and soon. */
			number |= 0xfff0;
			for (size_t j = 0; j < SIZE; j++)
				bytes[j] = (uint8_t)((number + j / width) >> 8 *
					(i % 2 ? j % width
					       : width - 1 - j % width));
			lag_restart(&lag);
			n = feed(&lag, bytes, SIZE, &verdict);
			assert_true(verdict != HEALTH_OK);
			assert_in_range(n, lag.length,
			    2 * lag.length + 256 * width + 400);
		}
		lag_free(&lag);
	}
	free(bytes);
}

/* By chance a sequence is found at a rate of 2^-alpha at most. */
static void
test_chance(void **state)
{
	enum {
		PIECE = 4096,
		PIECES = 4096
	};
	static uint8_t bytes[PIECE];
	struct lag lag;
	enum health_verdict verdict;
	uint64_t seed = 5;
	size_t found = 0;

	(void)state;
	lag_init(&lag, LAG_LOOK_BACK, lag_length(8, 8000, 20), 10, true);
	for (int i = 0; i < PIECES; i++) {
		noise_fill(bytes, sizeof(bytes), &seed);
		feed(&lag, bytes, sizeof(bytes), &verdict);
		if (verdict == HEALTH_OK)
			continue;
		found++;
		/* Go on, but with what is there. */
		lag.alike = 0;
	}
	/* 2^24 bytes at 2^-20; it is less because of the rounding up. */
	assert_in_range(found, 1, 16);
	lag_free(&lag);
}

static void
test_restart(void **state)
{
	static uint8_t bytes[4096];
	struct lag lag;
	enum health_verdict verdict;
	uint64_t seed = 6;

	(void)state;
	full_init(&lag);
	noise_fill(bytes, sizeof(bytes), &seed);
	feed(&lag, bytes, sizeof(bytes), &verdict);
	lag_restart(&lag);
	for (size_t i = 0; i < lag.size; i++)
		assert_int_equal(lag.ring[i], 0);
	/* The same again is not seen as a copy. */
	feed(&lag, bytes, sizeof(bytes), &verdict);
	assert_int_equal(verdict, HEALTH_OK);
	feed(&lag, bytes, sizeof(bytes), &verdict);
	assert_int_equal(verdict, HEALTH_FAILING);
	lag_free(&lag);
}

/* What was before the first byte is not there to be copied. */
static void
test_start(void **state)
{
	static const uint8_t zeros[16];
	uint8_t bytes[200];
	struct lag lag;
	enum health_verdict verdict;
	uint64_t seed = 7;
	size_t n;

	(void)state;
	full_init(&lag);
	n = feed(&lag, zeros, sizeof(zeros), &verdict);
	assert_int_equal(verdict, HEALTH_FAILING);
	assert_int_equal(n, 1 + lag.length);
	/* Differences like those of the first bytes to nothing. */
	for (size_t distance = 1; distance <= 8; distance *= 2) {
		noise_fill(bytes, sizeof(bytes), &seed);
		for (size_t i = 0; i < 8; i++)
			bytes[100 + i] =
			    (uint8_t)(bytes[100 + i - distance] + bytes[i] -
				(i < distance ? 0 : bytes[i - distance]));
		lag_restart(&lag);
		feed(&lag, bytes, sizeof(bytes), &verdict);
		assert_int_equal(verdict, HEALTH_OK);
	}
	lag_free(&lag);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_length),
		cmocka_unit_test(test_copies),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_differences),
		cmocka_unit_test(test_little_entropy),
		cmocka_unit_test(test_chance),
		cmocka_unit_test(test_restart),
		cmocka_unit_test(test_start),
	};

	return UNIT_MAIN("lag", tests);
}
