/*
 * The CTR_DRBG of SP 800-90A (AES-256, with derivation function) of libcrypto;
 * each consumer with `delivery = drbg` has its own.  It is seeded only with the
 * seeds passed here, not by libcrypto from the operating system, so that equal
 * seeds give equal output.  For one thread.
 *
 * Only this file and seed.c use libcrypto.
 *
 * Secrets: the key and counter of a generator are on libcrypto's secure heap,
 * which is locked in memory as far as RLIMIT_MEMLOCK allows, and excluded from
 * core dumps.  The key schedule, which libcrypto computes for AES, is on the
 * ordinary heap.  Both are wiped when freed.  Seeds are read from the caller's
 * memory without a complete copy.
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
 * A known answer of NIST: instantiate, reseed if there is entropy for it, and
 * generate twice; the second output counts.  Prediction resistance needs
 * entropy before each of them.  Hexadecimal, at most 64 bytes.
 */
struct drbg_vector {
	const char *name;
	const char *seed; /* entropy input and nonce */
	const char *reseed;
	const char *resistance[2];
	const char *answer;
};

/* The vectors of drbg_start(): one for each path through the generator. */
#define DRBG_VECTORS 3
extern const struct drbg_vector drbg_vectors[DRBG_VECTORS];

/* Returns the name of the first vector that fails, or NULL. */
const char *drbg_check(const struct drbg_vector *, size_t n);

/*
 * Loads libcrypto for the rest of the process, and checks it with NIST's known
 * answers; ends the process on failure.  Call it once, before the system call
 * filter.  Does not read OpenSSL's configuration.
 */
void drbg_start(void);

/*
 * Creates a generator without a seed, and sets when it needs a new one:
 * reseed_bytes is at least DRBG_OUTPUT_MAX, reseed_interval is not 0, mode is
 * ignored.  drbg_new() ends the process on failure.  drbg_change() also counts
 * from the last seed.
 */
struct drbg *drbg_new(const struct proto_delivery *);
void drbg_change(struct drbg *, const struct proto_delivery *);

/* Wipes and frees it; NULL is ignored. */
void drbg_free(struct drbg *);

/*
 * Whether it needs a seed before any output: for the first time, after the
 * configured output or time (`now`, ns), after a failure or, with prediction
 * resistance, after any output.
 */
bool drbg_needs_seed(const struct drbg *, uint64_t now);

/*
 * Seeds or reseeds it with `n` bytes, DRBG_SEED_MIN to DRBG_SEED_MAX, with at
 * least DRBG_SEED_BITS of entropy in total.  All of them are used; the caller
 * wipes them.  Returns 0, or -1 if libcrypto fails, which leaves it without a
 * seed.
 */
int drbg_seed(struct drbg *, const uint8_t *seed, size_t n, uint64_t now);

/*
 * Writes `n` bytes of output, at most DRBG_OUTPUT_MAX.  Returns 0, or -1
 * without output if it needs a seed first, if fewer bytes are left until the
 * next one, or if libcrypto fails; then it needs a seed.
 */
int drbg_generate(struct drbg *, uint8_t *out, size_t n, uint64_t now);

#endif
