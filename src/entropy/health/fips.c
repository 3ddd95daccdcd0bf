/*
 * The statistics of FIPS 140-2; pure.  Used by health.c.
 */
#include <stdbool.h>

#include "entropy/health/fips.h"

#define RUNS	 6  /* distinguished lengths; the last means: or more */
#define LONG_RUN 26 /* bits */
#define LAST	 (FIPS_WINDOWS - 1)

static bool
within(uint32_t n, uint32_t min, uint32_t max)
{
	return n >= min && n <= max;
}

static bool
has_long_run(uint64_t bits)
{
	uint64_t ones = bits, zeros = ~bits;

	for (int i = 1; i < LONG_RUN; i++) {
		ones &= bits << i;
		zeros &= ~bits << i;
	}
	return (ones | zeros) != 0;
}

/* Starts with a byte without a run before it. */
static void
begin(struct fips_block *b, uint8_t byte)
{
	b->bits = UINT64_C(0x5555555555555500) << (byte >> 7) | byte;
}

/* Adds bytes, each of which completes the windows of the one before it. */
static void
add(struct fips_block *b, const uint8_t *bytes, size_t n)
{
	uint64_t bits = b->bits;

	for (size_t i = 0; i < n; i++) {
		bits = bits << 8 | bytes[i];
		b->windows[bits >> 6 & LAST]++;
		b->windows[bits >> 2 & LAST]++;
		/*
		 * A long run has two bytes without other bits, and ends here.
		 */
		if ((((bits >> 8) + 1) & 0xffff) <= 1 && has_long_run(bits))
			b->long_run = true;
	}
	b->bits = bits;
}

/*
 * The number of places where `n` bits are equal to `bit`.  below[w] is how many
 * windows are less than w; those that have these bits from their bit `at` on
 * are at one end of each of 2^at ranges.
 */
static uint32_t
count_equal(const uint32_t *below, uint32_t bit, uint32_t n)
{
	uint32_t range, part, sum = 0;

	for (uint32_t at = 0; at < 4; at++) {
		range = FIPS_WINDOWS >> at;
		part = range >> n;
		for (uint32_t w = bit * (range - part); w < FIPS_WINDOWS;
		     w += range)
			sum += below[w + part] - below[w];
	}
	return sum;
}

/* A run of `length` bits has length - n + 1 places where `n` are equal. */
static bool
runs_passed(const uint32_t *below, uint32_t bit)
{
	static const uint32_t limits[RUNS][2] = { { 2315, 2685 },
		{ 1114, 1386 }, { 527, 723 }, { 240, 384 }, { 103, 209 },
		{ 103, 209 } };
	uint32_t equal, next = count_equal(below, bit, RUNS + 1), runs;
	uint32_t longer = 0; /* runs than those of this length */
	bool good = true;

	for (uint32_t length = RUNS; length > 0; length--) {
		equal = count_equal(below, bit, length);
		runs = equal - next - longer;
		good = good &&
		    within(runs, limits[length - 1][0], limits[length - 1][1]);
		longer += runs;
		next = equal;
	}
	return good;
}

/* Whether a full block passes. */
static bool
passed(struct fips_block *b)
{
	const uint8_t other = b->bits & 1 ? 0 : 0xff;
	const size_t range = FIPS_WINDOWS / 16; /* with the same nibble */
	uint32_t below[FIPS_WINDOWS + 1], squares = 0, n;

	below[0] = 0;
	/* The last run ends with the block. */
	add(b, &other, 1);
	for (size_t w = 0; w < FIPS_WINDOWS; w++)
		below[w + 1] = below[w] + b->windows[w];
	for (size_t w = 0; w < FIPS_WINDOWS; w += range) {
		n = below[w + range] - below[w];
		squares += n * n;
	}
	/* 16/5000 * squares - 5000 must be above 2.16 and below 46.17. */
	return within(count_equal(below, 1, 1), 9726, 10274) &&
	    within(squares, 1563176, 1576928) && runs_passed(below, 0) &&
	    runs_passed(below, 1) && !b->long_run;
}

void
fips_restart(struct fips *f)
{
	*f = (struct fips){ .row = 0 };
}

static void
end_block(struct fips *f, struct proto_health *counts)
{
	counts->fips_blocks++;
	if (passed(&f->block)) {
		f->passed++;
		f->row = 0;
	} else {
		counts->fips_failed++;
		f->row++;
	}
	if (f->row > f->worst)
		f->worst = f->row;
	f->block = (struct fips_block){ .seen = 0 };
}

void
fips_feed(struct fips *f, const uint8_t *bytes, size_t n,
    struct proto_health *counts)
{
	struct fips_block *b = &f->block;
	size_t part;

	for (; n > 0; bytes += part, n -= part) {
		part = b->seen == 0 ? 1 : FIPS_BLOCK - b->seen;
		if (part > n)
			part = n;
		if (b->seen == 0)
			begin(b, bytes[0]);
		else
			add(b, bytes, part);
		b->seen += part;
		if (b->seen == FIPS_BLOCK)
			end_block(f, counts);
	}
}
