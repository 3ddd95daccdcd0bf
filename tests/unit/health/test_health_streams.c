/*
 * The tests of the tests: the table of vrngd.conf(5), that says which test
 * finds what and when, and that good bytes raise no alarm.
 *
 * With VRNGD_LONG in the environment 10 GB of good bytes are tested in each way
 * instead of 100 MB, which takes some ten minutes of two CPUs.  With perfect
 * bytes there would be a false alarm in one of 20 such runs, as alpha is 2^-40;
 * these are always the same.
 */
#include "unit/health/noise.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "entropy/health/fips.h"

#ifdef VRNGD_SANITIZE
#define SLOWER 10
#else
#define SLOWER 1
#endif

#define SIZE  262144 /* bytes of a stream, in which a fault shows, or never */
#define SEEDS 5
#define NEVER UINT32_MAX

/* How sources are tested. */
enum mode {
	RAW_8,	     /* raw noise of 8-bit samples, with 8 bits of entropy, */
	RAW_8_HALF,  /* with 4; */
	RAW_1,	     /* of one bit, with that much, */
	RAW_1_HALF,  /* with half a bit */
	CONDITIONED, /* in pieces of 256 bytes, of which all are looked at */
	LARGE,	     /* in pieces of 64 KiB */
	MODES,
};

static size_t
mode_piece(enum mode mode)
{
	switch (mode) {
	case CONDITIONED:
		return 256;
	case LARGE:
		return 65536;
	default:
		return 1;
	}
}

static struct health *
mode_new(enum mode mode)
{
	static const uint32_t bits[] = { 8, 8, 1, 1 };
	static const uint32_t entropy[] = { 8000, 4000, 1000, 500 };
	struct proto_source spec = noise_conditioned();

	if (mode < CONDITIONED)
		spec = noise_raw(bits[mode], entropy[mode], NOISE_ALPHA);
	return health_new(&spec);
}

/* Streams: each fills a buffer and returns where the fault begins. */

static size_t
constant(uint8_t *bytes, uint64_t *seed)
{
	memset(bytes, unit_random(seed) & 1 ? 0xff : 0, SIZE);
	return 0;
}

static size_t
alternating_bytes(uint8_t *bytes, uint64_t *seed)
{
	uint64_t first = unit_random(seed);

	for (size_t i = 0; i < SIZE; i++)
		bytes[i] = (first + i) & 1 ? 0xff : 0;
	return 0;
}

static size_t
alternating_bits(uint8_t *bytes, uint64_t *seed)
{
	memset(bytes, unit_random(seed) & 1 ? 0x55 : 0xaa, SIZE);
	return 0;
}

static size_t
period_4096(uint8_t *bytes, uint64_t *seed)
{
	noise_fill(bytes, 4096, seed);
	for (size_t i = 4096; i < SIZE; i++)
		bytes[i] = bytes[i - 4096];
	return 4096;
}

/* Of the random bytes, 512 come again 10,000 bytes later. */
static size_t
copy(uint8_t *bytes, uint64_t *seed)
{
	size_t at = 11000 + (size_t)unit_below(seed, 1000);

	noise_fill(bytes, SIZE, seed);
	memcpy(bytes + at, bytes + at - 10000, 512);
	return at;
}

static size_t
biased(uint8_t *bytes, uint64_t *seed)
{
	memset(bytes, 0, SIZE);
	for (size_t i = 0; i < (size_t)SIZE * 8; i++)
		bytes[i / 8] |= (uint8_t)((unit_below(seed, 10) < 6) << i % 8);
	return 0;
}

/* One bit of each byte is 0 half of the time, and random otherwise. */
static size_t
half_stuck(uint8_t *bytes, uint64_t *seed)
{
	noise_fill(bytes, SIZE, seed);
	for (size_t i = 0; i < SIZE; i++)
		if (unit_random(seed) & 1)
			bytes[i] &= 0xf7;
	return 0;
}

/* Numbers of so many bytes from a random one on. */
static size_t
counter(uint8_t *bytes, uint64_t *seed, size_t width, bool big)
{
	uint64_t number = unit_random(seed);
	size_t byte;

	for (size_t i = 0; i < SIZE; i++) {
		byte = big ? width - 1 - i % width : i % width;
		bytes[i] = (uint8_t)((number + i / width) >> 8 * byte);
	}
	return 0;
}

#define COUNTER(name, width, big) \
	static size_t name(uint8_t *bytes, uint64_t *seed) \
	{ \
		return counter(bytes, seed, width, big); \
	}
COUNTER(counter_8, 1, false)
COUNTER(counter_16_little, 2, false)
COUNTER(counter_16_big, 2, true)
COUNTER(counter_32_little, 4, false)
COUNTER(counter_32_big, 4, true)
COUNTER(counter_64_little, 8, false)
COUNTER(counter_64_big, 8, true)
#undef COUNTER

/* clang-format off */
/*
 * What finds each fault, and within how many bytes from where it begins.  Of
 * conditioned sources it is at the end of a piece.  `statistics`: most blocks
 * of FIPS 140-2 fail, or as few as of random bytes.
 */
#define REPETITION(n)	{ TEST_REPETITION, n }
#define PROPORTION(n)	{ TEST_PROPORTION, n }
#define LAG(n)		{ TEST_LAG, n }
#define STUCK(n)	{ TEST_STUCK, n }
#define NOTHING		{ TEST_NONE, NEVER }
/* By chance, every 8 MB or so. */
#define RARELY		{ TEST_PROPORTION, NEVER }
#define STATISTICS	{ TEST_STATISTICS, 15104 }, { TEST_STATISTICS, 65536 }
#define COUNTER_VALUES	{ LAG(256), LAG(512), LAG(256), LAG(512), \
			    STATISTICS }

static const struct stream {
	const char *name;
	size_t (*fill)(uint8_t *, uint64_t *);
	struct {
		enum proto_test test;
		uint32_t within;
	} found[MODES];
	bool statistics;
	bool carries;
} table[] = {
	{ "constant", constant,
	    { REPETITION(6), REPETITION(11), REPETITION(6), REPETITION(11),
		STUCK(256), STUCK(65536) }, true, false },
	{ "alternating bytes", alternating_bytes,
	    { PROPORTION(37), PROPORTION(155), LAG(129), LAG(257),
		STUCK(256), STUCK(65536) }, true, false },
	{ "alternating bits", alternating_bits,
	    { REPETITION(6), REPETITION(11), LAG(129), LAG(257),
		STUCK(256), STUCK(65536) }, true, false },
	{ "period of 4096 bytes", period_4096,
	    { LAG(128), LAG(256), LAG(128), LAG(256),
		LAG(256), LAG(2 * 65536) }, false, false },
	{ "copy of 512 bytes", copy,
	    { LAG(127), LAG(255), LAG(127), LAG(255),
		LAG(512), NOTHING }, false, false },
	{ "counter, 8 bits", counter_8,
	    { LAG(129), LAG(257), LAG(129), LAG(257),
		LAG(512), LAG(2 * 65536) }, true, false },
	{ "counter, 16 bits, little-endian", counter_16_little,
	    { LAG(256), LAG(512), LAG(256), LAG(512),
		STATISTICS }, true, true },
	{ "counter, 16 bits, big-endian", counter_16_big,
	    { LAG(256), LAG(512), LAG(256), LAG(512),
		STATISTICS }, true, true },
	{ "counter, 32 bits, little-endian", counter_32_little,
	    COUNTER_VALUES, true, true },
	{ "counter, 32 bits, big-endian", counter_32_big,
	    COUNTER_VALUES, true, true },
	{ "counter, 64 bits, little-endian", counter_64_little,
	    COUNTER_VALUES, true, true },
	{ "counter, 64 bits, big-endian", counter_64_big,
	    COUNTER_VALUES, true, true },
	{ "60 % ones", biased,
	    { RARELY, NOTHING, PROPORTION(16384), NOTHING,
		STATISTICS }, true, false },
	{ "half-stuck bit", half_stuck,
	    { NOTHING, NOTHING, NOTHING, NOTHING,
		STATISTICS }, true, false },
};
/* clang-format on */

static void
hold(const struct stream *stream, enum mode mode, uint64_t seed)
{
	static uint8_t bytes[SIZE];
	struct health *h = mode_new(mode);
	size_t piece = mode_piece(mode);
	size_t at = 0, fault = stream->fill(bytes, &seed);
	enum health_verdict verdict = HEALTH_STARTING;
	enum proto_test test = stream->found[mode].test, by;
	uint32_t within = stream->found[mode].within;

	while (at < SIZE && verdict <= HEALTH_OK) {
		verdict = health_feed(h, bytes + at, piece);
		at += piece;
	}
	by = health_failure(h);
	/* Proportion, if the numbers happen to be such. */
	if (by == TEST_PROPORTION && test == TEST_LAG)
		test = by;
	if (verdict == HEALTH_OK && within != NEVER)
		fail_msg("%s, mode %d: not found", stream->name, mode);
	if (verdict != HEALTH_OK &&
	    (by != test || at <= fault || at - fault > within))
		fail_msg("%s, mode %d: test %d after %zu bytes", stream->name,
		    mode, by, at - fault);
	while (at < SIZE && verdict == HEALTH_FAILING) {
		verdict = health_feed(h, bytes + at, piece);
		at += piece;
	}
	/*
	 * What goes on so is no false alarm; a bias may be one, and a counter
	 * with a carry just then.
	 */
	if (mode >= CONDITIONED)
		assert_true(verdict != HEALTH_LATCHED);
	else if (within != NEVER && test != TEST_PROPORTION)
		assert_true(verdict == HEALTH_LATCHED ||
		    (stream->carries && verdict == HEALTH_FAILED));
	health_free(h);
}

static void
test_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++)
		for (enum mode mode = 0; mode < MODES; mode++)
			for (uint64_t seed = 1; seed <= SEEDS; seed++)
				hold(&table[i], mode, seed);
}

/* Words of random letters. */
static size_t
text(uint8_t *bytes, uint64_t *seed)
{
	for (size_t i = 0; i < SIZE; i++)
		bytes[i] = unit_below(seed, 6) == 0
		    ? ' '
		    : (uint8_t)('a' + unit_below(seed, 26));
	return 0;
}

/*
 * Text is refused as a conditioned source, in small pieces and in large ones.
 */
static void
test_text(void **state)
{
	static const struct stream words = { "text", text,
		{ [CONDITIONED] = { TEST_STATISTICS, 15104 },
		    [LARGE] = { TEST_STATISTICS, 65536 } },
		true, false };

	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		hold(&words, CONDITIONED, seed);
		hold(&words, LARGE, seed);
	}
}

static void
test_statistics(void **state)
{
	static uint8_t bytes[SIZE];
	static struct fips fips;
	struct proto_health counts;

	(void)state;
	fips_restart(&fips);
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		memset(&counts, 0, sizeof(counts));
		fips_restart(&fips);
		for (uint64_t seed = 1; seed <= SEEDS; seed++) {
			uint64_t s = seed;

			table[i].fill(bytes, &s);
			fips_feed(&fips, bytes, SIZE, &counts);
		}
		assert_int_equal(counts.fips_blocks, SEEDS * SIZE / FIPS_BLOCK);
		if (table[i].statistics)
			assert_true(
			    counts.fips_failed * 2 > counts.fips_blocks);
		else
			assert_true(
			    counts.fips_failed * 100 < counts.fips_blocks);
	}
}

/* Good bytes, tested in a way of their own, and what that came to. */
struct good {
	enum mode mode;
	uint64_t megabytes; /* not only with VRNGD_LONG */
	pthread_t thread;
	uint64_t
	    alarm; /* bytes until a verdict that is not HEALTH_OK; 0: none */
	enum proto_test test;
	struct proto_health counts;
};

static void *
good_run(void *arg)
{
	enum {
		PIECE = 65536
	};
	struct good *g = arg;
	uint8_t bytes[PIECE];
	struct health *h = mode_new(g->mode);
	const struct proto_health *counts = health_counts(h);
	size_t piece = mode_piece(g->mode) == 1 ? PIECE : mode_piece(g->mode);
	uint64_t seed = g->mode, total = g->megabytes * 1000000 / SLOWER;

	while (counts->bytes < total && g->alarm == 0) {
		noise_fill(bytes, sizeof(bytes), &seed);
		for (size_t at = 0; at < PIECE; at += piece)
			if (health_feed(h, bytes + at, piece) != HEALTH_OK &&
			    counts->bytes > PIECE)
				g->alarm = counts->bytes;
	}
	g->test = health_failure(h);
	g->counts = *counts;
	health_free(h);
	return NULL;
}

/*
 * No verdict but HEALTH_OK, and of the blocks of FIPS 140-2 about one in 1,300
 * fails.
 */
static void
good_judge(const struct good *g)
{
	const struct proto_health *counts = &g->counts;

	print_message("# mode %d: %" PRIu64 " bytes; of %" PRIu64
		      " blocks %" PRIu64 " failed\n",
	    g->mode, counts->bytes, counts->fips_blocks, counts->fips_failed);
	if (g->alarm != 0)
		fail_msg("mode %d: test %d after %" PRIu64 " bytes", g->mode,
		    g->test, g->alarm);
	if (counts->fips_blocks > 10000) {
		assert_true(counts->fips_failed > counts->fips_blocks / 4000);
		assert_true(counts->fips_failed < counts->fips_blocks / 400);
	}
	if (counts->fips_blocks > 1000000) {
		assert_true(counts->fips_failed > counts->fips_blocks / 1600);
		assert_true(counts->fips_failed < counts->fips_blocks / 1000);
	}
	assert_int_equal(counts->alarms[TEST_NONE], 1);
}

/* All ways at the same time. */
static void
test_good(void **state)
{
	struct good all[] = { { .mode = RAW_8, .megabytes = 100 },
		{ .mode = RAW_1, .megabytes = 25 },
		{ .mode = CONDITIONED, .megabytes = 1000 },
		{ .mode = LARGE, .megabytes = 100 } };
	size_t n = sizeof(all) / sizeof(*all);

	(void)state;
	if (getenv("VRNGD_LONG") != NULL)
		alarm(0);
	for (size_t i = 0; i < n; i++) {
		if (getenv("VRNGD_LONG") != NULL)
			all[i].megabytes = 10000;
		assert_int_equal(
		    pthread_create(&all[i].thread, NULL, good_run, &all[i]), 0);
	}
	for (size_t i = 0; i < n; i++)
		assert_int_equal(pthread_join(all[i].thread, NULL), 0);
	for (size_t i = 0; i < n; i++)
		good_judge(&all[i]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_statistics),
		cmocka_unit_test(test_good),
	};

	return UNIT_MAIN("health_streams", tests);
}
