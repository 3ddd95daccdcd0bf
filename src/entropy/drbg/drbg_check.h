/*
 * Known answers of CTR_DRBG, from NIST's Cryptographic Algorithm Validation
 * Program, and what libcrypto makes of them.
 */
#ifndef VRNGD_DRBG_CHECK_H
#define VRNGD_DRBG_CHECK_H

#include <stddef.h>

#include "entropy/drbg/drbg_ctr.h"

/* Hexadecimal; NULL: none. */
struct drbg_vector_step {
	const char *entropy; /* reseeds with it first */
	const char *more;    /* additional input */
};

/*
 * Instantiate, reseed if there is entropy for it, generate twice: the second
 * output counts, the first is thrown away.  Entropy for an output is what
 * prediction resistance wants.  All hexadecimal.
 */
struct drbg_vector {
	const char *name;
	const char *seed;     /* entropy input and nonce */
	const char *personal; /* personalization string; NULL: none */
	struct drbg_vector_step reseed;
	struct drbg_vector_step outputs[2];
	const char *answer;
};

#define DRBG_VECTORS 3
extern const struct drbg_vector drbg_vectors[DRBG_VECTORS];

/* Returns the name of the first vector that fails, or NULL. */
const char *drbg_check(const struct drbg_library *,
    const struct drbg_vector *vectors, size_t n);

#endif
