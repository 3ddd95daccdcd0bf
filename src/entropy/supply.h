/*
 * The supply of a pool: what its sources come to together, the first healthy
 * one of them or all of them XORed.  The main thread's alone.
 */
#ifndef VRNGD_SUPPLY_H
#define VRNGD_SUPPLY_H

#include <sys/uio.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/proto.h"
#include "entropy/source.h"

struct supply {
	struct proto_pool pool;
	struct source *sources;			       /* pool.nsources */
	struct proto_source_state states[SOURCES_MAX]; /* as of last time */
	uint32_t serving;      /* sources in use, a bit each */
	uint32_t parts;	       /* sources whose bytes are in the result */
	struct stock empty;    /* what there is without a source */
	struct stock result;   /* of COMBINE_XOR */
	struct health *health; /* of that */
	struct stock *stock;   /* what is given out; never NULL */
};

/*
 * Makes the supply of `sources`, which the caller starts and keeps.
 */
void supply_init(struct supply *, const struct proto_pool *,
    struct source *sources);

/*
 * Looks at the sources: moves what they have to where it is given out, and
 * turns to another or stops as their states demand.
 */
void supply_update(struct supply *, uint64_t now);

/* When that is to be done at the latest, ns; UINT64_MAX: never. */
uint64_t supply_deadline(struct supply *, uint64_t now);

/* How many bytes may be given out now. */
size_t supply_held(struct supply *);

/*
 * The next `n` bytes, or as many as there are, as one or two pieces; they stay
 * until supply_remove(), which wipes them.  Returns how many.
 */
size_t supply_peek(struct supply *, size_t n, struct iovec iov[2]);
void supply_remove(struct supply *, size_t n);

/*
 * Takes so many bytes that there are DRBG_SEED_BITS of entropy in them, by what
 * is known of the sources in use.  Returns how many, or 0 if there are too few
 * for now.
 */
size_t supply_seed(struct supply *, uint8_t *seed, size_t size);

#endif
