/*
 * A CTR_DRBG of a consumer: seeds, reseeds, generates.  Used by delivery.c;
 * main.c runs its self-test.
 */
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/provider.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "entropy/drbg/drbg.h"
#include "entropy/drbg/seed.h"

/*
 * libcrypto's secure heap, which holds the key and counter of each generator:
 * 256 bytes, so that there is room for 16384 generators.  All of it counts
 * against RLIMIT_MEMLOCK, but only its used part takes memory.
 */
#define HEAP_SIZE (1 << 22)
#define HEAP_ITEM 256

struct drbg {
	EVP_RAND_CTX *source;  /* of seeds (seed.h) */
	EVP_RAND_CTX *rand;    /* draws on it */
	bool seeded;	       /* false when a seed is due: */
	bool resistance;       /* after any output, */
	uint64_t reseed_bytes; /* after this many bytes, */
	uint64_t interval;     /* or this time, ns */
	uint64_t output;       /* bytes since the seed */
	uint64_t since;	       /* ns, time of the seed */
	bool refused;	       /* libcrypto has failed; logged */
};

/* The parts of libcrypto loaded once per process. */
static struct {
	OSSL_LIB_CTX *context;
	EVP_RAND *seed;
	EVP_RAND *ctr;
	bool unlocked; /* generators may be swapped out; until logged */
} library;

/*
 * From NIST's drbgtestvectors.zip, out of CTR_DRBG.rsp in each of its three
 * directories, [AES-256 use df]: the first answer without other input.
 */
const struct drbg_vector drbg_vectors[DRBG_VECTORS] = {
	{
	    .name = "no_reseed",
	    .seed =
		"36401940fa8b1fba91a1661f211d78a0b9389a74e5bccfece8d766af1a6d3b14"
		"496f25b0f1301b4f501be30380a137eb",
	    .answer =
		"5862eb38bd558dd978a696e6df164782ddd887e7e9a6c9f3f1fbafb78941b535"
		"a64912dfd224c6dc7454e5250b3d97165e16260c2faf1cc7735cb75fb4f07e1d",
	},
	{
	    .name = "pr_false",
	    .seed =
		"2d4c9f46b981c6a0b2b5d8c69391e569ff13851437ebc0fc00d616340252fed5"
		"0bf814b411f65ec4866be1abb59d3c32",
	    .reseed =
		"93500fae4fa32b86033b7a7bac9d37e710dcc67ca266bc8607d665937766d207",
	    .answer =
		"322dd28670e75c0ea638f3cb68d6a9d6e50ddfd052b772a7b1d78263a7b8978b"
		"6740c2b65a9550c3a76325866fa97e16d74006bc96f26249b9f0a90d076f08e5",
	},
	{
	    .name = "pr_true",
	    .seed =
		"16a1f035388cd8d956026e3b0117cb524dd3eb563f9a7720bb7dcb0fc6fbe743"
		"a2d015f22d854e29de278d910c573de5",
	    .resistance =
		{
		    "cf140bcd4d7130e7e3ea14046c56442b57c43b34ad219553e7105c18f6e561af",
		    "e27c9f0be60d82d6cc474efb7fc737b16a6895d9a3a45b971d19b743c1a4ac8f",
		},
	    .answer =
		"b4e8395bcb7503410a94633f70e9904a5b30e62c35bc6dd2a03496c4a49932e1"
		"84fbffdbcf1de1c72c50d36dc2ae8f04f40f96aae159c3fb816ca16df99b6c3e",
	},
};

/* The error of libcrypto: the first one is the cause of the others. */
static const char *
take_error(void)
{
	const char *reason = ERR_reason_error_string(ERR_peek_error());

	ERR_clear_error();
	return reason != NULL ? reason : "unknown error";
}

/* Loads it into a separate context, without OpenSSL's configuration. */
static void
load(void)
{
	if (!OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG |
		    OPENSSL_INIT_LOAD_CRYPTO_STRINGS,
		NULL))
		log_fatal("cannot start libcrypto: %s", take_error());
	library.unlocked = CRYPTO_secure_malloc_init(HEAP_SIZE, HEAP_ITEM) != 1;
	if ((library.context = OSSL_LIB_CTX_new()) == NULL ||
	    !OSSL_PROVIDER_add_builtin(library.context, SEED_PROVIDER,
		seed_provider) ||
	    OSSL_PROVIDER_load(library.context, SEED_PROVIDER) == NULL ||
	    OSSL_PROVIDER_load(library.context, "default") == NULL)
		log_fatal("cannot load libcrypto's providers: %s",
		    take_error());
	library.seed = EVP_RAND_fetch(library.context, SEED_NAME,
	    "provider=" SEED_PROVIDER);
	library.ctr =
	    EVP_RAND_fetch(library.context, "CTR-DRBG", "provider=default");
	if (library.seed == NULL || library.ctr == NULL)
		log_fatal("libcrypto has no CTR_DRBG: %s", take_error());
}

/* Disables libcrypto's own reseeding, since this file decides it. */
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
	    EVP_RAND_get_strength(rand) == SEED_STRENGTH;
}

void
drbg_free(struct drbg *d)
{
	if (d == NULL)
		return;
	EVP_RAND_CTX_free(d->rand);
	EVP_RAND_CTX_free(d->source);
	free(d);
}

/* Returns NULL if libcrypto fails. */
static struct drbg *
make(void)
{
	struct drbg *d = calloc(1, sizeof(*d));

	if (d == NULL)
		log_fatal("out of memory for a DRBG");
	if ((d->source = EVP_RAND_CTX_new(library.seed, NULL)) != NULL &&
	    (d->rand = EVP_RAND_CTX_new(library.ctr, d->source)) != NULL &&
	    set_up(d->rand))
		return d;
	drbg_free(d);
	return NULL;
}

/*
 * Instantiates it or, if it has a seed, reseeds it.  The personalization string
 * must not be NULL: libcrypto would use its own.  A generator without a seed,
 * or after an error, is not reseeded: libcrypto would use the seed for an
 * instantiation first.  Returns -1 if libcrypto fails, which leaves it without
 * a seed.
 */
static int
instantiate(struct drbg *d, const uint8_t *seed, size_t n)
{
	static const uint8_t none[1];
	int done;

	if (seed_put(d->source, seed, n) == -1)
		done = 0;
	else if (EVP_RAND_get_state(d->rand) == EVP_RAND_STATE_READY)
		done = EVP_RAND_reseed(d->rand, 0, NULL, 0, NULL, 0);
	else
		done = EVP_RAND_uninstantiate(d->rand) &&
		    EVP_RAND_instantiate(d->rand, SEED_STRENGTH, 0, none, 0,
			NULL);
	seed_revoke(d->source);
	if (!done)
		EVP_RAND_uninstantiate(d->rand);
	return done ? 0 : -1;
}

/*
 * Returns -1 if it has no seed, or if this process is a fork of the one that
 * seeded it.
 */
static int
generate(struct drbg *d, uint8_t *out, size_t n)
{
	return EVP_RAND_generate(d->rand, out, n, SEED_STRENGTH, 0, NULL, 0)
	    ? 0
	    : -1;
}

/* Seeds it with a string of a vector, if there is one. */
static bool
seeds(struct drbg *d, const char *hex)
{
	uint8_t bytes[64];
	size_t n;

	return hex == NULL ||
	    (OPENSSL_hexstr2buf_ex(bytes, sizeof(bytes), &n, hex, '\0') &&
		instantiate(d, bytes, n) == 0);
}

static bool
passes(const struct drbg_vector *v)
{
	uint8_t answer[64], out[64];
	struct drbg *d = make();
	size_t n;
	bool passed;

	passed = d != NULL &&
	    OPENSSL_hexstr2buf_ex(answer, sizeof(answer), &n, v->answer,
		'\0') &&
	    seeds(d, v->seed) && seeds(d, v->reseed) &&
	    seeds(d, v->resistance[0]) && generate(d, out, n) == 0 &&
	    seeds(d, v->resistance[1]) && generate(d, out, n) == 0 &&
	    memcmp(out, answer, n) == 0;
	drbg_free(d);
	return passed;
}

const char *
drbg_check(const struct drbg_vector *vectors, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!passes(&vectors[i]))
			return vectors[i].name;
	return NULL;
}

void
drbg_start(void)
{
	const char *failed;

	load();
	failed = drbg_check(drbg_vectors, DRBG_VECTORS);
	if (failed != NULL)
		log_fatal("libcrypto's CTR_DRBG does not give NIST's known "
			  "answer \"%s\" (%s): do not use this libcrypto",
		    failed, take_error());
}

struct drbg *
drbg_new(const struct proto_delivery *delivery)
{
	struct drbg *d;

	/* Logged only if there is a generator. */
	if (library.unlocked)
		log_warning("cannot lock 4 MiB for the states of DRBGs in "
			    "memory: they may be swapped out; raise "
			    "RLIMIT_MEMLOCK");
	library.unlocked = false;
	if ((d = make()) == NULL)
		log_fatal("cannot create another CTR_DRBG: %s", take_error());
	drbg_change(d, delivery);
	return d;
}

void
drbg_change(struct drbg *d, const struct proto_delivery *delivery)
{
	if (delivery->reseed_bytes < DRBG_OUTPUT_MAX ||
	    delivery->reseed_interval == 0)
		log_fatal(
		    "invalid reseed interval of a DRBG: %llu bytes, %llu ns",
		    (unsigned long long)delivery->reseed_bytes,
		    (unsigned long long)delivery->reseed_interval);
	d->resistance = delivery->prediction_resistance != 0;
	d->reseed_bytes = delivery->reseed_bytes;
	d->interval = delivery->reseed_interval;
}

bool
drbg_needs_seed(const struct drbg *d, uint64_t now)
{
	return !d->seeded || d->output >= d->reseed_bytes ||
	    (now > d->since && now - d->since >= d->interval) ||
	    (d->resistance && d->output > 0);
}

/* Logs the failure once, until it works again. */
static int
refuse(struct drbg *d, const char *what)
{
	const char *why = take_error();

	if (!d->refused)
		log_warning("libcrypto cannot %s a DRBG: %s", what, why);
	d->refused = true;
	d->seeded = false;
	return -1;
}

int
drbg_seed(struct drbg *d, const uint8_t *seed, size_t n, uint64_t now)
{
	if (n < DRBG_SEED_MIN || n > DRBG_SEED_MAX)
		log_fatal("invalid size of a DRBG's seed: %zu bytes", n);
	if (instantiate(d, seed, n) == -1)
		return refuse(d, "seed");
	d->seeded = true;
	d->output = 0;
	d->since = now;
	return 0;
}

/*
 * If the clock goes back, the time of the seed goes back too, so that the
 * interval grows by at most that amount.
 */
int
drbg_generate(struct drbg *d, uint8_t *out, size_t n, uint64_t now)
{
	if (n > DRBG_OUTPUT_MAX)
		log_fatal("too many bytes at once from a DRBG: %zu", n);
	if (now < d->since)
		d->since = now;
	if (drbg_needs_seed(d, now) || n > d->reseed_bytes - d->output) {
		d->seeded = false;
		return -1;
	}
	if (generate(d, out, n) == -1) {
		explicit_bzero(out, n);
		return refuse(d, "draw on");
	}
	d->output += n;
	d->refused = false;
	return 0;
}
