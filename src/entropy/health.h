/*
 * Health tests: whether a source's bytes may be what they are said to be.  A
 * pure module: bytes go in, a verdict comes out.
 *
 * Raw noise is tested as SP 800-90B 4.4 says, each sample of it: repetition
 * count and adaptive proportion, with cutoffs computed from the min-entropy
 * that the administrator claims.  These two never see a counter, a long period
 * or a copied block, so a lag test looks for sequences that were there before,
 * as they are or as the difference to a byte before them, within the last
 * LAG_LOOK_BACK bytes.
 *
 * What a conditioned source yields looks random however broken its noise is.
 * Of that, tests see no more than stuck or broken I/O: the same word again, or
 * a sequence that was there before.  Of large pieces only the beginning is
 * looked at.  The statistics of FIPS 140-2 are an advisory figure.
 *
 * vrngd.conf(5) has a table of what is found by which test, when.
 */
#ifndef VRNGD_HEALTH_H
#define VRNGD_HEALTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto.h"

enum health_verdict {
	HEALTH_STARTING, /* may not be handed out yet: so far, so good */
	HEALTH_OK,	 /* may, and what was held back before too */
	HEALTH_FAILING,	 /* failed; feed on to learn how badly */
	HEALTH_FAILED,	 /* so it was, and no worse */
	HEALTH_LATCHED,	 /* at a cutoff of 2^-60: no false alarm */
};

struct health;

/*
 * Makes the tests for a source, of which noise, sample_bits, min_entropy and
 * alpha count.  Start-up tests are next.  Ends the process if there is no
 * memory.  To be freed with health_free().
 */
struct health *health_new(const struct proto_source *);
void health_free(struct health *);

/* Forgets what was seen, not what was counted: start-up tests are next. */
void health_restart(struct health *);

/*
 * Looks at the next bytes of the source.  After HEALTH_FAILED or
 * HEALTH_LATCHED, health_restart() must follow.
 */
enum health_verdict health_feed(struct health *, const uint8_t *bytes,
    size_t n);

/* Which test failed last. */
enum proto_test health_failure(const struct health *);

/* What the tests have come to since health_new(). */
const struct proto_health *health_counts(const struct health *);

#endif
