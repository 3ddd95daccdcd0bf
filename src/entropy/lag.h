/*
 * The lag test: a sequence of bytes that was already there within the last
 * LAG_LOOK_BACK bytes, as it is or in the differences of each byte to the one
 * 1, 2, 4 and 8 before.  It finds what SP 800-90B 4.4 cannot: counters of 8,
 * 16, 32 and 64 bits in either byte order, long periods, copied blocks.
 *
 * How long a sequence must be follows from the rate of false alarms.  Take
 * bytes of which each, given all before it, is guessed with a probability of
 * at most 2^-h.  That a byte goes on with a sequence that began so far back is
 * such a guess, also for a difference and if the two sequences overlap.  So
 * the last k bytes are a sequence that was there before with a probability of
 * at most 2^-kh for each distance back and each kind of difference, of which
 * there are LAG_LOOK_BACK * LAG_SEQUENCES < 2^LAG_CHOICES.
 *
 * Any length is found, thus any h; but at h = 1/8 bit a copy has to be 472
 * bytes long until it is (alpha = 40), and at h = 1/1000, 59,000.  Carries do
 * not hide a counter that goes up by one: its lowest byte always does, in the
 * next a carry is seen every 256 numbers, which is a sequence too, and the
 * next after that comes 65,536 numbers later, farther than any length needs.
 * Samples of less than a byte are compared as bytes: a copy that is shifted by
 * bits is not found, a period of bits is one of at most as many bytes.
 *
 * A table remembers one place for each hash, modulo its size.  An older place
 * may have been replaced, the more likely the farther back it is, at the limit
 * two in three: then the sequence is found some bytes later.
 */
#ifndef VRNGD_LAG_H
#define VRNGD_LAG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "health.h"

#define LAG_LOOK_BACK 65536 /* bytes; positions in tables have 16 bits */
#define LAG_SEQUENCES 5
#define LAG_CHOICES   19 /* bits */

/* The bytes, or their differences to those at a distance before them. */
struct lag_sequence {
	size_t distance; /* 0: the bytes themselves */
	uint64_t hash;	 /* of the last `length` values */
	uint32_t *table; /* by hash: more of the hash, and the last position */
};

struct lag {
	size_t look_back; /* bytes, and entries of a table */
	uint32_t shift;	  /* from a hash to the number of an entry */
	size_t length;	  /* values alike until HEALTH_FAILING, */
	size_t latch;	  /* and until HEALTH_LATCHED */
	uint64_t power;	  /* what a value counts in a hash when it leaves */
	size_t nsequences;
	struct lag_sequence sequences[LAG_SEQUENCES];
	uint8_t *ring; /* the last bytes, at their position modulo its size */
	size_t size;   /* of the ring, a power of 2 */
	size_t seen;   /* bytes: the position of the next */
	/* The match that is followed after HEALTH_FAILING: */
	size_t alike;	 /* values up to the last byte; 0: there is none */
	size_t back;	 /* bytes, from these to where they were before */
	size_t distance; /* of its sequence */
};

/*
 * The length of a sequence that is there before with a probability of at most
 * 2^-alpha, when samples of that many bits have `min_entropy` (1/1000 bit).
 */
size_t lag_length(uint32_t sample_bits, uint32_t min_entropy, uint32_t alpha);

/*
 * Finds sequences of `length` bytes within the last `look_back`, a power of 2
 * and at most LAG_LOOK_BACK, among the bytes or among differences too.  Ends
 * the process if there is no memory.
 */
void lag_init(struct lag *, size_t look_back, size_t length, size_t latch,
    bool differences);

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
