/*
 * A provider of libcrypto that supplies one seed, once.  Used by drbg.c.
 */
#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/params.h>

#include "entropy/drbg/seed.h"

/* The name of the parameter that is a seed. */
#define PARAM_SEED "seed"

struct seed {
	const uint8_t *bytes; /* the caller's; NULL: none */
	size_t n;
};

static OSSL_FUNC_rand_newctx_fn seed_new;
static OSSL_FUNC_rand_freectx_fn seed_free;
static OSSL_FUNC_rand_instantiate_fn seed_instantiate;
static OSSL_FUNC_rand_uninstantiate_fn seed_uninstantiate;
static OSSL_FUNC_rand_generate_fn seed_generate;
static OSSL_FUNC_rand_get_seed_fn seed_get;
static OSSL_FUNC_rand_get_ctx_params_fn seed_get_params;
static OSSL_FUNC_rand_set_ctx_params_fn seed_set_params;
static OSSL_FUNC_provider_query_operation_fn seed_query;

static void *
seed_new(void *provider, void *parent, const OSSL_DISPATCH *parent_calls)
{
	(void)provider, (void)parent, (void)parent_calls;
	return OPENSSL_zalloc(sizeof(struct seed));
}

static void
seed_free(void *arg)
{
	OPENSSL_free(arg);
}

static int
seed_instantiate(void *arg, unsigned int strength, int resistance,
    const unsigned char *personal, size_t npersonal, const OSSL_PARAM params[])
{
	(void)arg, (void)resistance, (void)personal, (void)npersonal,
	    (void)params;
	return strength <= SEED_STRENGTH;
}

static int
seed_uninstantiate(void *arg)
{
	(void)arg;
	return 1;
}

/* It supplies only seeds of CTR_DRBGs, and generates nothing. */
static int
/* NOLINTNEXTLINE(readability-non-const-parameter): the type is libcrypto's */
seed_generate(void *arg, unsigned char *out, size_t n, unsigned int strength,
    int resistance, const unsigned char *input, size_t ninput)
{
	(void)arg, (void)out, (void)n, (void)strength, (void)resistance,
	    (void)input, (void)ninput;
	return 0;
}

/*
 * Supplies all of the seed; the caller of drbg_seed() ensures its entropy, and
 * wipes its memory, so that there is nothing to clear here.
 */
static size_t
seed_get(void *arg, unsigned char **out, int entropy, size_t min, size_t max,
    int resistance, const unsigned char *input, size_t ninput)
{
	struct seed *s = arg, given = *s;

	(void)entropy, (void)resistance, (void)input, (void)ninput;
	*s = (struct seed){ NULL, 0 };
	if (given.bytes == NULL || given.n < min || given.n > max)
		return 0;
	*out = (unsigned char *)(uintptr_t)given.bytes;
	return given.n;
}

/*
 * Has no counter of reseeds, since a change of it would make a CTR_DRBG reseed
 * itself.
 */
static int
seed_get_params(void *arg, OSSL_PARAM params[])
{
	OSSL_PARAM *p;

	(void)arg;
	p = OSSL_PARAM_locate(params, OSSL_RAND_PARAM_STATE);
	if (p != NULL && !OSSL_PARAM_set_int(p, EVP_RAND_STATE_READY))
		return 0;
	p = OSSL_PARAM_locate(params, OSSL_RAND_PARAM_STRENGTH);
	return p == NULL || OSSL_PARAM_set_uint(p, SEED_STRENGTH);
}

static int
seed_set_params(void *arg, const OSSL_PARAM params[])
{
	struct seed *s = arg;
	const OSSL_PARAM *p;
	const void *bytes;
	size_t n;

	p = OSSL_PARAM_locate_const(params, PARAM_SEED);
	if (p == NULL || !OSSL_PARAM_get_octet_ptr(p, &bytes, &n))
		return 0;
	*s = (struct seed){ bytes, n };
	return 1;
}

#define CALL(id, function) \
	{ \
		id, (void (*)(void))(function) \
	}

static const OSSL_ALGORITHM *
seed_query(void *provider, int operation, int *no_cache)
{
	static const OSSL_DISPATCH calls[] = {
		CALL(OSSL_FUNC_RAND_NEWCTX, seed_new),
		CALL(OSSL_FUNC_RAND_FREECTX, seed_free),
		CALL(OSSL_FUNC_RAND_INSTANTIATE, seed_instantiate),
		CALL(OSSL_FUNC_RAND_UNINSTANTIATE, seed_uninstantiate),
		CALL(OSSL_FUNC_RAND_GENERATE, seed_generate),
		CALL(OSSL_FUNC_RAND_GET_SEED, seed_get),
		CALL(OSSL_FUNC_RAND_GET_CTX_PARAMS, seed_get_params),
		CALL(OSSL_FUNC_RAND_SET_CTX_PARAMS, seed_set_params),
		{ 0, NULL },
	};
	static const OSSL_ALGORITHM rands[] = {
		{ SEED_NAME, "provider=" SEED_PROVIDER, calls, NULL },
		{ NULL, NULL, NULL, NULL },
	};

	(void)provider;
	*no_cache = 0;
	return operation == OSSL_OP_RAND ? rands : NULL;
}

int
seed_provider(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *core,
    const OSSL_DISPATCH **out, void **provider)
{
	static const OSSL_DISPATCH calls[] = {
		CALL(OSSL_FUNC_PROVIDER_QUERY_OPERATION, seed_query),
		{ 0, NULL },
	};

	(void)handle, (void)core;
	*out = calls;
	*provider = NULL;
	return 1;
}

int
seed_put(EVP_RAND_CTX *source, const uint8_t *seed, size_t n)
{
	void *bytes = (void *)(uintptr_t)seed;
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_octet_ptr(PARAM_SEED, &bytes, n),
		OSSL_PARAM_construct_end(),
	};

	return EVP_RAND_CTX_set_params(source, params) ? 0 : -1;
}

void
seed_revoke(EVP_RAND_CTX *source)
{
	seed_put(source, NULL, 0);
}
