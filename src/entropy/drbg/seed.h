/*
 * The only source that a CTR_DRBG has for its seeds, as a provider of
 * libcrypto's: an EVP_RAND that holds the one seed that was just put into it,
 * and gives it away once.  Without a seed it fails, and so does whatever wanted
 * to be seeded: libcrypto finds no other source behind it.
 */
#ifndef VRNGD_SEED_H
#define VRNGD_SEED_H

#include <openssl/core.h>
#include <openssl/evp.h>
#include <stddef.h>
#include <stdint.h>

#define SEED_PROVIDER "vrngd"
#define SEED_NAME     "VRNGD-SEED"

/* bits; the strength that a CTR_DRBG with AES-256 has, and wants of a seed */
#define SEED_STRENGTH 256

/* For OSSL_PROVIDER_add_builtin(). */
OSSL_provider_init_fn seed_provider;

/*
 * Puts a seed in.  It is not copied: it must stay as it is until it is taken,
 * or until seed_revoke(), after which the source has none.  Returns 0, or
 * -1 if libcrypto refused.
 */
int seed_put(EVP_RAND_CTX *, const uint8_t *seed, size_t n);
void seed_revoke(EVP_RAND_CTX *);

#endif
