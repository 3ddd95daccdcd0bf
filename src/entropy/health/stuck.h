/*
 * The stuck test of conditioned sources: the same 8 bytes twice in a row.
 *
 * By chance that happens with 2^-64 for each word.  At 1 GB/s, if all bytes are
 * tested, there are 1.25 * 10^8 words per second and 3.9 * 10^16 in ten years:
 * one false alarm with a probability of 0.0021.
 */
#ifndef VRNGD_STUCK_H
#define VRNGD_STUCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct stuck {
	uint64_t last; /* word */
	bool any;      /* there is a last one */
	uint8_t part[sizeof(uint64_t)];
	size_t have; /* partial word */
};

/* Forgets all words. */
void stuck_restart(struct stuck *);

/* Whether a word that ends in these bytes is equal to the one before. */
bool stuck_feed(struct stuck *, const uint8_t *bytes, size_t n);

#endif
