/*
 * The known-answer self-test of the CTR_DRBG.  Used by drbg.c at the start.
 */
#include <openssl/crypto.h>
#include <string.h>

#include "entropy/drbg/drbg_check.h"
#include "common/log.h"

/* Bytes of the longest string in a vector. */
#define STRING_MAX 64

struct string {
	uint8_t bytes[STRING_MAX];
	size_t n;
};

static struct drbg_input
parse(struct string *s, const char *hex)
{
	if (hex == NULL)
		return (struct drbg_input){ NULL, 0 };
	if (!OPENSSL_hexstr2buf_ex(s->bytes, sizeof(s->bytes), &s->n, hex,
		'\0'))
		log_fatal("a known answer is not hexadecimal: %s",
		    drbg_ctr_error());
	return (struct drbg_input){ s->bytes, s->n };
}

static int
seed(struct drbg_ctr *c, const char *entropy, const char *more)
{
	struct string seeds, inputs;

	return drbg_ctr_seed(c, parse(&seeds, entropy), parse(&inputs, more));
}

/*
 * Additional input of an output that is reseeded for goes into the reseeding
 * (SP 800-90A 9.3.1, step 7.4).
 */
static int
generate(struct drbg_ctr *c, const struct drbg_vector_step *step, uint8_t *out,
    size_t n)
{
	struct string inputs;
	const char *more = step->more;

	if (step->entropy != NULL) {
		if (seed(c, step->entropy, more) == -1)
			return -1;
		more = NULL;
	}
	return drbg_ctr_generate(c, out, n, parse(&inputs, more));
}

static bool
passes(struct drbg_ctr *c, const struct drbg_vector *v)
{
	struct string answers;
	struct drbg_input answer = parse(&answers, v->answer);
	uint8_t out[STRING_MAX];

	return seed(c, v->seed, v->personal) == 0 &&
	    (v->reseed.entropy == NULL ||
		seed(c, v->reseed.entropy, v->reseed.more) == 0) &&
	    generate(c, &v->outputs[0], out, answer.n) == 0 &&
	    generate(c, &v->outputs[1], out, answer.n) == 0 &&
	    memcmp(out, answer.bytes, answer.n) == 0;
}

const char *
drbg_check(const struct drbg_library *l, const struct drbg_vector *vectors,
    size_t n)
{
	struct drbg_ctr c;
	bool passed;

	for (size_t i = 0; i < n; i++) {
		if (drbg_ctr_open(&c, l) == -1)
			return vectors[i].name;
		passed = passes(&c, &vectors[i]);
		drbg_ctr_close(&c);
		if (!passed)
			return vectors[i].name;
	}
	return NULL;
}
