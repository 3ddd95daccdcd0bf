/*
 * Health tests: whether a source's bytes may be what they are said to be.  A
 * pure module: bytes go in, a verdict comes out.
 *
 * Raw noise is tested as SP 800-90B 4.4 says, each sample of it: repetition
 * count and adaptive proportion, with cutoffs computed from the min-entropy
 * that the administrator claims.  These two never see a counter, a long period
 * or a copied block, so a lag test looks for sequences that were there before,
 * as they are or as the difference to a byte before them, within the last
 * 65,536 bytes.
 *
 * What a conditioned source yields looks random however broken its noise is.
 * Of that, tests see no more than stuck or broken I/O, and what is not random by
 * its looks: the same 8 bytes again, a sequence of some 60 that was there before,
 * or six blocks in a row that fail the statistics of FIPS 140-2, as those of a
 * counter or of text do.  Of each piece that is fed only the beginning is looked
 * at: 4,096 bytes, and 256; and the last 16, so that of a piece in which a source
 * got stuck for good nothing is handed out.  The statistics are made of all bytes
 * until a block has passed, and after one that failed.
 *
 * A source whose first two blocks fail is doubted: nothing more is handed out
 * until one passes, nor, if the statistics fail, after the next start until one
 * has passed.  So a counter is refused within 15,000 bytes, of which 5,000 have
 * been handed out once.  Of raw noise, which may be biased, the statistics are an
 * advisory figure.
 *
 * What was looked at may have been handed out since, so it is not kept, but for
 * the last 8 bytes or, of conditioned sources, 15, and the sample that SP
 * 800-90B counts.  Of all before them there are counts, and tags of sequences,
 * from which the bytes cannot be recovered: lag.h says what can be known of
 * them.  All of it is in locked memory that is left out of core dumps, and is
 * wiped by health_restart() and health_free().
 *
 * vrngd.conf(5) has a table of what is found by which test, when.
 */
#ifndef VRNGD_HEALTH_H
#define VRNGD_HEALTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/proto.h"
#include "entropy/health/verdict.h"

struct health;

/*
 * Makes the tests for a source, of which noise and, of raw noise, sample_bits,
 * min_entropy and alpha count.  Start-up tests are next.  Ends the process if
 * there is no memory, or if these make no sense.  To be freed with
 * health_free().  No other function allocates.
 */
struct health *health_new(const struct proto_source *);
void health_free(struct health *);

/* Forgets what was seen, not what was counted: start-up tests are next. */
void health_restart(struct health *);

/*
 * Looks at the next bytes of the source and returns the verdict after the last
 * of them, or of the first that ends in HEALTH_FAILED or HEALTH_LATCHED.  This
 * is what all is answered with until health_restart(), which must follow.  In
 * what pieces raw noise is fed makes no difference.  Conditioned sources fail
 * at once, with HEALTH_FAILED.
 *
 * Of several tests that fail the first alone is counted, and goes on after
 * HEALTH_FAILING.
 */
enum health_verdict health_feed(struct health *, const uint8_t *bytes,
    size_t n);

/* Which test failed last. */
enum proto_test health_failure(const struct health *);

/*
 * What the tests have come to since health_new().  Bytes count as tested up to
 * the one that the tests ended with, and if a piece was only sampled.
 */
const struct proto_health *health_counts(const struct health *);

#endif
