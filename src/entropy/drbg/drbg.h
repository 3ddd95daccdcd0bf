/*
 * The CTR_DRBG of SP 800-90A (AES-256, with derivation function) as libcrypto
 * has it, of which each consumer with `delivery = drbg` has its own.  It draws
 * on nothing but the seeds that it is given here: libcrypto's own seeding from
 * the operating system is never used, so that equal seeds make equal output.
 * For one thread.
 *
 * This and seed.h are the only ones that know libcrypto.
 *
 * Where secrets are: a generator's key and counter are on libcrypto's secure
 * heap, which is locked in memory as far as RLIMIT_MEMLOCK goes and left out of
 * core dumps.  The key schedule of the same key, which libcrypto makes for AES,
 * is not: that is on the ordinary heap.  Both are wiped when freed.  Seeds are
 * read where the caller has them, never copied as a whole.
 */
#ifndef VRNGD_DRBG_H
#define VRNGD_DRBG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/proto.h"

/* Entropy that a seed must have, for a strength of 256 bits and a nonce. */
#define DRBG_SEED_BITS 384
/* Bytes of a seed at least, if they have full entropy, and at most. */
#define DRBG_SEED_MIN (DRBG_SEED_BITS / 8)
#define DRBG_SEED_MAX 4096
/* Bytes of output in one call at most. */
#define DRBG_OUTPUT_MAX 65536

struct drbg;

/*
 * A known answer of NIST's: instantiate, reseed if there is entropy for it,
 * generate twice, of which the second output counts.  What prediction resistance
 * wants is entropy before each of them.  Hexadecimal, 64 bytes at most.
 */
struct drbg_vector {
	const char *name;
	const char *seed; /* entropy input and nonce */
	const char *reseed;
	const char *resistance[2];
	const char *answer;
};

/* Those of drbg_start(): one of each way through the generator. */
#define DRBG_VECTORS 3
extern const struct drbg_vector drbg_vectors[DRBG_VECTORS];

/* Returns the name of the first vector that fails, or NULL. */
const char *drbg_check(const struct drbg_vector *, size_t n);

/*
 * Loads libcrypto, for the rest of the process, and holds it against NIST's
 * known answers; ends the process if that fails.  Once, before the system call
 * filter; reads no configuration of OpenSSL's.
 */
void drbg_start(void);

/*
 * Makes a generator that has no seed yet, and says how often it needs another:
 * reseed_bytes is at least DRBG_OUTPUT_MAX, reseed_interval is not 0, mode is
 * ignored.  drbg_new() ends the process if it cannot.  drbg_change() counts
 * from the last seed, too.
 */
struct drbg *drbg_new(const struct proto_delivery *);
void drbg_change(struct drbg *, const struct proto_delivery *);

/* Wipes and frees it; NULL is ignored. */
void drbg_free(struct drbg *);

/*
 * Whether it can give nothing before it is seeded: for the first time, after
 * so much output or time (`now`, ns), after it has refused output, or, with
 * prediction resistance, after any output.
 */
bool drbg_needs_seed(const struct drbg *, uint64_t now);

/*
 * Seeds or reseeds it with `n` bytes, DRBG_SEED_MIN to DRBG_SEED_MAX, that
 * together have at least DRBG_SEED_BITS of entropy.  All of them count; wiping
 * them is up to the caller.  Returns 0, or -1 if libcrypto refused: it is left
 * without a seed.
 */
int drbg_seed(struct drbg *, const uint8_t *seed, size_t n, uint64_t now);

/*
 * Writes `n` bytes of output, at most DRBG_OUTPUT_MAX.  Returns 0, or -1 if it
 * needs a seed first, if fewer bytes are left until the next one, or if
 * libcrypto refused: then there is no output at all, and it needs a seed.
 */
int drbg_generate(struct drbg *, uint8_t *out, size_t n, uint64_t now);

#endif
