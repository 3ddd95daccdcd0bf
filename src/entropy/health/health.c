/*
 * The start-up and continuous health tests of one source; pure.  Used by
 * source.c for the bytes of each reader, and by supply.c for combined bytes.
 */
#include <string.h>

#include "entropy/health/fips.h"
#include "entropy/health/health.h"
#include "entropy/health/health_raw.h"
#include "entropy/health/lag.h"
#include "common/locked.h"
#include "common/log.h"
#include "entropy/health/stuck.h"

/*
 * Start-up: 1,024 samples of raw noise, as SP 800-90B 4.3 has it; of a
 * conditioned source 64 words.
 */
#define STARTUP_SAMPLES 1024
#define STARTUP_WORDS	64

/* The tested bytes of each piece of a conditioned source. */
#define STUCK_SAMPLE 4096
#define OTHER_SAMPLE 256
/*
 * The lag test of these bytes: it looks back over 64 large pieces, with 2,048
 * tags that stay in the cache; and it needs this number of matching windows,
 * which are 56 to 63 bytes.  By chance they match at one byte in 2^109.  At 1
 * GB/s, if all bytes are tested, there is a false alarm within ten years with a
 * probability of 2^-51.
 */
static const struct lag_limits copies = {
	.look_back = 16384,
	.stride = 8,
	.window = 16,
	.found = 6,
	.latch = 6,
};

struct health {
	enum proto_noise noise;
	enum health_verdict verdict;
	enum proto_test
	    failing; /* the test that continues alone; TEST_NONE: all */
	enum proto_test failed; /* last */
	uint64_t good;		/* bytes tested since the start */
	uint64_t startup;	/* bytes of the start-up tests */
	struct health_raw samples;
	struct stuck stuck;
	struct lag lag;
	struct fips fips;
	bool doubted; /* of conditioned: until a block has passed */
	struct proto_health counts;
};

static void
health_init_raw(struct health *h, const struct proto_source *spec)
{
	uint32_t bits = spec->sample_bits, entropy = spec->min_entropy;
	struct lag_limits limits;

	if ((bits != 1 && bits != 2 && bits != 4 && bits != 8) ||
	    entropy == 0 || entropy > bits * 1000)
		log_fatal("health tests: samples of %u bits with %u/1000 bit",
		    bits, entropy);
	if (spec->alpha < ALPHA_MIN || spec->alpha > ALPHA_MAX)
		log_fatal("health tests: alpha is 2^-%u", spec->alpha);
	health_raw_init(&h->samples, spec);
	lag_limits_raw(&limits, bits, entropy, spec->alpha);
	lag_init(&h->lag, &limits);
	h->startup = STARTUP_SAMPLES * bits / 8;
}

struct health *
health_new(const struct proto_source *spec)
{
	struct health *h = locked_map(sizeof(*h));

	h->noise = spec->noise;
	if (h->noise == NOISE_RAW)
		health_init_raw(h, spec);
	else {
		lag_init(&h->lag, &copies);
		h->startup = STARTUP_WORDS * sizeof(uint64_t);
	}
	fips_restart(&h->fips);
	health_restart(h);
	return h;
}

void
health_free(struct health *h)
{
	if (h == NULL)
		return;
	lag_free(&h->lag);
	locked_unmap(h, sizeof(*h));
}

void
health_restart(struct health *h)
{
	h->verdict = HEALTH_STARTING;
	h->failing = TEST_NONE;
	h->good = 0;
	health_raw_restart(&h->samples);
	stuck_restart(&h->stuck);
	lag_restart(&h->lag);
	fips_restart(&h->fips);
	/* After failed statistics a block must pass first. */
	h->doubted = h->doubted || h->failed == TEST_STATISTICS;
}

static bool
health_ended(const struct health *h)
{
	return h->verdict == HEALTH_FAILED || h->verdict == HEALTH_LATCHED;
}

/* Counts `n` more bytes that passed. */
static void
health_pass(struct health *h, size_t n)
{
	bool starting = h->good < h->startup;

	h->good += n;
	if (!starting || h->good < h->startup)
		return;
	h->counts.alarms[TEST_NONE]++;
	h->verdict = HEALTH_OK;
}

static void
health_fail(struct health *h, enum proto_test test, enum health_verdict verdict)
{
	if (h->failing == TEST_NONE)
		h->counts.alarms[test]++;
	h->failing = test;
	h->failed = test;
	h->verdict = verdict;
}

/*
 * Tests raw noise up to the first byte with a verdict, with all tests or, after
 * one has failed, with that one.  Returns the number of bytes.
 */
static size_t
health_look(struct health *h, const uint8_t *bytes, size_t n,
    enum proto_test *test, enum health_verdict *verdict)
{
	enum health_verdict found = HEALTH_OK;
	size_t upto;

	*test = TEST_LAG;
	*verdict = HEALTH_OK;
	if (h->failing != TEST_LAG) {
		n = health_raw_feed(&h->samples, bytes, n, verdict);
		*test = h->samples.failing;
		if (h->failing != TEST_NONE)
			return n;
	}
	upto = lag_feed(&h->lag, bytes, n, &found);
	/* If two fail at the same byte, that of the standard comes first. */
	if (found == HEALTH_OK || (*verdict != HEALTH_OK && upto == n))
		return n;
	*test = TEST_LAG;
	*verdict = found;
	return upto;
}

static void
health_feed_raw(struct health *h, const uint8_t *bytes, size_t n)
{
	enum health_verdict verdict;
	enum proto_test test;
	size_t looked;

	while (n > 0 && !health_ended(h)) {
		looked = health_look(h, bytes, n, &test, &verdict);
		fips_feed(&h->fips, bytes, looked, &h->counts);
		h->counts.bytes += looked;
		if (verdict == HEALTH_OK)
			health_pass(h, looked);
		else {
			health_pass(h, looked - 1);
			health_fail(h, test, verdict);
		}
		bytes += looked;
		n -= looked;
	}
}

static size_t
health_min(size_t a, size_t b)
{
	return a < b ? a : b;
}

/*
 * Whether a piece, of which only the beginning is tested, ends with a repeated
 * word: a source that got stuck in the piece stays stuck.
 */
static bool
health_ends_stuck(const uint8_t *bytes, size_t n)
{
	const size_t word = sizeof(uint64_t);

	return n >= STUCK_SAMPLE + 2 * word &&
	    memcmp(bytes + n - word, bytes + n - 2 * word, word) == 0;
}

/*
 * The number of bytes of a piece for the statistics: all bytes while no block
 * has passed, and after a failed block, to find out soon whether that was
 * chance.
 */
static size_t
health_statistics_size(const struct health *h, size_t n)
{
	return h->fips.passed == 0 || h->fips.row > 0
	    ? n
	    : health_min(n, OTHER_SAMPLE);
}

/*
 * Whether the statistics allow the delivery of a piece.  A source whose first
 * blocks fail is doubted until one passes, and then repeats its start-up: a
 * source that begins as a counter continues as one.
 */
static bool
health_trusted(struct health *h)
{
	bool doubted;

	if (h->fips.passed == 0 && h->fips.row >= FIPS_ROW_DOUBTED)
		h->doubted = true;
	doubted = h->doubted;
	if (doubted) {
		h->good = 0;
		h->verdict = HEALTH_DOUBTED;
		h->doubted = h->fips.row > 0 || h->fips.passed == 0;
	} else if (h->verdict == HEALTH_DOUBTED)
		h->verdict = HEALTH_STARTING;
	return !doubted;
}

static void
health_feed_conditioned(struct health *h, const uint8_t *bytes, size_t n)
{
	size_t words = health_min(n, STUCK_SAMPLE);
	size_t others = health_min(n, OTHER_SAMPLE);
	enum health_verdict copy;

	h->counts.bytes += n;
	fips_feed(&h->fips, bytes, health_statistics_size(h, n), &h->counts);
	lag_feed(&h->lag, bytes, others, &copy);
	if (stuck_feed(&h->stuck, bytes, words) || health_ends_stuck(bytes, n))
		health_fail(h, TEST_STUCK, HEALTH_FAILED);
	else if (copy != HEALTH_OK)
		health_fail(h, TEST_LAG, HEALTH_FAILED);
	else if (h->fips.worst >= FIPS_ROW_FAILED)
		health_fail(h, TEST_STATISTICS, HEALTH_FAILED);
	else if (health_trusted(h))
		health_pass(h, words);
}

enum health_verdict
health_feed(struct health *h, const uint8_t *bytes, size_t n)
{
	if (n == 0 || health_ended(h))
		return h->verdict;
	if (h->noise == NOISE_RAW)
		health_feed_raw(h, bytes, n);
	else
		health_feed_conditioned(h, bytes, n);
	return h->verdict;
}

enum proto_test
health_failure(const struct health *h)
{
	return h->failed;
}

const struct proto_health *
health_counts(const struct health *h)
{
	return &h->counts;
}
