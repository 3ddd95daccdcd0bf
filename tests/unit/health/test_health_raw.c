/*
 * SP 800-90B 4.4: the cutoffs, and failures at the sample where they are due.
 */
#include "unit/health/noise.h"

#include "entropy/health/health_raw.h"

/* The cutoffs that are known, and more from sums in exact arithmetic. */
static void
test_cutoffs(void **state)
{
	static const struct {
		uint32_t alpha, rct[3], apt_1, apt[4];
	} known[] = {
		{ 20, { 21, 6, 4 }, 589, { 311, 177, 62, 13 } },
		{ 30, { 31, 9, 5 }, 609, { 325, 190, 71, 16 } },
		{ 40, { 41, 11, 6 }, 625, { 336, 201, 78, 19 } },
		{ 50, { 51, 14, 8 }, 640, { 346, 211, 85, 22 } },
		{ 60, { 61, 16, 9 }, 652, { 355, 220, 91, 25 } },
	};
	static const struct {
		uint32_t window, entropy, alpha, cutoff;
	} fractions[] = {
		{ 512, 500, 20, 410 },
		{ 512, 1500, 40, 260 },
		{ 512, 3300, 60, 122 },
		{ 512, 6700, 50, 32 },
		{ 512, 7999, 60, 25 },
		{ 1024, 999, 40, 626 },
		{ 1024, 500, 60, 847 },
		{ 1024, 100, 20, 991 },
		{ 1024, 50, 50, 1024 },
		/* More than there are: never. */
		{ 1024, 50, 60, 1025 },
		{ 1024, 1, 20, 1025 },
		{ 512, 10, 40, 513 },
	};

	(void)state;
	for (size_t i = 0; i < 5; i++) {
		uint32_t alpha = known[i].alpha;

		assert_int_equal(rct_cutoff(1000, alpha), known[i].rct[0]);
		assert_int_equal(rct_cutoff(4000, alpha), known[i].rct[1]);
		assert_int_equal(rct_cutoff(8000, alpha), known[i].rct[2]);
		assert_int_equal(apt_cutoff(1024, 1000, alpha), known[i].apt_1);
		for (size_t j = 0; j < 4; j++)
			assert_int_equal(apt_cutoff(512, 1000U << j, alpha),
			    known[i].apt[j]);
	}
	for (size_t i = 0; i < sizeof(fractions) / sizeof(*fractions); i++)
		assert_int_equal(apt_cutoff(fractions[i].window,
				     fractions[i].entropy, fractions[i].alpha),
		    fractions[i].cutoff);
	assert_int_equal(rct_cutoff(1, 60), 60001);
	assert_int_equal(rct_cutoff(300, 40), 135);
}

/* Feeds a byte at a time until there is more to say than HEALTH_OK. */
static enum health_verdict
feed_until(struct health *h, const uint8_t *bytes, size_t n, size_t *at)
{
	enum health_verdict verdict = HEALTH_OK;

	for (*at = 0; *at < n; ++*at) {
		verdict = health_feed(h, bytes + *at, 1);
		if (verdict > HEALTH_OK)
			break;
	}
	return verdict;
}

/* Puts samples into bytes, the first into the most significant bits. */
static void
pack(uint8_t *bytes, const uint8_t *samples, size_t n, uint32_t bits)
{
	memset(bytes, 0, n * bits / 8);
	for (size_t i = 0; i < n; i++)
		bytes[i * bits / 8] |=
		    (uint8_t)(samples[i] << (8 - bits - i * bits % 8));
}

/*
 * Of each width, a run of samples at any place in a byte: none shorter than
 * the cutoff fails, and then it is worse or not, at the byte where it is seen.
 */
static void
test_repetition(void **state)
{
	enum {
		SAMPLES = 4096,
		AT = 2000
	};
	static uint8_t samples[SAMPLES], bytes[SAMPLES];
	uint64_t seed = 1;
	size_t at, failing, ended;
	enum health_verdict verdict;

	(void)state;
	for (uint32_t bits = 1; bits <= 8; bits *= 2) {
		struct proto_source spec = noise_raw(bits, bits * 1000, 40);
		struct health *h = health_new(&spec);
		uint32_t alarm = rct_cutoff(bits * 1000, 40);
		uint32_t latch = rct_cutoff(bits * 1000, 60);

		for (uint32_t run = alarm - 1; run <= latch; run++) {
			size_t start = AT + run % 8;

			for (size_t i = 0; i < SAMPLES; i++)
				samples[i] = (uint8_t)unit_below(&seed,
				    UINT64_C(1) << bits);
			memset(samples + start, 1, run);
			samples[start - 1] = samples[start + run] = 0;
			pack(bytes, samples, SAMPLES, bits);
			health_restart(h);
			verdict = feed_until(h, bytes, SAMPLES * bits / 8, &at);
			if (run < alarm) {
				assert_int_equal(verdict, HEALTH_OK);
				continue;
			}
			failing = (start + alarm - 1) * bits / 8;
			ended = (start + run - (run == latch)) * bits / 8;
			assert_int_equal(at, failing);
			assert_int_equal(health_failure(h), TEST_REPETITION);
			while (verdict == HEALTH_FAILING)
				verdict = health_feed(h, bytes + ++at, 1);
			assert_int_equal(at, ended);
			assert_int_equal(verdict,
			    run < latch ? HEALTH_FAILED : HEALTH_LATCHED);
		}
		assert_int_equal(health_counts(h)->alarms[TEST_REPETITION],
		    latch - alarm + 1);
		assert_int_equal(health_counts(h)->alarms[TEST_LAG], 0);
		health_free(h);
	}
}

/*
 * Fills a window of bytes of full entropy with `n` that are like its first,
 * far from each other, and others.
 */
static void
fill_window(uint8_t *window, size_t n, uint8_t first, uint64_t *seed)
{
	unit_fill(window, APT_WINDOW, unit_random(seed));
	for (size_t i = 0; i < APT_WINDOW; i++)
		if (window[i] == first)
			window[i]++;
	for (size_t i = 0; i < n; i++)
		window[i * 19] = first;
}

/* Each window is its own, and its first sample counts. */
static void
test_proportion(void **state)
{
	static const struct {
		size_t n; /* like the first, in the third window */
		enum health_verdict verdict;
		size_t at; /* sample of the window */
	} cases[] = {
		{ 18, HEALTH_OK, 0 },
		{ 19, HEALTH_FAILED, APT_WINDOW - 1 },
		{ 24, HEALTH_FAILED, APT_WINDOW - 1 },
		{ 25, HEALTH_LATCHED, 24 * 19 },
	};
	static uint8_t bytes[4 * APT_WINDOW];
	struct proto_source spec = noise_raw(8, 8000, 40);
	struct health *h = health_new(&spec);
	uint64_t seed = 2;
	enum health_verdict verdict;
	size_t at;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		/* The same value many times before, and after. */
		for (size_t j = 0; j < 4; j++)
			fill_window(bytes + j * APT_WINDOW,
			    j == 2 ? cases[i].n : 18, 77, &seed);
		health_restart(h);
		verdict = feed_until(h, bytes, sizeof(bytes), &at);
		if (cases[i].verdict == HEALTH_OK) {
			assert_int_equal(verdict, HEALTH_OK);
			continue;
		}
		assert_int_equal(verdict, HEALTH_FAILING);
		assert_int_equal(health_failure(h), TEST_PROPORTION);
		assert_int_equal(at, 2 * APT_WINDOW + 18 * 19);
		while (verdict == HEALTH_FAILING)
			verdict = health_feed(h, bytes + ++at, 1);
		assert_int_equal(verdict, cases[i].verdict);
		assert_int_equal(at, 2 * APT_WINDOW + cases[i].at);
	}
	assert_int_equal(health_counts(h)->alarms[TEST_PROPORTION], 3);
	health_free(h);
}

/* Of two tests that fail, the first goes on alone. */
static void
test_alone(void **state)
{
	static uint8_t window[APT_WINDOW];
	struct proto_source spec = noise_raw(8, 8000, 40);
	struct health *h = health_new(&spec);
	uint64_t seed = 7;
	enum health_verdict verdict;
	size_t at;

	(void)state;
	fill_window(window, 19, 77, &seed);
	memset(window + 400, 1, 8);
	verdict = feed_until(h, window, sizeof(window), &at);
	assert_int_equal(verdict, HEALTH_FAILING);
	while (verdict == HEALTH_FAILING)
		verdict = health_feed(h, window + ++at, 1);
	assert_int_equal(at, APT_WINDOW - 1);
	assert_int_equal(verdict, HEALTH_FAILED);
	assert_int_equal(health_failure(h), TEST_PROPORTION);
	assert_int_equal(health_counts(h)->alarms[TEST_PROPORTION], 1);
	assert_int_equal(health_counts(h)->alarms[TEST_REPETITION], 0);
	health_free(h);
}

/* SP 800-90B 4.4.1 and 4.4.2, word by word; where they fail, or `n`. */
static size_t
model_repetition(const uint8_t *samples, size_t n, uint32_t cutoff)
{
	uint8_t a = samples[0];
	uint32_t b = 1;

	for (size_t i = 1; i < n; i++) {
		if (samples[i] == a) {
			if (++b >= cutoff)
				return i;
		} else {
			a = samples[i];
			b = 1;
		}
	}
	return n;
}

static size_t
model_proportion(const uint8_t *samples, size_t n, uint32_t cutoff,
    uint32_t window)
{
	for (size_t start = 0; start + window <= n; start += window) {
		uint32_t b = 1;

		for (size_t i = 1; i < window; i++)
			if (samples[start + i] == samples[start] &&
			    ++b >= cutoff)
				return start + i;
	}
	return n;
}

/* Samples with less entropy than is claimed, against the standard's words. */
static void
test_model(void **state)
{
	enum {
		SAMPLES = 64 * 1024
	};
	static uint8_t samples[SAMPLES], bytes[SAMPLES];
	uint64_t seed = 3, likely;
	size_t found[TESTS] = { 0 }, used, rct, apt;
	enum health_verdict verdict;

	(void)state;
	for (int i = 0; i < 400; i++) {
		uint32_t bits = 1U << unit_below(&seed, 4);
		uint32_t entropy =
		    1 + (uint32_t)unit_below(&seed, (uint64_t)bits * 1000);
		struct proto_source spec = noise_raw(bits, entropy,
		    20 + (uint32_t)unit_below(&seed, 41));
		uint32_t window = bits == 1 ? 1024 : 512;
		struct health_raw raw;

		likely = unit_below(&seed, 1000);
		for (size_t j = 0; j < SAMPLES; j++)
			samples[j] = unit_below(&seed, 1000) < likely
			    ? 0
			    : (uint8_t)unit_below(&seed, UINT64_C(1) << bits);
		pack(bytes, samples, SAMPLES, bits);
		health_raw_init(&raw, &spec);
		used =
		    health_raw_feed(&raw, bytes, SAMPLES * bits / 8, &verdict);
		rct = model_repetition(samples, SAMPLES,
		    rct_cutoff(entropy, spec.alpha));
		apt = model_proportion(samples, SAMPLES,
		    apt_cutoff(window, entropy, spec.alpha), window);
		found[raw.failing]++;
		if (rct == SAMPLES && apt == SAMPLES) {
			assert_int_equal(verdict, HEALTH_OK);
			continue;
		}
		assert_true(verdict > HEALTH_OK);
		assert_int_equal(raw.failing,
		    rct <= apt ? TEST_REPETITION : TEST_PROPORTION);
		assert_int_equal(used - 1, (rct <= apt ? rct : apt) * bits / 8);
	}
	/* Or else it was no test. */
	assert_true(found[TEST_NONE] > 40);
	assert_true(found[TEST_REPETITION] > 40);
	assert_true(found[TEST_PROPORTION] > 40);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cutoffs),
		cmocka_unit_test(test_repetition),
		cmocka_unit_test(test_proportion),
		cmocka_unit_test(test_alone),
		cmocka_unit_test(test_model),
	};

	return UNIT_MAIN("health_raw", tests);
}
