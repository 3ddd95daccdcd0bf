/*
 * The lag test: it detects a sequence of bytes that repeats within the last
 * LAG_LOOK_BACK bytes, of the bytes or of the differences of each byte to the
 * one 1, 2, 4 and 8 before.  It detects faults that the tests of SP 800-90B 4.4
 * do not: counters of 8, 16, 32 and 64 bits in either byte order, long periods,
 * copied blocks.
 *
 * The bytes have been delivered meanwhile, so they are not kept.  For each
 * `stride` values of a sequence, the test keeps a tag of LAG_TAG_BITS, computed
 * from the window of 16, 32 or 64 values that ends there.  At every position
 * the tag of the window that ends there is computed and looked up, so any
 * alignment is found.  A repeated sequence matches every stride, at the same
 * distance: it is detected after a number of matching windows in a row, a
 * stride apart.
 *
 * An attacker who reads this memory learns, for raw noise, five tags of 20 bits
 * for each stride, which is so long that its bytes have at least 256 bits of
 * min-entropy; for other sources, one tag for 8 bytes.  So 156 of each 256
 * bits, or 44 of each 64, remain unknown.  More can be learnt of the end: the
 * last 8 bytes are stored, if there are differences; the states of the hashes
 * reveal 64 bits of each sequence's last window; and chains reveal tags that
 * matched within the last stride.  There is one exception: for noise with less
 * than 1 bit of entropy per byte, the tags may reveal all entropy of its bytes,
 * since fewer bits could not identify them.
 *
 * The required number of windows follows from the rate of false alarms.  Assume
 * that each byte, given all bytes before it, can be guessed with a probability
 * of at most 2^-h.  That a byte continues a sequence that began at some
 * distance is such a guess, also for a difference, and if the two sequences
 * overlap.  A matching tag means that the last 13/16 of the window match, 2^-h
 * for each value, or that two tags are equal by chance, 2^-20; the oldest
 * values of a window do not count, as they are in few bits of the hash.  From
 * each position there are less than 2^LAG_CHOICES places to look back at, in
 * all sequences.
 *
 * This holds for any h.  At alpha = 2^-40 a copy is detected when it is 96 to
 * 127 bytes long if h = 8 bits, 192 to 255 if it is 4; at 1/8, 2 KiB, and at
 * 1/1000, 65.  Carries do not hide a counter that increments by one: its lowest
 * byte always does, in the next byte a carry occurs every 256 numbers, which is
 * a sequence too, and the next one occurs 65,536 numbers later, farther than
 * needed.  Samples of less than a byte are compared as bytes: a copy that is
 * shifted by bits is not detected; a period of bits is a period of at most as
 * many bytes.
 *
 * The index has the last place for some bits of a tag.  An older place may have
 * been replaced, with a probability that grows with its distance, up to two in
 * three at the limit: then the sequence is detected some strides later, or in
 * differences, which repeat with it.
 */
#ifndef VRNGD_LAG_H
#define VRNGD_LAG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "entropy/health/verdict.h"

#define LAG_LOOK_BACK	 65536 /* bytes */
#define LAG_SEQUENCES	 5
#define LAG_DISTANCE_MAX 8
#define LAG_TAG_BITS	 20
#define LAG_CHOICES	 14 /* bits */

/* The parameters.  All sizes are in bytes, and powers of 2. */
struct lag_limits {
	size_t look_back;
	size_t stride;	  /* look_back is at most 65,536 of these, at least 2 */
	size_t window;	  /* 16, 32 or 64 */
	uint32_t found;	  /* windows until HEALTH_FAILING, at least 2, */
	uint32_t latch;	  /* and until HEALTH_LATCHED, at most 65,535 */
	bool differences; /* differences too */
};

/* A possible repetition, by the position of its windows in a stride. */
struct lag_chain {
	uint16_t places; /* distance in a table; valid if hits > 0 */
	uint16_t hits;	 /* matching windows in a row */
};

/* The bytes, or their differences to those at a distance before them. */
struct lag_sequence {
	size_t distance;	  /* 0: the bytes themselves */
	uint64_t hash;		  /* hash of the last window */
	uint32_t *tags;		  /* a ring of tags, one for each stride */
	uint16_t *index;	  /* by bits of a tag: its last place */
	struct lag_chain *chains; /* by position modulo the stride */
};

struct lag {
	struct lag_limits limits;
	size_t places; /* of a sequence */
	size_t nsequences;
	struct lag_sequence sequences[LAG_SEQUENCES];
	size_t seen; /* bytes */
	/* The last bytes and, during a test, the following ones. */
	uint8_t recent[2 * LAG_DISTANCE_MAX];
	/* After HEALTH_FAILING, the repeated sequence; or NULL: */
	struct lag_sequence *followed;
	struct lag_chain *chain;
	const uint64_t *mix; /* contribution of each value: random, secret */
	void *memory;	     /* of this and of the sequences */
	size_t size;
};

/*
 * The parameters for raw noise, with samples of that many bits and
 * `min_entropy` (1/1000 bit, not 0), for at most one false alarm in 2^alpha
 * bytes.
 */
void lag_limits_raw(struct lag_limits *, uint32_t sample_bits,
    uint32_t min_entropy, uint32_t alpha);

/* Ends the process without memory or random numbers. */
void lag_init(struct lag *, const struct lag_limits *);

/* Wipes and frees all memory. */
void lag_free(struct lag *);

/* Forgets the bytes, and wipes all memory. */
void lag_restart(struct lag *);

/*
 * Tests `n` bytes, up to the first verdict other than HEALTH_OK, and sets the
 * number of tested bytes.  After HEALTH_FAILING it follows the repeated
 * sequence to its end.
 */
size_t lag_feed(struct lag *, const uint8_t *bytes, size_t n,
    enum health_verdict *);

#endif
