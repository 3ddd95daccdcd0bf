/*
 * The continuous health tests of SP 800-90B 4.4 for samples of raw noise:
 * repetition count and adaptive proportion, each with two cutoffs.  At the
 * first the test fails; at the second, chance is excluded.
 */
#ifndef VRNGD_HEALTH_RAW_H
#define VRNGD_HEALTH_RAW_H

#include <stddef.h>
#include <stdint.h>

#include "common/proto.h"
#include "entropy/health/verdict.h"

#define APT_WINDOW_BINARY 1024 /* samples of one bit */
#define APT_WINDOW	  512  /* wider samples */

struct cutoffs {
	uint32_t alarm; /* at 2^-alpha: HEALTH_FAILING */
	uint32_t latch; /* at 2^-ALPHA_MAX: HEALTH_LATCHED */
};

/* 4.4.1 */
struct rct {
	struct cutoffs cutoffs;
	uint32_t run; /* length of the run; 0: no sample yet */
	uint8_t last;
};

/* 4.4.2 */
struct apt {
	struct cutoffs cutoffs;
	uint32_t window; /* samples */
	uint32_t seen;	 /* in this window */
	uint32_t count;	 /* of them equal to the first, which counts too */
	uint8_t first;
};

struct health_raw {
	uint32_t sample_bits;
	struct rct rct;
	struct apt apt;
	enum proto_test failing; /* the test that continues; TEST_NONE: both */
};

/*
 * The cutoffs for samples with `min_entropy` (1/1000 bit, not 0) and a rate of
 * false alarms of 2^-alpha.
 */
uint32_t rct_cutoff(uint32_t min_entropy, uint32_t alpha);
uint32_t apt_cutoff(uint32_t window, uint32_t min_entropy, uint32_t alpha);

/* The cutoffs come from sample_bits, min_entropy and alpha. */
void health_raw_init(struct health_raw *, const struct proto_source *);

/* Forgets the samples. */
void health_raw_restart(struct health_raw *);

/*
 * Tests `n` bytes of samples, up to the first verdict other than HEALTH_OK, and
 * sets the number of tested bytes.  After HEALTH_FAILING the first failed test
 * continues alone, until its run or window has ended.
 */
size_t health_raw_feed(struct health_raw *, const uint8_t *bytes, size_t n,
    enum health_verdict *);

#endif
