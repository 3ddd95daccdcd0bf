/*
 * Health tests as the readers of sources see them: start-up and restart, what
 * is looked at of a conditioned source, and that it does not matter in which
 * pieces raw noise comes.
 */
#include "unit/health/noise.h"

#include <sys/wait.h>

#include <stdlib.h>

#include "entropy/health/fips.h"
#include "common/log.h"

#define ENOUGH 4096 /* bytes, for any start-up */

/* Nothing may be handed out before 1,024 samples, or 64 words, are good. */
static void
test_startup(void **state)
{
	static const struct {
		uint32_t bits; /* 0: conditioned */
		size_t startup;
	} cases[] = { { 1, 128 }, { 2, 256 }, { 4, 512 }, { 8, 1024 },
		{ 0, 512 } };
	static uint8_t bytes[ENOUGH];
	uint64_t seed = 4;

	(void)state;
	for (size_t i = 0; i < 5; i++) {
		uint32_t bits = cases[i].bits;
		size_t startup = cases[i].startup;
		struct proto_source spec = bits == 0
		    ? noise_conditioned()
		    : noise_raw(bits, bits * 1000, 40);
		struct health *h = health_new(&spec);

		for (int round = 1; round < 4; round++) {
			noise_fill(bytes, sizeof(bytes), &seed);
			assert_int_equal(health_feed(h, bytes, 0),
			    HEALTH_STARTING);
			for (size_t j = 0; j < startup - 1; j++)
				assert_int_equal(health_feed(h, bytes + j, 1),
				    HEALTH_STARTING);
			assert_int_equal(health_counts(h)->alarms[TEST_NONE],
			    2 * round - 2);
			assert_int_equal(health_feed(h, bytes, 1), HEALTH_OK);
			assert_int_equal(health_feed(h, bytes, 0), HEALTH_OK);
			/* And in one go; what was seen is forgotten. */
			health_restart(h);
			assert_int_equal(health_feed(h, bytes, ENOUGH),
			    HEALTH_OK);
			health_restart(h);
		}
		assert_int_equal(health_counts(h)->alarms[TEST_NONE], 6);
		assert_int_equal(health_counts(h)->bytes,
		    3 * (startup + ENOUGH));
		assert_int_equal(health_failure(h), TEST_NONE);
		health_free(h);
	}
}

/* After a failure nothing counts until the tests start again. */
static void
test_restart(void **state)
{
	static uint8_t bytes[ENOUGH];
	struct proto_source spec = noise_raw(8, 8000, 40);
	struct health *h = health_new(&spec);
	uint64_t seed = 5;

	(void)state;
	noise_fill(bytes, sizeof(bytes), &seed);
	memset(bytes + 2000, 9, 9);
	assert_int_equal(health_feed(h, bytes, ENOUGH), HEALTH_LATCHED);
	/* The bytes up to the failure. */
	assert_int_equal(health_counts(h)->bytes, 2009);
	assert_int_equal(health_feed(h, bytes, ENOUGH), HEALTH_LATCHED);
	assert_int_equal(health_counts(h)->bytes, 2009);
	health_restart(h);
	assert_int_equal(health_feed(h, bytes, 1000), HEALTH_STARTING);
	assert_int_equal(health_failure(h), TEST_REPETITION);
	assert_int_equal(health_counts(h)->alarms[TEST_REPETITION], 1);
	assert_int_equal(health_counts(h)->alarms[TEST_NONE], 1);
	/* The run and the window end with a restart. */
	health_restart(h);
	assert_int_equal(health_feed(h, bytes + 2000, 5), HEALTH_STARTING);
	health_restart(h);
	assert_int_equal(health_feed(h, bytes + 2000, 5), HEALTH_STARTING);
	assert_int_equal(health_feed(h, bytes + 2000, 1), HEALTH_FAILING);
	assert_int_equal(health_feed(h, bytes, 1), HEALTH_FAILED);
	assert_int_equal(health_counts(h)->alarms[TEST_REPETITION], 2);
	health_free(h);
}

/* A fault in the last byte of the start is one in the start. */
static void
test_startup_fails(void **state)
{
	static uint8_t bytes[ENOUGH];
	struct proto_source spec = noise_raw(8, 8000, 40);
	struct health *h = health_new(&spec);
	uint64_t seed = 10;

	(void)state;
	noise_fill(bytes, sizeof(bytes), &seed);
	memset(bytes + 1018, 9, 6);
	assert_int_equal(health_feed(h, bytes, ENOUGH), HEALTH_FAILED);
	assert_int_equal(health_counts(h)->alarms[TEST_NONE], 0);
	/* The next byte is the first after it. */
	health_restart(h);
	noise_fill(bytes, sizeof(bytes), &seed);
	memset(bytes + 1019, 9, 6);
	assert_int_equal(health_feed(h, bytes, ENOUGH), HEALTH_FAILED);
	assert_int_equal(health_counts(h)->alarms[TEST_NONE], 1);
	health_free(h);
}

/* With alpha = 60 a failure is latched at once, and counted once. */
static void
test_latch_at_once(void **state)
{
	static const uint8_t zeros[9];
	struct proto_source spec = noise_raw(8, 8000, 60);
	struct health *h = health_new(&spec);

	(void)state;
	assert_int_equal(health_feed(h, zeros, 8), HEALTH_STARTING);
	assert_int_equal(health_feed(h, zeros, 1), HEALTH_LATCHED);
	assert_int_equal(health_counts(h)->alarms[TEST_REPETITION], 1);
	health_free(h);
}
/* The same 8 bytes in a row, anywhere and in any pieces. */
static void
test_stuck(void **state)
{
	static uint8_t bytes[ENOUGH];
	struct proto_source spec = noise_conditioned();
	struct health *h = health_new(&spec);
	uint64_t seed = 6;
	size_t at, n, word;
	enum health_verdict verdict;

	(void)state;
	for (uint64_t i = 1; i <= 200; i++) {
		noise_fill(bytes, sizeof(bytes), &seed);
		word = 8 * (size_t)unit_below(&seed, ENOUGH / 8 - 1);
		memcpy(bytes + word + 8, bytes + word, 8);
		health_restart(h);
		verdict = HEALTH_OK;
		for (at = 0; at < ENOUGH && verdict <= HEALTH_OK; at += n) {
			n = 1 + (size_t)unit_below(&seed, 1 << i % 13);
			n = n < ENOUGH - at ? n : ENOUGH - at;
			verdict = health_feed(h, bytes + at, n);
		}
		/* No sooner than when the second is there, never latched. */
		assert_int_equal(verdict, HEALTH_FAILED);
		assert_in_range(word + 16, at - n + 1, at);
		assert_int_equal(health_failure(h), TEST_STUCK);
		assert_int_equal(health_counts(h)->alarms[TEST_STUCK], i);
		assert_int_equal(health_feed(h, bytes, ENOUGH), HEALTH_FAILED);
	}
	/* What has failed in its start does not come out of it well. */
	health_restart(h);
	noise_fill(bytes, sizeof(bytes), &seed);
	assert_int_equal(health_feed(h, (const uint8_t[16]){ 0 }, 16),
	    HEALTH_FAILED);
	assert_int_equal(health_feed(h, bytes, ENOUGH), HEALTH_FAILED);
	/* A first word is like no other, and 7 bytes are not 8. */
	memset(bytes, 0, 8);
	health_restart(h);
	assert_int_equal(health_feed(h, bytes, ENOUGH), HEALTH_OK);
	noise_fill(bytes, sizeof(bytes), &seed);
	memcpy(bytes + 80, bytes + 72, 7);
	memcpy(bytes + 161, bytes + 153, 7);
	health_restart(h);
	assert_int_equal(health_feed(h, bytes, ENOUGH), HEALTH_OK);
	health_free(h);
}

/* Of a large piece, the first 4,096 bytes, 256 for copies, and the end. */
static void
test_sampling(void **state)
{
	enum {
		PIECE = 65536
	};
	static uint8_t bytes[PIECE];
	struct proto_source spec = noise_conditioned();
	struct health *h = health_new(&spec);
	uint64_t seed = 7;

	(void)state;
	/* The statistics are sampled once a block has passed. */
	noise_fill(bytes, sizeof(bytes), &seed);
	assert_int_equal(health_feed(h, bytes, PIECE), HEALTH_OK);
	noise_fill(bytes, sizeof(bytes), &seed);
	memset(bytes + 4096, 0, PIECE - 4096 - 16);
	assert_int_equal(health_feed(h, bytes, PIECE), HEALTH_OK);
	assert_int_equal(health_counts(h)->bytes, 2 * PIECE);
	noise_fill(bytes, sizeof(bytes), &seed);
	memset(bytes + PIECE - 16, 0, 16);
	assert_int_equal(health_feed(h, bytes, PIECE), HEALTH_FAILED);
	assert_int_equal(health_failure(h), TEST_STUCK);
	health_restart(h);
	/* A word at the very end of what is looked at. */
	noise_fill(bytes, sizeof(bytes), &seed);
	memcpy(bytes + 4096, bytes + 4088, 8);
	assert_int_equal(health_feed(h, bytes, PIECE), HEALTH_OK);
	noise_fill(bytes, sizeof(bytes), &seed);
	memcpy(bytes + 4088, bytes + 4080, 8);
	assert_int_equal(health_feed(h, bytes, PIECE), HEALTH_FAILED);
	/* A piece that came before, all of it or from anywhere on. */
	for (size_t from = 0; from <= 256 - 16; from += 48) {
		health_restart(h);
		noise_fill(bytes, sizeof(bytes), &seed);
		assert_int_equal(health_feed(h, bytes, PIECE), HEALTH_OK);
		for (uint64_t i = 0; i < 30; i++) {
			unit_fill(bytes + 256, 256, i);
			assert_int_equal(health_feed(h, bytes + 256, PIECE / 2),
			    HEALTH_OK);
		}
		assert_int_equal(health_feed(h, bytes + from, PIECE / 2),
		    HEALTH_FAILED);
		assert_int_equal(health_failure(h), TEST_LAG);
	}
	health_free(h);
}

/* Bytes of which no block passes. */
static void
fill_biased(uint8_t *bytes, size_t n, uint64_t *seed)
{
	for (size_t i = 0; i < n; i++)
		bytes[i] = (uint8_t)(unit_random(seed) | i);
}

/* What the statistics find of raw noise is a number, no verdict. */
static void
test_statistics(void **state)
{
	static uint8_t bytes[16 * FIPS_BLOCK];
	uint64_t seed = 8;
	struct proto_source spec = noise_raw(1, 100, 40);
	struct health *h = health_new(&spec);

	(void)state;
	fill_biased(bytes, sizeof(bytes), &seed);
	for (size_t j = 0; j < sizeof(bytes); j += 250)
		assert_in_range(health_feed(h, bytes + j, 250), HEALTH_STARTING,
		    HEALTH_OK);
	assert_int_equal(health_counts(h)->fips_blocks, 16);
	assert_int_equal(health_counts(h)->fips_failed, 16);
	/* They are kept, a block begun is not. */
	health_feed(h, bytes, 256);
	health_restart(h);
	for (size_t j = 0; j < FIPS_BLOCK - 250; j += 250)
		health_feed(h, bytes + j, 250);
	assert_int_equal(health_counts(h)->fips_blocks, 16);
	health_feed(h, bytes + FIPS_BLOCK - 250, 250);
	assert_int_equal(health_counts(h)->fips_blocks, 17);
	health_free(h);
}

/*
 * Feeds `n` fresh bytes, good or bad ones, in pieces of 250, which must all
 * lead to that verdict.
 */
static void
feed(struct health *h, bool good, size_t n, uint64_t *seed,
    enum health_verdict wanted)
{
	uint8_t bytes[256];

	for (size_t at = 0; at < n; at += 250) {
		if (good)
			noise_fill(bytes, sizeof(bytes), seed);
		else
			fill_biased(bytes, sizeof(bytes), seed);
		assert_int_equal(health_feed(h, bytes, 250), wanted);
	}
}

/*
 * Of a conditioned source six bad blocks in a row are an alarm.  If it begins
 * so it is doubted after two, and after the alarm until a block passes.
 */
static void
test_bad_blocks(void **state)
{
	const size_t block = FIPS_BLOCK;
	struct proto_source spec = noise_conditioned();
	struct health *h = health_new(&spec);
	uint64_t seed = 11;

	(void)state;
	feed(h, false, 500, &seed, HEALTH_STARTING);
	feed(h, false, 2 * block - 750, &seed, HEALTH_OK);
	feed(h, false, 4 * block, &seed, HEALTH_DOUBTED);
	feed(h, false, 250, &seed, HEALTH_FAILED);
	assert_int_equal(health_failure(h), TEST_STATISTICS);
	assert_int_equal(health_counts(h)->alarms[TEST_STATISTICS], 1);
	/* After the next start it is doubted from the first byte on, */
	health_restart(h);
	feed(h, false, 6 * block - 250, &seed, HEALTH_DOUBTED);
	feed(h, false, 250, &seed, HEALTH_FAILED);
	assert_int_equal(health_counts(h)->alarms[TEST_STATISTICS], 2);
	/* until a block has passed, after which it starts up. */
	health_restart(h);
	feed(h, true, block, &seed, HEALTH_DOUBTED);
	feed(h, true, 500, &seed, HEALTH_STARTING);
	feed(h, true, block - 500, &seed, HEALTH_OK);
	/* Later five that are bad are none yet. */
	feed(h, false, 5 * block, &seed, HEALTH_OK);
	feed(h, true, block, &seed, HEALTH_OK);
	feed(h, false, 6 * block - 250, &seed, HEALTH_OK);
	feed(h, false, 250, &seed, HEALTH_FAILED);
	health_free(h);
}

/* Doubts of what begins badly, and goes on well. */
static void
test_doubts(void **state)
{
	const size_t block = FIPS_BLOCK;
	struct proto_source spec = noise_conditioned();
	struct health *h = health_new(&spec);
	uint64_t seed = 12;

	(void)state;
	feed(h, false, 500, &seed, HEALTH_STARTING);
	feed(h, false, 2 * block - 750, &seed, HEALTH_OK);
	feed(h, false, 250, &seed, HEALTH_DOUBTED);
	feed(h, true, block, &seed, HEALTH_DOUBTED);
	feed(h, true, 500, &seed, HEALTH_STARTING);
	feed(h, true, block, &seed, HEALTH_OK);
	assert_int_equal(health_counts(h)->alarms[TEST_STATISTICS], 0);
	health_free(h);
}

/* Noise with faults in it, of the kinds that each test of it finds. */
static void
fill_faulty(uint8_t *bytes, size_t n, uint64_t *seed)
{
	size_t at, length, faults = (size_t)unit_below(seed, 4);

	noise_fill(bytes, n, seed);
	while (faults-- > 0) {
		at = n / 4 + (size_t)unit_below(seed, n / 4);
		length = 3 + (size_t)unit_below(seed, 12);
		switch (unit_below(seed, 3)) {
		case 0:
			memset(bytes + at, 0, length);
			break;
		case 1:
			memcpy(bytes + at, bytes + at / 2, 30 * length);
			break;
		default:
			for (size_t i = at; i < at + 60 * length; i += 7)
				bytes[i] = bytes[at / 512 * 512];
			break;
		}
	}
}

/*
 * However raw noise is cut into pieces, the verdict at the end of each is that
 * of all bytes up to there fed one by one, and all is counted the same.
 */
static void
test_pieces(void **state)
{
	enum {
		SIZE = 8192
	};
	static uint8_t bytes[SIZE];
	static enum health_verdict verdicts[SIZE];
	uint64_t seed = 9;
	size_t seen[HEALTH_LATCHED + 1] = { 0 }, at, n;

	(void)state;
	for (int i = 0; i < 300; i++) {
		uint32_t bits = 1U << unit_below(&seed, 4);
		struct proto_source spec = noise_raw(bits,
		    bits * (uint32_t)(600 + 100 * unit_below(&seed, 5)), 25);
		struct health *one, *h;

		noise_mix = 0;
		one = health_new(&spec);
		noise_mix = 0;
		h = health_new(&spec);
		fill_faulty(bytes, SIZE, &seed);
		for (size_t j = 0; j < SIZE; j++)
			verdicts[j] = health_feed(one, bytes + j, 1);
		seen[verdicts[SIZE - 1]]++;
		for (int round = 0; round < 3; round++) {
			struct proto_health before = *health_counts(h);

			health_restart(h);
			for (at = 0; at < SIZE; at += n) {
				n = 1 +
				    (size_t)unit_below(&seed,
					1 << unit_below(&seed, 14));
				n = n < SIZE - at ? n : SIZE - at;
				assert_int_equal(health_feed(h, bytes + at, n),
				    verdicts[at + n - 1]);
			}
			if (round > 0)
				continue;
			assert_int_equal(before.bytes, 0);
			assert_memory_equal(health_counts(h),
			    health_counts(one), sizeof(before));
		}
		assert_int_equal(health_failure(h), health_failure(one));
		health_free(one);
		health_free(h);
	}
	assert_true(seen[HEALTH_OK] > 20);
	assert_true(seen[HEALTH_FAILED] > 20);
	assert_true(seen[HEALTH_LATCHED] > 20);
}

static void
be_quiet(void *arg, const struct log_line *line)
{
	(void)arg;
	(void)line;
}

/* What the parent never sends ends the process. */
static void
test_nonsense(void **state)
{
	const struct proto_source bad[] = { noise_raw(0, 100, 40),
		noise_raw(3, 100, 40), noise_raw(16, 100, 40),
		noise_raw(8, 0, 40), noise_raw(8, 8001, 40),
		noise_raw(1, 1001, 40), noise_raw(8, 8000, 19),
		noise_raw(8, 8000, 61) };
	int status;
	pid_t pid;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		pid = fork();
		if (pid == 0) {
			log_open(be_quiet, NULL);
			health_new(&bad[i]);
			_exit(0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), 1);
	}
	health_free(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_startup),
		cmocka_unit_test(test_restart),
		cmocka_unit_test(test_startup_fails),
		cmocka_unit_test(test_latch_at_once),
		cmocka_unit_test(test_stuck),
		cmocka_unit_test(test_sampling),
		cmocka_unit_test(test_statistics),
		cmocka_unit_test(test_bad_blocks),
		cmocka_unit_test(test_doubts),
		cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_nonsense),
	};

	return UNIT_MAIN("health", tests);
}
