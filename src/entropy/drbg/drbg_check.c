/*
 * The known-answer self-test of the CTR_DRBG.  Used by drbg.c at the start.
 */
#include <openssl/crypto.h>
#include <string.h>

#include "entropy/drbg/drbg_check.h"
#include "common/log.h"

/*
 * From NIST's drbgtestvectors.zip, out of CTR_DRBG.rsp in each of its three
 * directories, [AES-256 use df]: one answer of each way through the generator.
 * tests/unit/drbg has more.
 */
const struct drbg_vector drbg_vectors[DRBG_VECTORS] = {
	{
	    .name = "no_reseed, personalized, additional input",
	    .seed =
		"87b56e964eba227154724bb9484b812d3e2c0c43b3d17f6098d9526e16e6d0ef"
		"9bea6a7ff2358df142e6c23e2157fb83",
	    .personal =
		"9860b432edd58d1ccbfeecbce99ffaee7d935a614860d4e965bd67041403096b",
	    .outputs[0].more =
		"99a5cc87924e8ea65a596f81fd17d63f5b4542fe6e8e1511b5d35c835dfadb0b",
	    .outputs[1].more =
		"9a8dec54734a34582a2332f3452e82313524c3e0dfb485faeac6ca5fc0ff504d",
	    .answer =
		"dbc6a2330b19b5cddd8cd6392ec1fb508678c805e87d1aca07ac265007632503"
		"044a00610c79d98375afa7ab4cca1a90989cbfe7c674af5d823ced11c47e9af6",
	},
	{
	    .name = "pr_false, personalized, additional input",
	    .seed =
		"174b46250051a9e3d80c56ae7163dafe7e54481a56cafd3b8625f99bbb29c442"
		"98ffd99c466e0e94a45da7e0e82dbc6b",
	    .personal =
		"7095268e99938b3e042734b9176c9aa051f00a5f8d2a89ada214b89beef18ebf",
	    .reseed.entropy =
		"e88be1967c5503f65d23867bbc891bd679db03b4878663f6c877592df25f0d9a",
	    .reseed.more =
		"cdf6ad549e45b6aa5cd67d024931c33cd133d52d5ae500c3015020beb30da063",
	    .outputs[0].more =
		"c7228e90c62f896a09e11684530102f926ec90a3255f6c21b857883c75800143",
	    .outputs[1].more =
		"76a94f224178fe4cbf9e2b8acc53c9dc3e50bb613aac8936601453cda3293b17",
	    .answer =
		"1a6d8dbd642076d13916e5e23038b60b26061f13dd4e006277e0268698ffb2c8"
		"7e453bae1251631ac90c701a9849d933995e8b0221fe9aca1985c546c2079027",
	},
	{
	    .name = "pr_true, personalized, additional input",
	    .seed =
		"534346a3e0baa65d7a51871b6d633a6f1efa9ff55dfde3212c95029adf2387d9"
		"0cbe99821509975d824fd826c47d2abc",
	    .personal =
		"020d7340569e68d992e6e8ddfbead9f993c74d971e4339fe91074f87e9d7d777",
	    .outputs[0].entropy =
		"286091709d2e91bfef6654b8449d5e5564b6c2fe1f3e4e6e59fe776461bfb0dc",
	    .outputs[0].more =
		"f41040eff2a7010287c2a76d7867a66e61299be1e1247a6b22a64b829ada8624",
	    .outputs[1].entropy =
		"e68e127b2e5b9d6539c26f7e78bec13314e37febdb7105d1d65f0bde23c87d38",
	    .outputs[1].more =
		"94efe68e2185646a17bb8a83268142a7b7a02786c1ee90ab8f7399ccf543de26",
	    .answer =
		"da6389d151e3b2b332fbcc02b2cc5af4f69835e9fbbe19130f91cbf30a3c2458"
		"0ebfb4311b3487e9d6a61de9dc2842c107152158b0e75a932c38e5b8ddff10e6",
	},
};

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
