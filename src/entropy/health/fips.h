/*
 * The statistics of FIPS 140-2, section 4.9.1 (as of 2001), on blocks of
 * 20,000 bits: monobit, poker, runs and long run.  Of perfectly random blocks
 * one in about 1,300 fails, so that one that fails is a figure to watch, not a
 * verdict.  Of FIPS_ROW_FAILED in a row all fail with 1300^-6 = 2^-62: at 1 GB/s,
 * if all is looked at, that are 1.3 * 10^14 blocks in ten years, and one false
 * alarm with a probability of 0.00003.  Of FIPS_ROW_DOUBTED in a row all fail once
 * in 1.7 million times.
 *
 * All of it follows from how often there was each byte, and each pair of ends
 * where two bytes meet: that is what is counted as bytes come.
 */
#ifndef VRNGD_FIPS_H
#define VRNGD_FIPS_H

#include <stddef.h>
#include <stdint.h>

#include "common/proto.h"

#define FIPS_BLOCK 2500 /* bytes */
#define FIPS_RUNS  6	/* lengths that are told apart, the last: or more */

/* Blocks in a row that fail. */
#define FIPS_ROW_DOUBTED 2
#define FIPS_ROW_FAILED	 6

/*
 * An end of a byte: the bit in it, times 8, and how many more like that there
 * are next to it: 7 if the byte is made of nothing else.
 */
typedef uint8_t fips_end;

/* What was seen of a block. */
struct fips_block {
	uint32_t seen;	      /* bytes, */
	uint16_t bytes[256];  /* of each value; */
	uint16_t joints[256]; /* a last end times 16, and the next first */
	fips_end end;	      /* the last */
	uint32_t open;	      /* bits in the run there, if end & 7 is 7 */
	uint32_t runs[2][FIPS_RUNS];
	uint32_t long_runs;
};

struct fips {
	/* Of each byte: its ends, and the runs that touch neither of them. */
	fips_end first[256], last[256];
	uint64_t inner[256][3]; /* numbers of 16 bits, by bit and length */
	struct fips_block block;
	uint32_t row;	/* of the last blocks, how many have failed */
	uint32_t worst; /* the most of these at any time */
	uint64_t passed;
};

void fips_init(struct fips *);

/*
 * Begins with no block; what there was of one is wiped.  Of the blocks before
 * nothing is known any more.
 */
void fips_restart(struct fips *);

/*
 * Adds `n` bytes, most significant bits first.  For each block that is full
 * fips_blocks goes up, and fips_failed if it failed.
 */
void fips_feed(struct fips *, const uint8_t *bytes, size_t n,
    struct proto_health *);

#endif
