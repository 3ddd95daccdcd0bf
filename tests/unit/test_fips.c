/*
 * FIPS 140-2's statistics, held against a plain reading of the standard, bit by
 * bit, on blocks at the edges of what it allows.
 */
#include "noise.h"

#include <stdbool.h>

#include "fips.h"

#define BITS 20000

struct model {
	uint32_t ones, nibbles[16], longest;
	uint32_t runs[2][FIPS_RUNS + 1]; /* by length */
};

static void
model_run(struct model *m, uint32_t bit, uint32_t length)
{
	uint32_t n = length > FIPS_RUNS ? FIPS_RUNS : length;

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
static bool
model_passed(const struct model *m)
{
	static const uint32_t limits[FIPS_RUNS][2] = { { 2315, 2685 },
		{ 1114, 1386 }, { 527, 723 }, { 240, 384 }, { 103, 209 },
		{ 103, 209 } };
	double poker = 0;
	bool good = m->ones > 9725 && m->ones < 10275 && m->longest < 26;

	for (size_t i = 0; i < 16; i++)
		poker += (double)m->nibbles[i] * m->nibbles[i];
	poker = poker * 16 / 5000 - 5000;
	good &= poker > 2.16 && poker < 46.17;
	for (size_t i = 0; i < FIPS_RUNS; i++)
		for (size_t bit = 0; bit < 2; bit++)
			good &= m->runs[bit][i + 1] >= limits[i][0] &&
			    m->runs[bit][i + 1] <= limits[i][1];
	return good;
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
	fips_init(&f);
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

/* A run of 25 bits is let pass wherever it is, one of 26 nowhere. */
static void
test_long_run(void **state)
{
	static struct fips f;
	static uint8_t good[FIPS_BLOCK], block[FIPS_BLOCK];
	uint64_t seed = 5;
	struct model m;

	(void)state;
	fips_init(&f);
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

/* All values of 4 bits in equal numbers: too good for the poker test. */
static void
test_poker(void **state)
{
	static struct fips f;
	static uint8_t nibbles[2 * FIPS_BLOCK], block[FIPS_BLOCK];
	uint64_t seed = 3;
	struct model m;
	size_t other;
	uint8_t nibble;

	(void)state;
	fips_init(&f);
	for (size_t i = 0; i < sizeof(nibbles); i++) {
		other = (size_t)unit_below(&seed, i + 1);
		nibbles[i] = nibbles[other];
		nibbles[other] = i & 15;
	}
	for (size_t i = 0; i < sizeof(block); i++) {
		nibble = nibbles[2 * i];
		block[i] = (uint8_t)(nibble << 4 | nibbles[2 * i + 1]);
	}
	m = model_count(block);
	assert_in_range(m.ones, 9726, 10274);
	assert_in_range(m.longest, 1, 25);
	assert_false(model_passed(&m));
	assert_false(passes(&f, block, &seed));
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
	fips_init(&f);
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
	fips_init(&f);
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
		cmocka_unit_test(test_long_run),
		cmocka_unit_test(test_poker),
		cmocka_unit_test(test_monobit),
		cmocka_unit_test(test_restart),
	};

	return UNIT_MAIN("fips", tests);
}
