/*
 * The lag test: a sequence of bytes that was already there within the last
 * LAG_LOOK_BACK bytes, as it is or in the differences of each byte to the one
 * 1, 2, 4 and 8 before.  It finds what SP 800-90B 4.4 cannot: counters of 8,
 * 16, 32 and 64 bits in either byte order, long periods, copied blocks.
 *
 * The bytes have been handed out meanwhile, so they are not kept.  What is, is
 * a tag of LAG_TAG_BITS for each `stride` values of a sequence, made of the
 * window of 16, 32 or 64 values that ends there.  At every position the tag of
 * the window that ends there is made and looked for, so any alignment is found.
 * A sequence that comes again does so every stride, at the same distance back:
 * it is found when so many windows in a row, a stride apart, have had a tag
 * that was there just as far back.
 *
 * What may be learnt from this memory: of raw noise, five tags of 20 bits for
 * each stride, which is so long that its bytes have 256 bits of min-entropy or
 * more; of other sources one tag for 8 bytes.  So 156 bits of each 256, or 44
 * of each 64, remain unknown to whoever reads it.  More can be learnt of the
 * end: the last 8 bytes are there as they are, if there are differences; the
 * states of the hashes tell 64 bits of each sequence's last window; and chains
 * tell of tags that came again within the last stride.  There is one exception.
 * Of noise with less than 1 bit of entropy in a byte the tags may tell all that
 * its bytes have, as what has so little cannot be recognized by less.
 *
 * How many windows it takes follows from the rate of false alarms.  Take bytes
 * of which each, given all before it, is guessed with a probability of at most
 * 2^-h.  That a byte goes on with a sequence that began so far back is such a
 * guess, also for a difference and if the two sequences overlap.  A tag that
 * was there means that the last 13/16 of the window were there, 2^-h for each
 * value, or that two tags are the same by chance, 2^-20; the oldest values of
 * a window do not count, as they are in few bits of the hash.  Places to look
 * back at from a position, in all sequences, are less than 2^LAG_CHOICES.
 *
 * Any h will do.  At alpha = 2^-40 a copy is found when it is 96 to 127 bytes
 * long if h = 8 bits, 192 to 255 if it is 4; at 1/8, 2 KiB, and at 1/1000, 65.
 * Carries do not hide a counter that goes up by one: its lowest byte always
 * does, in the next a carry is seen every 256 numbers, which is a sequence too,
 * and the next after that comes 65,536 numbers later, farther than what is
 * needed.  Samples of less than a byte are compared as bytes: a copy that is
 * shifted by bits is not found, a period of bits is one of at most as many
 * bytes.
 *
 * An index has the last place for some bits of a tag.  An older place may have
 * been replaced, the more likely the farther back it is, at the limit two in
 * three: then the sequence is found some strides later, or in differences,
 * which come again with it.
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

/* What is looked for.  All sizes are in bytes, and powers of 2. */
struct lag_limits {
	size_t look_back;
	size_t stride;	  /* look_back is at most 65,536 of these, at least 2 */
	size_t window;	  /* 16, 32 or 64 */
	uint32_t found;	  /* windows until HEALTH_FAILING, at least 2, */
	uint32_t latch;	  /* and until HEALTH_LATCHED, at most 65,535 */
	bool differences; /* not the bytes alone */
};

/* A sequence that may be coming again, by where in a stride windows end. */
struct lag_chain {
	uint16_t places; /* back, of a table; counts if hits > 0 */
	uint16_t hits;	 /* windows that were there so far back, in a row */
};

/* The bytes, or their differences to those at a distance before them. */
struct lag_sequence {
	size_t distance;	  /* 0: the bytes themselves */
	uint64_t hash;		  /* of the window up to the last value */
	uint32_t *tags;		  /* a ring: a place for each stride */
	uint16_t *index;	  /* by bits of a tag: its last place */
	struct lag_chain *chains; /* by position modulo the stride */
};

struct lag {
	struct lag_limits limits;
	size_t places; /* of a sequence */
	size_t nsequences;
	struct lag_sequence sequences[LAG_SEQUENCES];
	size_t seen; /* bytes */
	/* The last bytes, and while they are looked at those that follow. */
	uint8_t recent[2 * LAG_DISTANCE_MAX];
	/* After HEALTH_FAILING, what is followed, or NULL: */
	struct lag_sequence *followed;
	struct lag_chain *chain;
	const uint64_t *mix; /* what each value counts: random, secret */
	void *memory;	     /* of this and of the sequences */
	size_t size;
};

/*
 * The limits for raw noise, with samples of that many bits that have
 * `min_entropy` (1/1000 bit, not 0), so that there is a false alarm once in
 * 2^alpha bytes at most.
 */
void lag_limits_raw(struct lag_limits *, uint32_t sample_bits,
    uint32_t min_entropy, uint32_t alpha);

/* Ends the process if there is no memory, or no random numbers. */
void lag_init(struct lag *, const struct lag_limits *);

/* Wipes and frees all memory. */
void lag_free(struct lag *);

/* Forgets the bytes, and wipes all memory. */
void lag_restart(struct lag *);

/*
 * Looks at `n` bytes, up to the one that ends in anything but HEALTH_OK, and
 * tells how many these were.  After HEALTH_FAILING the sequence that was found
 * is followed to its end.
 */
size_t lag_feed(struct lag *, const uint8_t *bytes, size_t n,
    enum health_verdict *);

#endif
