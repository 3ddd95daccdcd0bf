/*
 * The only source of seeds of a CTR_DRBG, as a provider of libcrypto: an
 * EVP_RAND that holds one seed, and supplies it once.  Without a seed it fails,
 * and so does the DRBG: libcrypto has no other source.
 */
#ifndef VRNGD_SEED_H
#define VRNGD_SEED_H

#include <openssl/core.h>
#include <openssl/evp.h>
#include <stddef.h>
#include <stdint.h>

#define SEED_PROVIDER "vrngd"
#define SEED_NAME     "VRNGD-SEED"

/* bits; the strength of a CTR_DRBG with AES-256, and required of a seed */
#define SEED_STRENGTH 256

/* For OSSL_PROVIDER_add_builtin(). */
OSSL_provider_init_fn seed_provider;

/*
 * Sets the seed.  It is not copied: it must not change until it is used or
 * until seed_revoke(), which removes it.  Returns 0, or -1 if libcrypto fails.
 */
int seed_put(EVP_RAND_CTX *, const uint8_t *seed, size_t n);
void seed_revoke(EVP_RAND_CTX *);

#endif
