/*
 * The statistics of FIPS 140-2, section 4.9.1 (as of 2001), on blocks of
 * 20,000 bits: monobit, poker, runs and long run.  Of perfectly random blocks
 * one in about 1,300 fails, so that one that fails is a figure to watch, not a
 * verdict.  Of FIPS_ROW_FAILED in a row all fail with 1300^-6 = 2^-62: at 1 GB/s,
 * if all is looked at, that are 1.3 * 10^14 blocks in ten years, and one false
 * alarm with a probability of 0.00003.  Of FIPS_ROW_DOUBTED in a row all fail once
 * in 1.7 million times.
 *
 * All of it but the long run follows from how often each window comes: a nibble
 * with the 6 bits that follow, which is as far as runs are told apart.  That is
 * what is counted as bytes come.
 */
#ifndef VRNGD_FIPS_H
#define VRNGD_FIPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/proto.h"

#define FIPS_BLOCK   2500 /* bytes */
#define FIPS_WINDOWS (1 << 10)

/* Blocks in a row that fail. */
#define FIPS_ROW_DOUBTED 2
#define FIPS_ROW_FAILED	 6

/* What was seen of a block. */
struct fips_block {
	size_t seen;   /* bytes */
	uint64_t bits; /* the last */
	bool long_run;
	uint16_t windows[FIPS_WINDOWS]; /* how often each came */
};

struct fips {
	struct fips_block block;
	uint32_t row;	/* of the last blocks, how many have failed */
	uint32_t worst; /* the most of these at any time */
	uint64_t passed;
};

/*
 * Begins, for the first time or anew, with no block; what there was of one is wiped.  Of the blocks before
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
