/*
 * libcrypto's CTR_DRBG (SP 800-90A 10.2.1): AES-256, with derivation function,
 * of 256 bits' strength, with everything that goes into it in our hands.
 */
#ifndef VRNGD_DRBG_CTR_H
#define VRNGD_DRBG_CTR_H

#include <openssl/evp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What is loaded of libcrypto, once. */
struct drbg_library {
	OSSL_LIB_CTX *context;
	EVP_RAND *seed; /* of drbg_seed.h */
	EVP_RAND *ctr;
	bool locked; /* generators' states are kept from being swapped out */
};

/* One generator, and where its seeds come from. */
struct drbg_ctr {
	EVP_RAND_CTX *source;
	EVP_RAND_CTX *rand;
};

/* Bytes, or none: { NULL, 0 }. */
struct drbg_input {
	const uint8_t *bytes;
	size_t n;
};

/*
 * Loads it into a context of its own, with no configuration; ends the process
 * if it cannot.
 */
void drbg_ctr_load(struct drbg_library *);

/*
 * Makes a generator that has no seed.  Returns 0, or -1 if libcrypto refused,
 * with nothing left of it.
 */
int drbg_ctr_open(struct drbg_ctr *, const struct drbg_library *);
void drbg_ctr_close(struct drbg_ctr *);

/*
 * Instantiates it with the seed (entropy input and nonce) and a personalization
 * string, or reseeds it with the seed and additional input, if it has a seed
 * already.  Returns 0, or -1 if libcrypto refused, when it has none any more.
 */
int drbg_ctr_seed(struct drbg_ctr *, struct drbg_input seed,
    struct drbg_input more);

/* Takes its seed away. */
void drbg_ctr_unseed(struct drbg_ctr *);

/*
 * One output of `n` bytes, with additional input.  Returns 0, or -1 if there is
 * none: it has no seed, or this process is a fork of the one that seeded it.
 */
int drbg_ctr_generate(struct drbg_ctr *, uint8_t *out, size_t n,
    struct drbg_input more);

/* What libcrypto says was wrong.  It will not say it again. */
const char *drbg_ctr_error(void);

#endif
