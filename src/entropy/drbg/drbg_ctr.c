/*
 * libcrypto's CTR_DRBG behind a small interface.  Used by drbg.c and
 * drbg_check.c.
 */
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/params.h>
#include <openssl/provider.h>

#include "entropy/drbg/drbg_ctr.h"
#include "entropy/drbg/drbg_seed.h"
#include "common/log.h"

/*
 * libcrypto's secure heap, where it keeps a generator's key and counter: 256
 * bytes each, so that there is room for 16384 generators.  Once it is full
 * there can be no more.  All of it counts against RLIMIT_MEMLOCK, but takes
 * memory only where it is used.
 */
#define HEAP_SIZE (1 << 22)
#define HEAP_ITEM 256

void
drbg_ctr_load(struct drbg_library *l)
{
	if (!OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG |
		    OPENSSL_INIT_LOAD_CRYPTO_STRINGS,
		NULL))
		log_fatal("cannot start libcrypto: %s", drbg_ctr_error());
	l->locked = CRYPTO_secure_malloc_init(HEAP_SIZE, HEAP_ITEM) == 1;
	if ((l->context = OSSL_LIB_CTX_new()) == NULL ||
	    !OSSL_PROVIDER_add_builtin(l->context, DRBG_SEED_PROVIDER,
		drbg_seed_provider) ||
	    OSSL_PROVIDER_load(l->context, DRBG_SEED_PROVIDER) == NULL ||
	    OSSL_PROVIDER_load(l->context, "default") == NULL)
		log_fatal("cannot load libcrypto's providers: %s",
		    drbg_ctr_error());
	l->seed = EVP_RAND_fetch(l->context, DRBG_SEED_NAME,
	    "provider=" DRBG_SEED_PROVIDER);
	l->ctr = EVP_RAND_fetch(l->context, "CTR-DRBG", "provider=default");
	if (l->seed == NULL || l->ctr == NULL)
		log_fatal("libcrypto has no CTR_DRBG: %s", drbg_ctr_error());
}

/* When to reseed is for us to know: its own limits are switched off. */
static int
set_up(EVP_RAND_CTX *rand)
{
	char cipher[] = "AES-256-CTR";
	int with_df = 1;
	unsigned int requests = 0;
	time_t interval = 0;
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_DRBG_PARAM_CIPHER, cipher,
		    0),
		OSSL_PARAM_construct_int(OSSL_DRBG_PARAM_USE_DF, &with_df),
		OSSL_PARAM_construct_uint(OSSL_DRBG_PARAM_RESEED_REQUESTS,
		    &requests),
		OSSL_PARAM_construct_time_t(
		    OSSL_DRBG_PARAM_RESEED_TIME_INTERVAL, &interval),
		OSSL_PARAM_construct_end(),
	};

	return EVP_RAND_CTX_set_params(rand, params) &&
	    EVP_RAND_get_strength(rand) == DRBG_STRENGTH;
}

int
drbg_ctr_open(struct drbg_ctr *c, const struct drbg_library *l)
{
	c->rand = NULL;
	if ((c->source = EVP_RAND_CTX_new(l->seed, NULL)) == NULL ||
	    (c->rand = EVP_RAND_CTX_new(l->ctr, c->source)) == NULL ||
	    !set_up(c->rand)) {
		drbg_ctr_close(c);
		return -1;
	}
	return 0;
}

void
drbg_ctr_close(struct drbg_ctr *c)
{
	EVP_RAND_CTX_free(c->rand);
	EVP_RAND_CTX_free(c->source);
	*c = (struct drbg_ctr){ NULL, NULL };
}

/*
 * A personalization string must not be NULL: libcrypto would take one of its
 * own.  Neither is it asked to reseed what has no seed or has failed: it would
 * take a seed for an instantiation first.
 */
int
drbg_ctr_seed(struct drbg_ctr *c, struct drbg_input seed,
    struct drbg_input more)
{
	static const uint8_t none[1];
	int done;

	if (drbg_seed_put(c->source, seed.bytes, seed.n) == -1)
		done = 0;
	else if (EVP_RAND_get_state(c->rand) == EVP_RAND_STATE_READY)
		done = EVP_RAND_reseed(c->rand, 0, NULL, 0, more.bytes, more.n);
	else
		done = EVP_RAND_uninstantiate(c->rand) &&
		    EVP_RAND_instantiate(c->rand, DRBG_STRENGTH, 0,
			more.bytes != NULL ? more.bytes : none, more.n, NULL);
	drbg_seed_revoke(c->source);
	if (!done)
		drbg_ctr_unseed(c);
	return done ? 0 : -1;
}

void
drbg_ctr_unseed(struct drbg_ctr *c)
{
	EVP_RAND_uninstantiate(c->rand);
}

int
drbg_ctr_generate(struct drbg_ctr *c, uint8_t *out, size_t n,
    struct drbg_input more)
{
	return EVP_RAND_generate(c->rand, out, n, DRBG_STRENGTH, 0, more.bytes,
		   more.n)
	    ? 0
	    : -1;
}

/* The first of its errors is the cause of the others. */
const char *
drbg_ctr_error(void)
{
	const char *reason = ERR_reason_error_string(ERR_peek_error());

	ERR_clear_error();
	return reason != NULL ? reason : "no reason is given";
}
