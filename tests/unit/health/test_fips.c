/*
 * FIPS 140-2's statistics, held against a plain reading of the standard, bit by
 * bit, on blocks at the edges of what it allows.
 */
#include "unit/health/noise.h"

#include <stdbool.h>

#include "entropy/health/fips.h"

#define BITS 20000
#define RUNS 6 /* distinguished lengths, the last: or more */

struct model {
	uint32_t ones, nibbles[16], longest;
	uint32_t runs[2][RUNS + 1]; /* by length */
};

static void
model_run(struct model *m, uint32_t bit, uint32_t length)
{
	uint32_t n = length > RUNS ? RUNS : length;

	m->runs[bit][n]++;
	if (length > m->longest)
		m->longest = length;
}

static struct model
model_count(const uint8_t *block)
{
	struct model m = { 0 };
	uint32_t bit, last = 0, length = 0, nibble = 0;

	for (size_t i = 0; i < BITS; i++) {
		bit = block[i / 8] >> (7 - i % 8) & 1;
		m.ones += bit;
		nibble = (nibble << 1 | bit) & 15;
		if (i % 4 == 3)
			m.nibbles[nibble]++;
		if (i > 0 && bit != last) {
			model_run(&m, last, length);
			length = 0;
		}
		last = bit;
		length++;
	}
	model_run(&m, last, length);
	return m;
}

/* FIPS 140-2, 4.9.1, change notice of October 2001. */
static const uint32_t limits[RUNS + 1][2] = { { 0, 0 }, { 2315, 2685 },
	{ 1114, 1386 }, { 527, 723 }, { 240, 384 }, { 103, 209 },
	{ 103, 209 } };

/* Whether all is well, but for one number of runs if there is `ignored`. */
static bool
model_passed_but(const struct model *m, const uint32_t *ignored)
{
	double poker = 0;
	bool good = m->ones > 9725 && m->ones < 10275 && m->longest < 26;

	for (size_t i = 0; i < 16; i++)
		poker += (double)m->nibbles[i] * m->nibbles[i];
	poker = poker * 16 / 5000 - 5000;
	good &= poker > 2.16 && poker < 46.17;
	for (size_t bit = 0; bit < 2; bit++)
		for (size_t i = 1; i <= RUNS; i++)
			good &= &m->runs[bit][i] == ignored ||
			    (m->runs[bit][i] >= limits[i][0] &&
				m->runs[bit][i] <= limits[i][1]);
	return good;
}

static bool
model_passed(const struct model *m)
{
	return model_passed_but(m, NULL);
}

/* Whether a block passes; fed in pieces, between other blocks. */
static bool
passes(struct fips *f, const uint8_t *block, uint64_t *seed)
{
	struct proto_health counts = { 0 };
	size_t at = 0, n;

	while (at < FIPS_BLOCK) {
		n = 1 + (size_t)unit_below(seed, FIPS_BLOCK - at);
		assert_int_equal(counts.fips_blocks, 0);
		fips_feed(f, block + at, n, &counts);
		at += n;
	}
	assert_int_equal(counts.fips_blocks, 1);
	return counts.fips_failed == 0;
}

static void
bit_set(uint8_t *block, size_t at, uint32_t bit)
{
	uint8_t mask = (uint8_t)(0x80 >> at % 8);

	block[at / 8] = (uint8_t)((block[at / 8] & ~mask) | (bit ? mask : 0));
}

/* Random blocks, with bits that come more often, and with runs put in. */
static void
test_model(void **state)
{
	static struct fips f;
	static uint8_t block[FIPS_BLOCK];
	uint64_t seed = 1;
	size_t passed = 0, failed = 0, at, length, edits;
	uint32_t threshold;
	struct model m;

	(void)state;
	fips_restart(&f);
	for (int i = 0; i < 1500; i++) {
		/* Up to 52 % ones; 51.37 % are too many. */
		threshold = 5000 + (uint32_t)unit_below(&seed, 200);
		for (size_t j = 0; j < BITS; j++)
			bit_set(block, j, unit_below(&seed, 10000) < threshold);
		edits = (size_t)unit_below(&seed, 6);
		for (; edits > 3; edits--) {
			length = 20 + (size_t)unit_below(&seed, 20);
			at = (size_t)unit_below(&seed, BITS - length);
			for (size_t j = 0; j < length; j++)
				bit_set(block, at + j, edits & 1);
		}
		m = model_count(block);
		assert_int_equal(passes(&f, block, &seed), model_passed(&m));
		*(model_passed(&m) ? &passed : &failed) += 1;
	}
	/* Or else it was no test. */
	assert_true(passed > 300);
	assert_true(failed > 300);
}

/*
 * Makes it `n` runs of that length, and more or fewer of the nearest lengths,
 * away from their limits.
 */
static void
set_runs(uint32_t *runs, uint32_t length, uint32_t n)
{
	uint32_t other;

	for (int away = 1; runs[length] != n && away < RUNS; away++) {
		for (int side = -away; side <= away; side += 2 * away) {
			other = (uint32_t)((int)length + side);
			if (other < 1 || other > RUNS)
				continue;
			while (runs[length] < n &&
			    runs[other] > limits[other][0] + 10) {
				runs[length]++;
				runs[other]--;
			}
			while (runs[length] > n &&
			    runs[other] < limits[other][1] - 10) {
				runs[length]--;
				runs[other]++;
			}
		}
	}
	assert_int_equal(runs[length], n);
}

/* 5,000 runs of one bit, in random order, of `total` bits. */
static void
order_runs(uint8_t *lengths, const uint32_t *runs, size_t total, uint64_t *seed)
{
	size_t k = 0, bits = 0, other;
	uint8_t length;

	for (length = 1; length <= RUNS; length++)
		for (uint32_t i = 0; i < runs[length]; i++, k++) {
			lengths[k] = length;
			bits += length;
		}
	assert_int_equal(k, 5000);
	/* The last are the longest, and take the rest. */
	for (size_t i = 0; bits + i < total; i++)
		lengths[k - 1 - i % runs[RUNS]]++;
	for (size_t i = 1; i < k; i++) {
		other = (size_t)unit_below(seed, i + 1);
		length = lengths[i];
		lengths[i] = lengths[other];
		lengths[other] = length;
	}
}

/*
 * A block with so many runs of that bit and length, in which nothing else is
 * amiss.
 */
static void
make_runs(uint8_t *block, uint32_t bit, uint32_t length, uint32_t n,
    uint64_t *seed)
{
	static const uint32_t usual[RUNS + 1] = { 0, 2500, 1250, 625, 313, 156,
		156 };
	static uint8_t lengths[2][5000];
	uint32_t runs[RUNS + 1];
	struct model m;
	size_t at, total = 0;

	memcpy(runs, usual, sizeof(runs));
	set_runs(runs, length, n);
	for (uint32_t i = 1; i <= RUNS; i++)
		total += (size_t)i * runs[i];
	if (total < BITS / 2)
		total = BITS / 2;
	do {
		order_runs(lengths[bit], runs, total, seed);
		order_runs(lengths[1 - bit], usual, BITS - total, seed);
		at = 0;
		for (size_t i = 0; i < 10000; i++)
			for (uint8_t k = lengths[i % 2][i / 2]; k > 0; k--)
				bit_set(block, at++, i % 2);
		assert_int_equal(at, BITS);
		m = model_count(block);
		assert_int_equal(m.runs[bit][length], n);
	} while (!model_passed_but(&m, &m.runs[bit][length]));
}

/* Each number of runs, at its limits and one past them. */
static void
test_runs(void **state)
{
	static struct fips f;
	static uint8_t block[FIPS_BLOCK];
	uint64_t seed = 4;

	(void)state;
	fips_restart(&f);
	for (uint32_t bit = 0; bit < 2; bit++)
		for (uint32_t length = 1; length <= RUNS; length++)
			for (uint32_t i = 0; i < 4; i++) {
				uint32_t n = limits[length][i / 2];

				/* Least - 1, least, most, most + 1. */
				if (i == 0 || i == 3)
					n += i == 0 ? UINT32_MAX : 1;
				make_runs(block, bit, length, n, &seed);
				assert_int_equal(passes(&f, block, &seed),
				    i == 1 || i == 2);
			}
}

/* A run of 25 bits is let pass wherever it is, one of 26 nowhere. */
static void
test_long_run(void **state)
{
	static struct fips f;
	static uint8_t good[FIPS_BLOCK], block[FIPS_BLOCK];
	uint64_t seed = 5;
	struct model m;

	(void)state;
	fips_restart(&f);
	noise_fill(good, sizeof(good), &seed);
	assert_true(passes(&f, good, &seed));
	for (size_t at = 0; at + 26 <= BITS; at += 7) {
		for (size_t length = 25; length <= 26; length++) {
			memcpy(block, good, sizeof(block));
			for (size_t j = 0; j < length; j++)
				bit_set(block, at + j, at & 1);
			/* With nothing added at its ends. */
			if (at > 0)
				bit_set(block, at - 1, ~at & 1);
			if (at + length < BITS)
				bit_set(block, at + length, ~at & 1);
			m = model_count(block);
			assert_int_equal(m.longest, length);
			assert_int_equal(passes(&f, block, &seed),
			    length == 25);
		}
	}
}

/*
 * All values of 4 bits in equal numbers are too good for the poker test; then
 * more and more of one become another, until it is too bad.
 */
static void
test_poker(void **state)
{
	static struct fips f;
	static uint8_t nibbles[2 * FIPS_BLOCK], block[FIPS_BLOCK];
	uint64_t seed = 3;
	struct model m;
	size_t other, passed = 0;
	uint8_t nibble;

	(void)state;
	fips_restart(&f);
	for (size_t i = 0; i < sizeof(nibbles); i++) {
		other = (size_t)unit_below(&seed, i + 1);
		nibbles[i] = nibbles[other];
		nibbles[other] = i & 15;
	}
	for (size_t i = 0; i < sizeof(nibbles); i++) {
		/* The numbers of bits and of longer runs stay. */
		if (nibbles[i] == 4 && i % 3 == 0)
			nibbles[i] = 2;
		for (size_t j = 0; j < sizeof(block); j++) {
			nibble = nibbles[2 * j];
			block[j] = (uint8_t)(nibble << 4 | nibbles[2 * j + 1]);
		}
		m = model_count(block);
		if (i == 0)
			assert_false(model_passed(&m));
		assert_int_equal(passes(&f, block, &seed), model_passed(&m));
		passed += model_passed(&m);
	}
	/* Or else it was no test. */
	assert_in_range(passed, 1000, 4500);
	assert_false(model_passed(&m));
}

/* A walk over the limit of ones, a bit at a time. */
static void
test_monobit(void **state)
{
	static struct fips f;
	static uint8_t block[FIPS_BLOCK];
	uint64_t seed = 3;
	struct model m;
	size_t at;
	int seen[2] = { 0 };

	(void)state;
	fips_restart(&f);
	noise_fill(block, sizeof(block), &seed);
	m = model_count(block);
	while (m.ones < 10290) {
		at = (size_t)unit_below(&seed, BITS);
		bit_set(block, at, 1);
		m = model_count(block);
		assert_int_equal(passes(&f, block, &seed), model_passed(&m));
		seen[model_passed(&m)]++;
	}
	assert_true(seen[0] > 10 && seen[1] > 10);
}

static void
test_restart(void **state)
{
	static struct fips f;
	static uint8_t block[FIPS_BLOCK];
	struct proto_health counts = { 0 };
	uint64_t seed = 9;

	(void)state;
	fips_restart(&f);
	memset(block, 0, sizeof(block));
	fips_feed(&f, block, sizeof(block) - 1, &counts);
	fips_restart(&f);
	/* What was there before is not part of the next block. */
	noise_fill(block, sizeof(block), &seed);
	assert_true(passes(&f, block, &seed));
	assert_int_equal(counts.fips_blocks, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_model),
		cmocka_unit_test(test_runs),
		cmocka_unit_test(test_long_run),
		cmocka_unit_test(test_poker),
		cmocka_unit_test(test_monobit),
		cmocka_unit_test(test_restart),
	};

	return UNIT_MAIN("fips", tests);
}
