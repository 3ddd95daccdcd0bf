/*
 * The statistics of FIPS 140-2, section 4.9.1 (as of 2001), on blocks of 20,000
 * bits: monobit, poker, runs and long run.  About one in 1,300 perfectly random
 * blocks fails, so that a single failure is a statistic, not a verdict.
 * FIPS_ROW_FAILED blocks in a row fail with a probability of 1300^-6 = 2^-62:
 * at 1 GB/s, if all bytes are tested, there are 1.3 * 10^14 blocks in ten
 * years, and one false alarm with a probability of 0.00003.  FIPS_ROW_DOUBTED
 * blocks in a row fail once in 1.7 million times.
 *
 * All tests except the long run follow from the number of each window: a nibble
 * with the 6 bits that follow, the longest run that is distinguished.  These
 * are counted while bytes arrive.
 */
#ifndef VRNGD_FIPS_H
#define VRNGD_FIPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/proto.h"

#define FIPS_BLOCK   2500 /* bytes */
#define FIPS_WINDOWS (1 << 10)

/* Failed blocks in a row. */
#define FIPS_ROW_DOUBTED 2
#define FIPS_ROW_FAILED	 6

/* The state of a block. */
struct fips_block {
	size_t seen;   /* bytes */
	uint64_t bits; /* the last */
	bool long_run;
	uint16_t windows[FIPS_WINDOWS]; /* counts of windows */
};

struct fips {
	struct fips_block block;
	uint32_t row;	/* number of failed blocks at the end */
	uint32_t worst; /* the maximum of failed_row */
	uint64_t passed;
};

/*
 * Starts or restarts: wipes a partial block, and forgets earlier blocks.
 */
void fips_restart(struct fips *);

/*
 * Adds `n` bytes, most significant bits first.  Counts each full block in
 * fips_blocks, and in fips_failed if it failed.
 */
void fips_feed(struct fips *, const uint8_t *bytes, size_t n,
    struct proto_health *);

#endif
