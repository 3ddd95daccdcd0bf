/*
 * The statistics of FIPS 140-2; pure.  Used by health.c.
 */
#include <stdbool.h>
#include <string.h>

#include "entropy/health/fips.h"

#define LONG_RUN 26 /* bits */
#define WHOLE	 7  /* of an end: the byte has no other bits */

struct range {
	uint32_t min, max;
};

static const struct range monobit = { 9726, 10274 };
/*
 * The poker test's 16/5000 * sum - 5000, of the squares of how often each of
 * the 16 values of 4 bits was there, must be above 2.16 and below 46.17.
 */
static const struct range poker = { 1563176, 1576928 };
static const struct range runs[FIPS_RUNS] = {
	{ 2315, 2685 },
	{ 1114, 1386 },
	{ 527, 723 },
	{ 240, 384 },
	{ 103, 209 },
	{ 103, 209 },
};

static bool
within(uint32_t n, const struct range *range)
{
	return n >= range->min && n <= range->max;
}

/* Splits a byte into runs, the most significant bits first. */
static void
fips_split(struct fips *fips, uint8_t byte)
{
	uint32_t bit, length, field, shift = 8;
	bool first = true;

	while (shift > 0) {
		bit = byte >> (shift - 1) & 1;
		for (length = 0; shift > 0; length++, shift--) {
			if ((byte >> (shift - 1) & 1) != bit)
				break;
		}
		if (first)
			fips->first[byte] = (uint8_t)(bit * 8 + length - 1);
		if (shift == 0)
			fips->last[byte] = (uint8_t)(bit * 8 + length - 1);
		field = bit * FIPS_RUNS + length - 1;
		if (!first && shift > 0)
			fips->inner[byte][field / 4] += UINT64_C(1)
			    << field % 4 * 16;
		first = false;
	}
}

void
fips_init(struct fips *fips)
{
	uint32_t i;

	memset(fips, 0, sizeof(*fips));
	for (i = 0; i < 256; i++)
		fips_split(fips, (uint8_t)i);
	fips_restart(fips);
}

static void
fips_begin(struct fips *fips)
{
	/* The first run adds to one that is open and has no bits yet. */
	fips->block = (struct fips_block){ .end = WHOLE };
}

void
fips_restart(struct fips *fips)
{
	fips_begin(fips);
	fips->row = fips->worst = 0;
	fips->passed = 0;
}

/* `n` runs of that bit, if they have any length. */
static void
fips_run(struct fips_block *block, uint32_t bit, uint32_t length, uint32_t n)
{
	if (length == 0)
		return;
	if (length >= LONG_RUN)
		block->long_runs += n;
	if (length > FIPS_RUNS)
		length = FIPS_RUNS;
	block->runs[bit][length - 1] += n;
}

/*
 * `n` times, a run of `length` bits that ends as told and then a byte that
 * begins as told: returns the length of the run that is there now.
 */
static uint32_t
fips_join(struct fips_block *block, fips_end end, uint32_t length,
    fips_end first, uint32_t n)
{
	uint32_t more = (first & 7) + 1;

	if (end >> 3 == first >> 3)
		return length + more;
	fips_run(block, end >> 3, length, n);
	return more;
}

/* The length of the run at the end of the last byte. */
static uint32_t
fips_last_run(const struct fips_block *block)
{
	uint32_t more = block->end & 7;

	return more == WHOLE ? block->open : more + 1;
}

/* A byte of equal bits, or the one after such a byte. */
static void
fips_whole(struct fips_block *block, fips_end first)
{
	uint32_t length = fips_last_run(block);

	length = fips_join(block, block->end, length, first, 1);
	if ((first & 7) == WHOLE)
		block->open = length;
	else
		fips_run(block, first >> 3, length, 1);
}

/* Counts the runs where bytes meet, within bytes, and the last. */
static void
fips_count_runs(const struct fips *fips, struct fips_block *block)
{
	uint64_t sums[3] = { 0 };
	uint32_t i, j, n, length;
	fips_end end, first;

	for (i = 0; i < 256; i++) {
		for (j = 0; j < 3; j++)
			sums[j] += block->bytes[i] * fips->inner[i][j];
		if ((n = block->joints[i]) == 0)
			continue;
		end = (fips_end)(i >> 4);
		first = i & 15;
		length = fips_join(block, end, (end & 7) + 1, first, n);
		fips_run(block, first >> 3, length, n);
	}
	for (i = 0; i < 2 * FIPS_RUNS; i++) {
		n = sums[i / 4] >> i % 4 * 16 & 0xffff;
		block->runs[i / FIPS_RUNS][i % FIPS_RUNS] += n;
	}
	fips_run(block, block->end >> 3, fips_last_run(block), 1);
}

/* Whether a block, now full, is as it should be. */
static bool
fips_passed(struct fips *fips)
{
	struct fips_block *block = &fips->block;
	uint32_t nibbles[16] = { 0 }, ones = 0, squares = 0, i;
	bool good;

	for (i = 0; i < 256; i++) {
		nibbles[i >> 4] += block->bytes[i];
		nibbles[i & 15] += block->bytes[i];
	}
	for (i = 0; i < 16; i++) {
		ones += nibbles[i] * (uint32_t)__builtin_popcount(i);
		squares += nibbles[i] * nibbles[i];
	}
	good = within(ones, &monobit) && within(squares, &poker);
	fips_count_runs(fips, block);
	for (i = 0; i < FIPS_RUNS; i++)
		good = good && within(block->runs[0][i], &runs[i]) &&
		    within(block->runs[1][i], &runs[i]);
	return good && block->long_runs == 0;
}

/* `n` bytes of one block. */
static void
fips_count(const struct fips *fips, struct fips_block *block,
    const uint8_t *bytes, size_t n)
{
	fips_end end = block->end, first;
	size_t i;

	for (i = 0; i < n; i++) {
		block->bytes[bytes[i]]++;
		first = fips->first[bytes[i]];
		if ((first & 7) == WHOLE || (end & 7) == WHOLE) {
			block->end = end;
			fips_whole(block, first);
		} else
			block->joints[end << 4 | first]++;
		end = fips->last[bytes[i]];
	}
	block->end = end;
	block->seen += (uint32_t)n;
}

void
fips_feed(struct fips *fips, const uint8_t *bytes, size_t n,
    struct proto_health *counts)
{
	size_t part;

	for (; n > 0; bytes += part, n -= part) {
		part = FIPS_BLOCK - fips->block.seen;
		if (part > n)
			part = n;
		fips_count(fips, &fips->block, bytes, part);
		if (fips->block.seen < FIPS_BLOCK)
			continue;
		counts->fips_blocks++;
		if (fips_passed(fips)) {
			fips->passed++;
			fips->row = 0;
		} else {
			counts->fips_failed++;
			fips->row++;
		}
		if (fips->row > fips->worst)
			fips->worst = fips->row;
		fips_begin(fips);
	}
}
