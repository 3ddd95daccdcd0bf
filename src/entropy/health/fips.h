/*
 * The statistics of FIPS 140-2, section 4.9.1 (as of 2001), on blocks of
 * 20,000 bits: monobit, poker, runs and long run.  Of perfectly random blocks
 * one in about 1,300 fails, so that they are a figure to watch, not a verdict.
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
};

void fips_init(struct fips *);

/* Begins a block; what there was of another is wiped. */
void fips_restart(struct fips *);

/*
 * Adds `n` bytes, most significant bits first.  For each block that is full
 * fips_blocks goes up, and fips_failed if it failed.
 */
void fips_feed(struct fips *, const uint8_t *bytes, size_t n,
    struct proto_health *);

#endif
