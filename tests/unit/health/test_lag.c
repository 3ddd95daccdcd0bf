/*
 * The lag test: what was there before is found wherever it is, and nothing
 * else.
 */
#include "unit/health/noise.h"

#include <stdlib.h>

#include "entropy/health/lag.h"

#define STREAM (LAG_LOOK_BACK * 3)

/* The test of bytes with so much entropy (1/1000 bit) in each. */
static void
raw_init(struct lag *lag, uint32_t entropy)
{
	struct lag_limits limits;

	lag_limits_raw(&limits, 8, entropy, NOISE_ALPHA);
	lag_init(lag, &limits);
}

/* How far back the sequence was that was found, in bytes. */
static size_t
back(const struct lag *lag)
{
	size_t phase = (size_t)(lag->chain - lag->followed->chains);
	size_t places = lag->chain->places;

	if (phase == 0 && places == 0)
		return lag->limits.look_back;
	return places * lag->limits.stride + phase;
}

/* The least that a sequence must be long to be found, and what is enough. */
static size_t
least(const struct lag *lag)
{
	return lag->limits.window +
	    (lag->limits.found - 1) * lag->limits.stride;
}

static size_t
enough(const struct lag *lag)
{
	return least(lag) + lag->limits.stride - 1;
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
test_raw(void **state)
{
	static const struct {
		uint32_t bits, entropy, alpha;
		size_t stride, window;
		uint32_t found, latch;
	} cases[] = {
		{ 8, 8000, 20, 32, 32, 2, 4 },
		{ 8, 8000, 40, 32, 32, 3, 4 },
		{ 8, 8000, 60, 32, 32, 4, 4 },
		{ 1, 1000, 40, 32, 32, 3, 4 },
		{ 8, 7999, 40, 64, 64, 3, 4 },
		{ 8, 4000, 40, 64, 64, 3, 4 },
		{ 4, 2000, 40, 64, 64, 3, 4 },
		{ 1, 500, 40, 64, 64, 3, 4 },
		{ 8, 1000, 40, 256, 64, 3, 4 },
		{ 8, 125, 40, 256, 64, 9, 12 },
		{ 8, 10, 40, 256, 64, 104, 143 },
		{ 8, 1, 40, 32, 32, 2078, 2847 },
	};
	struct lag_limits limits;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		lag_limits_raw(&limits, cases[i].bits, cases[i].entropy,
		    cases[i].alpha);
		assert_int_equal(limits.look_back, LAG_LOOK_BACK);
		assert_int_equal(limits.stride, cases[i].stride);
		assert_int_equal(limits.window, cases[i].window);
		assert_int_equal(limits.found, cases[i].found);
		assert_int_equal(limits.latch, cases[i].latch);
	}
	/* The number of places in which a sequence can be there before. */
	assert_true(LAG_LOOK_BACK / 32 * LAG_SEQUENCES < 1 << LAG_CHOICES);
}

/* Copies of 512 bytes are found wherever they are. */
static void
find_copies(struct lag *lag, uint64_t seed)
{
	static uint8_t bytes[STREAM];
	const size_t far = lag->limits.look_back;
	enum health_verdict verdict;
	size_t at, from, n, soon = 0;

	for (int i = 0; i < 100; i++) {
		noise_fill(bytes, sizeof(bytes), &seed);
		from = far - 512;
		from = i < 40 ? from : from / 8;
		from = 512 + (i == 0 ? far - 512 : unit_below(&seed, from));
		at = far + (size_t)unit_below(&seed, far);
		memcpy(bytes + at, bytes + at - from, 512);
		bytes[at - 1] = (uint8_t)~bytes[at - 1 - from];
		/* It is that long. */
		bytes[at + 512] = (uint8_t)~bytes[at + 512 - from];
		lag_restart(lag);
		n = feed(lag, bytes, sizeof(bytes), &verdict);
		assert_int_equal(verdict, HEALTH_FAILING);
		/* That the oldest values of a window differ may not be seen. */
		assert_in_range(n, at + least(lag) - lag->limits.window / 8,
		    at + 512);
		assert_int_equal(back(lag), from);
		soon += i >= 40 && n <= at + enough(lag) + 8;
	}
	/* Few places were replaced so soon, and not in all sequences. */
	assert_in_range(soon, 58, 60);
}

static void
test_copies(void **state)
{
	struct lag lag;

	(void)state;
	for (uint32_t entropy = 8000; entropy >= 4000; entropy -= 4000) {
		raw_init(&lag, entropy);
		find_copies(&lag, entropy);
		lag_free(&lag);
	}
}

/* Shorter, or farther away, it is none. */
static void
test_limits(void **state)
{
	static uint8_t bytes[STREAM];
	struct lag lag;
	enum health_verdict verdict;
	uint64_t seed = 2;
	const size_t at = LAG_LOOK_BACK + 4321, from = 161;
	size_t n, first, last;

	(void)state;
	raw_init(&lag, 8000);
	/* Where the first window of a copy ends that has a tag. */
	first = at + 32;
	while ((first - from) % 32 != 0)
		first++;
	for (size_t length = 90; length <= 160; length++) {
		noise_fill(bytes, sizeof(bytes), &seed);
		last = at + length;
		for (size_t i = at; i < last; i++)
			bytes[i] = bytes[i - from];
		bytes[at - 1] = (uint8_t)~bytes[at - 1 - from];
		bytes[last] = (uint8_t)~bytes[last - from];
		lag_restart(&lag);
		n = feed(&lag, bytes, sizeof(bytes), &verdict);
		if (last < first + 64) {
			assert_int_equal(verdict, HEALTH_OK);
			continue;
		}
		/* At its third window, and worse at the fourth. */
		assert_int_equal(verdict, HEALTH_FAILING);
		assert_int_equal(n, first + 64);
		while (verdict == HEALTH_FAILING)
			n += lag_feed(&lag, bytes + n, 1, &verdict);
		assert_int_equal(verdict,
		    last < first + 96 ? HEALTH_FAILED : HEALTH_LATCHED);
		assert_int_equal(n, first + 96);
	}
	noise_fill(bytes, sizeof(bytes), &seed);
	memcpy(bytes + LAG_LOOK_BACK + 1, bytes, LAG_LOOK_BACK);
	lag_restart(&lag);
	feed(&lag, bytes, sizeof(bytes), &verdict);
	assert_int_equal(verdict, HEALTH_OK);
	lag_free(&lag);
}

/* One value that is not the same, anywhere, hides what is around it. */
static void
test_interrupted(void **state)
{
	static uint8_t bytes[1024];
	struct lag lag;
	enum health_verdict verdict;
	uint64_t seed = 8;

	(void)state;
	raw_init(&lag, 8000);
	for (size_t bad = 68; bad < 92; bad++) {
		noise_fill(bytes, sizeof(bytes), &seed);
		memcpy(bytes + 576, bytes + 64, 160);
		bytes[576 + bad] ^= (uint8_t)(1 << bad % 8);
		lag_restart(&lag);
		feed(&lag, bytes, sizeof(bytes), &verdict);
		assert_int_equal(verdict, HEALTH_OK);
	}
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
	const size_t at = 12345, from = 999;
	uint8_t add[8];
	size_t n;

	(void)state;
	raw_init(&lag, 8000);
	for (size_t i = 0; i < 5; i++) {
		noise_fill(bytes, sizeof(bytes), &seed);
		unit_fill(add, sizeof(add), i);
		for (size_t j = 0; j < 256; j++)
			bytes[at + j] = (uint8_t)(bytes[at + j - from] +
			    add[j % periods[i]]);
		lag_restart(&lag);
		n = feed(&lag, bytes, sizeof(bytes), &verdict);
		if (periods[i] == 3) {
			assert_int_equal(verdict, HEALTH_OK);
			continue;
		}
		assert_int_equal(verdict, HEALTH_FAILING);
		assert_int_equal(lag.followed->distance, periods[i]);
		assert_int_equal(back(&lag), from);
		assert_in_range(n, at + periods[i] + least(&lag),
		    at + periods[i] + enough(&lag));
	}
	lag_free(&lag);
}

/* Of all places where a constant comes again the first is followed. */
static void
test_constant(void **state)
{
	static const uint8_t zeros[256];
	struct lag lag;
	enum health_verdict verdict;
	size_t n;

	(void)state;
	raw_init(&lag, 8000);
	/* What values count is random. */
	assert_int_not_equal(lag.mix[0], lag.mix[255]);
	n = feed(&lag, zeros, sizeof(zeros), &verdict);
	assert_int_equal(verdict, HEALTH_FAILING);
	/* The first tag is that of 64 bytes, and is there from 65 on. */
	assert_int_equal(n, 65 + 2 * 32);
	while (verdict == HEALTH_FAILING)
		n += lag_feed(&lag, zeros, 1, &verdict);
	assert_int_equal(verdict, HEALTH_LATCHED);
	assert_int_equal(n, 65 + 3 * 32);
	lag_restart(&lag);
	lag.limits.found = lag.limits.latch;
	n = feed(&lag, zeros, sizeof(zeros), &verdict);
	assert_int_equal(verdict, HEALTH_LATCHED);
	assert_int_equal(n, 65 + 3 * 32);
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
		raw_init(&lag, entropies[i]);
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
			assert_in_range(n, least(&lag),
			    enough(&lag) + 640 * width);
		}
		lag_free(&lag);
	}
	free(bytes);
}

/* Tags of windows are the same as others by chance as often as they should. */
static void
test_chance(void **state)
{
	enum {
		PIECE = 4096,
		PIECES = 256
	};
	static uint8_t bytes[PIECE];
	struct lag_limits limits;
	struct lag lag;
	enum health_verdict verdict;
	uint64_t seed = 5;
	size_t found = 0, done;

	(void)state;
	lag_limits_raw(&limits, 8, 8000, NOISE_ALPHA);
	limits.found = 1;
	lag_init(&lag, &limits);
	for (int i = 0; i < PIECES; i++) {
		noise_fill(bytes, sizeof(bytes), &seed);
		for (done = 0; done < PIECE;) {
			done += lag_feed(&lag, bytes + done, 1, &verdict);
			if (verdict == HEALTH_OK)
				continue;
			found++;
			assert_int_equal(lag.chain->hits, 1);
			lag.followed = NULL;
		}
	}
	/*
	 * Five in 512 of 2^20 bytes, but for places that have none, which are
	 * one in e; of two in a row there were none.
	 */
	assert_in_range(found, 6200, 6800);
	lag_free(&lag);
}

/* Whether 8 bytes that were fed are in that memory, as they were. */
static bool
remains(const void *memory, size_t size, const uint8_t *bytes, size_t n)
{
	for (size_t i = 0; i + 8 <= n; i++)
		if (memmem(memory, size, bytes + i, 8) != NULL)
			return true;
	return false;
}

/* No byte is kept but the last 8, and nothing survives a restart. */
static void
test_forgotten(void **state)
{
	static uint8_t bytes[3000];
	struct lag lag;
	enum health_verdict verdict;
	uint64_t seed = 6;
	size_t done = 0, n;

	(void)state;
	raw_init(&lag, 8000);
	noise_fill(bytes, sizeof(bytes), &seed);
	while (done < sizeof(bytes)) {
		n = 1 + (size_t)unit_below(&seed, 1 << unit_below(&seed, 12));
		n = n < sizeof(bytes) - done ? n : sizeof(bytes) - done;
		done += feed(&lag, bytes + done, n, &verdict);
		assert_int_equal(verdict, HEALTH_OK);
		assert_false(remains(&lag, sizeof(lag), bytes, done - 1));
		assert_false(remains(lag.memory, lag.size, bytes, done));
	}
	assert_memory_equal(lag.recent, bytes + done - 8, 8);
	lag_restart(&lag);
	for (size_t i = 256 * sizeof(uint64_t); i < lag.size; i++)
		assert_int_equal(((uint8_t *)lag.memory)[i], 0);
	for (size_t i = 0; i < sizeof(lag.recent); i++)
		assert_int_equal(lag.recent[i], 0);
	for (size_t i = 0; i < LAG_SEQUENCES; i++)
		assert_int_equal(lag.sequences[i].hash, 0);
	/* The same again is not seen as a copy, but once more it is. */
	feed(&lag, bytes, sizeof(bytes), &verdict);
	assert_int_equal(verdict, HEALTH_OK);
	feed(&lag, bytes, sizeof(bytes), &verdict);
	assert_int_equal(verdict, HEALTH_FAILING);
	/* It is not followed after that. */
	lag_restart(&lag);
	feed(&lag, bytes, sizeof(bytes), &verdict);
	assert_int_equal(verdict, HEALTH_OK);
	lag_free(&lag);
}

/* What was before the first byte is not there to be copied. */
static void
test_start(void **state)
{
	static uint8_t bytes[512];
	struct lag lag;
	enum health_verdict verdict;
	uint64_t seed = 7;

	(void)state;
	raw_init(&lag, 8000);
	/* Differences like those of the first bytes to nothing. */
	for (size_t distance = 1; distance <= 8; distance *= 2) {
		noise_fill(bytes, sizeof(bytes), &seed);
		for (size_t i = 0; i < 96; i++)
			bytes[256 + i] =
			    (uint8_t)(bytes[256 + i - distance] + bytes[i] -
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
		cmocka_unit_test(test_raw),
		cmocka_unit_test(test_copies),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_interrupted),
		cmocka_unit_test(test_differences),
		cmocka_unit_test(test_constant),
		cmocka_unit_test(test_little_entropy),
		cmocka_unit_test(test_chance),
		cmocka_unit_test(test_forgotten),
		cmocka_unit_test(test_start),
	};

	return UNIT_MAIN("lag", tests);
}
