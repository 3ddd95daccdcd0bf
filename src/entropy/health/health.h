/*
 * Health tests of a source's bytes.  A pure module: bytes are its input, a
 * verdict its output.
 *
 * Each sample of raw noise is tested by SP 800-90B 4.4: repetition count and
 * adaptive proportion, with cutoffs computed from the configured min-entropy.
 * These two do not detect a counter, a long period or a copied block.
 * Therefore a lag test looks for repeated sequences within the last 65,536
 * bytes, of the bytes or of their differences to an earlier byte.
 *
 * The output of a conditioned source looks random even if its noise is broken.
 * The tests can detect only stuck or broken I/O and bytes that do not look
 * random: the same 8 bytes again, a repeated sequence of some 60 bytes, or six
 * blocks in a row that fail the statistics of FIPS 140-2, as those of a counter
 * or of text do.  Only the beginning of each piece is tested, 4,096 or 256
 * bytes; and the last 16 bytes, so that a piece in which a source got stuck is
 * not delivered.  The statistics use all bytes until a block has passed, and
 * after a failed block.
 *
 * A source whose first two blocks fail is doubted: none of its bytes is
 * delivered until a block passes and, if the statistics fail, after the next
 * start until a block has passed.  So a counter is rejected within 15,000
 * bytes, of which 5,000 are delivered once.  For raw noise, which may be
 * biased, the statistics are advisory.
 *
 * Tested bytes may have been delivered, so they are not kept, except the last 8
 * bytes or, for conditioned sources, 15, and the sample that SP 800-90B counts.
 * Of older bytes only counts and tags of sequences are kept, from which the
 * bytes cannot be recovered: see lag.h.  All state is in locked memory without
 * core dumps, and is wiped by health_restart() and health_free().
 *
 * vrngd.conf(5) has a table of faults and the tests that detect them.
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
 * Creates the tests for a source with its noise and, for raw noise,
 * sample_bits, min_entropy and alpha.  Start-up tests are next.  Ends the
 * process without memory, or if these values are invalid.  Freed with
 * health_free().  No other function allocates.
 */
struct health *health_new(const struct proto_source *);
void health_free(struct health *);

/* Forgets the bytes, but not the counts.  Start-up tests are next. */
void health_restart(struct health *);

/*
 * Tests the next bytes of the source.  Returns the verdict after the last byte,
 * or at the first HEALTH_FAILED or HEALTH_LATCHED, which is then the verdict
 * until health_restart().  The verdict on raw noise does not depend on the size
 * of the pieces.  Conditioned sources fail at once with HEALTH_FAILED.
 *
 * If several tests fail, only the first is counted, and continues after
 * HEALTH_FAILING.
 */
enum health_verdict health_feed(struct health *, const uint8_t *bytes,
    size_t n);

/* The test that failed last. */
enum proto_test health_failure(const struct health *);

/*
 * The results of the tests since health_new().  Bytes count as tested up to the
 * one at which the tests ended, also if only a part of a piece was tested.
 */
const struct proto_health *health_counts(const struct health *);

#endif
