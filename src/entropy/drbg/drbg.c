/*
 * A CTR_DRBG for each consumer that has one: seeds, reseeds, generates.  Used
 * by delivery.c; main.c runs its self-test.
 */
#include <stdlib.h>
#include <string.h>

#include "entropy/drbg/drbg.h"
#include "entropy/drbg/drbg_check.h"
#include "entropy/drbg/drbg_ctr.h"
#include "common/log.h"

struct drbg {
	struct drbg_ctr ctr;
	bool seeded;	       /* and not in need of another seed: */
	bool resistance;       /* after any output, */
	uint64_t reseed_bytes; /* after so much of it, */
	uint64_t interval;     /* or so long, ns */
	uint64_t output;       /* bytes since the seed */
	uint64_t since;	       /* ns, when that was */
	bool refused;	       /* libcrypto did; logged */
};

/*
 * libcrypto is loaded once for a process, and neither changed nor unloaded.
 * `told`: that it could not lock its memory, which nobody needs to know who has
 * no generator.
 */
static struct {
	struct drbg_library library;
	bool told;
} loaded;

void
drbg_start(void)
{
	const char *failed;

	drbg_ctr_load(&loaded.library);
	failed = drbg_check(&loaded.library, drbg_vectors, DRBG_VECTORS);
	if (failed != NULL)
		log_fatal("libcrypto's CTR_DRBG does not give NIST's known "
			  "answer \"%s\" (%s): do not use this libcrypto",
		    failed, drbg_ctr_error());
}

struct drbg *
drbg_new(const struct proto_delivery *delivery)
{
	struct drbg *d;

	if (!loaded.library.locked && !loaded.told) {
		log_warning("cannot lock 4 MiB for the states of DRBGs in "
			    "memory: they may be swapped out; raise "
			    "RLIMIT_MEMLOCK");
		loaded.told = true;
	}
	if ((d = calloc(1, sizeof(*d))) == NULL)
		log_fatal("out of memory for a DRBG");
	if (drbg_ctr_open(&d->ctr, &loaded.library) == -1)
		log_fatal("libcrypto has no further CTR_DRBG: %s",
		    drbg_ctr_error());
	drbg_change(d, delivery);
	return d;
}

void
drbg_change(struct drbg *d, const struct proto_delivery *delivery)
{
	if (delivery->reseed_bytes < DRBG_OUTPUT_MAX ||
	    delivery->reseed_interval == 0)
		log_fatal("a DRBG cannot be reseeded every %llu bytes, %llu ns",
		    (unsigned long long)delivery->reseed_bytes,
		    (unsigned long long)delivery->reseed_interval);
	d->resistance = delivery->prediction_resistance != 0;
	d->reseed_bytes = delivery->reseed_bytes;
	d->interval = delivery->reseed_interval;
}

void
drbg_free(struct drbg *d)
{
	if (d == NULL)
		return;
	drbg_ctr_close(&d->ctr);
	free(d);
}

bool
drbg_needs_seed(const struct drbg *d, uint64_t now)
{
	return !d->seeded || d->output >= d->reseed_bytes ||
	    (now > d->since && now - d->since >= d->interval) ||
	    (d->resistance && d->output > 0);
}

/* Says so once, until it works again. */
static int
refuse(struct drbg *d, const char *what)
{
	const char *why = drbg_ctr_error();

	if (!d->refused)
		log_warning("libcrypto could not %s a DRBG: %s", what, why);
	d->refused = true;
	d->seeded = false;
	return -1;
}

int
drbg_seed(struct drbg *d, const uint8_t *seed, size_t n, uint64_t now)
{
	if (n < DRBG_SEED_MIN || n > DRBG_SEED_MAX)
		log_fatal("a DRBG cannot be seeded with %zu bytes", n);
	if (drbg_ctr_seed(&d->ctr, (struct drbg_input){ seed, n },
		(struct drbg_input){ NULL, 0 }) == -1)
		return refuse(d, "seed");
	d->seeded = true;
	d->output = 0;
	d->since = now;
	return 0;
}

/*
 * A clock that goes back takes the time of the seed with it, so that it never
 * makes an interval longer by more than it went back.
 */
int
drbg_generate(struct drbg *d, uint8_t *out, size_t n, uint64_t now)
{
	if (n > DRBG_OUTPUT_MAX)
		log_fatal("a DRBG cannot give %zu bytes at once", n);
	if (now < d->since)
		d->since = now;
	if (drbg_needs_seed(d, now) || n > d->reseed_bytes - d->output) {
		d->seeded = false;
		return -1;
	}
	if (drbg_ctr_generate(&d->ctr, out, n,
		(struct drbg_input){ NULL, 0 }) == -1) {
		explicit_bzero(out, n);
		return refuse(d, "draw on");
	}
	d->output += n;
	d->refused = false;
	return 0;
}
