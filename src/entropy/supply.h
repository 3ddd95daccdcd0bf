/*
 * The supply of a pool: the bytes of the first healthy source, or of all
 * sources combined by XOR.  Used only by the main thread.
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
	struct source *sources; /* pool.nsources */
	struct proto_source_state
	    states[SOURCES_MAX]; /* as of the last update */
	uint32_t serving;	 /* sources in use, a bit each */
	uint32_t parts;		 /* sources whose bytes are in the result */
	struct stock empty;	 /* the stock without a source */
	struct stock result;	 /* result of COMBINE_XOR */
	/*
	 * Of a byte of the result, 1/1000 bit: the best of the sources that were
	 * combined, and the least of that since the result was empty.
	 */
	uint32_t entropy;
	struct health *health; /* tests of the result */
	struct stock *stock;   /* the stock to deliver from; never NULL */
};

/* Initializes the supply of `sources`, which the caller starts and owns. */
void supply_init(struct supply *, const struct proto_pool *,
    struct source *sources);

/*
 * Updates the supply from the state of the sources: combines their bytes, and
 * selects another source or none.
 */
void supply_update(struct supply *, uint64_t now);

/* The time of the next update, ns; UINT64_MAX: none. */
uint64_t supply_deadline(struct supply *, uint64_t now);

/* The number of bytes that can be delivered now. */
size_t supply_held(struct supply *);

/*
 * Finds the next `n` bytes, or as many as there are, in one or two pieces; they
 * stay until supply_remove(), which wipes them.  Returns their number.
 */
size_t supply_peek(struct supply *, size_t n, struct iovec iov[2]);
void supply_remove(struct supply *, size_t n);

/*
 * Removes bytes with at least DRBG_SEED_BITS of entropy, by that of the sources
 * that they are from.  Returns their number, or 0 if there are too few now.
 */
size_t supply_seed(struct supply *, uint8_t *seed, size_t size);

#endif
