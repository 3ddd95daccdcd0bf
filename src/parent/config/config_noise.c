#include <string.h>

#include "parent/config/config_build.h"

#define ALPHA_MIN	20 /* 2^-20 */
#define ALPHA_MAX	60
#define SAMPLE_BITS_MAX 8

static const char *const noises[] = {
	[NOISE_CONDITIONED] = "conditioned",
	[NOISE_RAW] = "raw",
};

const struct config_choice config_noises = { noises, 2 };

/*
 * Reads a number of bits with at most three decimals, as 1/1000 bit.  Returns
 * whether it is one; a number too large becomes UINT64_MAX.
 */
static bool
read_bits(const char *text, uint64_t *bits)
{
	const char *rest = config_digits(text, bits), *end;
	uint64_t decimals = 0;

	if (rest == NULL)
		return false;
	if (__builtin_mul_overflow(*bits, UINT64_C(1000), bits))
		*bits = UINT64_MAX;
	if (rest[0] == '\0')
		return true;
	if (rest[0] != '.' ||
	    (end = config_digits(rest + 1, &decimals)) == NULL)
		return false;
	for (const char *c = end; c < rest + 4; c++)
		decimals *= 10;
	if (__builtin_add_overflow(*bits, decimals, bits))
		*bits = UINT64_MAX;
	return end[0] == '\0' && end <= rest + 4;
}

static void
set_min_entropy(struct config_reader *r, struct config_block *block,
    struct proto_source *spec)
{
	const struct config_setting *s = block->set[KEY_MIN_ENTROPY];
	uint64_t bits;

	if (s == NULL)
		return;
	if (!read_bits(s->value, &bits))
		config_value_bad(r, block, KEY_MIN_ENTROPY,
		    "is not a number of bits: write it like 7.5 or 0.8, with "
		    "at most 3 decimals");
	else if (bits < 1 || bits > UINT64_C(1000) * spec->sample_bits)
		config_value_bad(r, block, KEY_MIN_ENTROPY,
		    "is out of range: a sample has %u bit%s, of which 0.001 to "
		    "%u may be entropy",
		    spec->sample_bits, spec->sample_bits == 1 ? "" : "s",
		    spec->sample_bits);
	else
		spec->min_entropy = (uint32_t)bits;
}

/* Returns false after a mistake. */
static bool
set_sample_bits(struct config_reader *r, struct config_block *block,
    struct proto_source *spec)
{
	const struct config_setting *s = block->set[KEY_SAMPLE_BITS];
	const char *rest;
	uint64_t bits;

	if (s == NULL)
		return true;
	rest = config_digits(s->value, &bits);
	if (rest == NULL || rest[0] != '\0' || bits < 1 ||
	    bits > SAMPLE_BITS_MAX || (bits & (bits - 1)) != 0) {
		config_value_bad(r, block, KEY_SAMPLE_BITS,
		    "is not 1, 2, 4 or 8");
		return false;
	}
	spec->sample_bits = (uint32_t)bits;
	return true;
}

static void
set_alpha(struct config_reader *r, struct config_block *block,
    struct proto_source *spec)
{
	const struct config_setting *s = block->set[KEY_ALPHA];
	const char *rest = NULL;
	uint64_t n = 0;

	if (s == NULL)
		return;
	if (strncmp(s->value, "2^-", 3) == 0)
		rest = config_digits(s->value + 3, &n);
	if (rest == NULL || rest[0] != '\0' || n < ALPHA_MIN || n > ALPHA_MAX)
		config_value_bad(r, block, KEY_ALPHA,
		    "is not one of 2^-%d to 2^-%d: write it like 2^-40",
		    ALPHA_MIN, ALPHA_MAX);
	else
		spec->alpha = (uint32_t)n;
}

/* What is said of samples where there are none. */
static void
check_conditioned(struct config_reader *r, const struct config_block *block)
{
	static const enum config_key keys[] = { KEY_MIN_ENTROPY,
		KEY_SAMPLE_BITS, KEY_ALPHA };
	const struct config_setting *s;

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if ((s = block->set[keys[i]]) != NULL)
			config_block_mistake(r, block, s->place,
			    "%s goes with noise = raw: add that, or remove %s",
			    s->key, s->key);
}

/* Raw noise by the words of the block, rather than by those of a preset. */
static bool
needs_min_entropy(const struct config_block *block)
{
	return block->set[KEY_MIN_ENTROPY] == NULL && !block->damaged &&
	    (block->set[KEY_PRESET] == NULL ||
		block->set[KEY_SAMPLE_BITS] != NULL);
}

void
config_noise(struct config_reader *r, struct config_block *block,
    struct proto_source *spec)
{
	bool known = true;

	if (block->set[KEY_NOISE] != NULL)
		known = config_value_choice(r, block, KEY_NOISE, &config_noises,
		    &spec->noise);
	if (known && spec->noise == NOISE_CONDITIONED) {
		if (!block->damaged)
			check_conditioned(r, block);
		spec->min_entropy = UINT32_C(1000) * spec->sample_bits;
		return;
	}
	if (set_sample_bits(r, block, spec))
		set_min_entropy(r, block, spec);
	set_alpha(r, block, spec);
	if (known && needs_min_entropy(block))
		config_block_mistake(r, block,
		    block->set[KEY_NOISE] != NULL
			? block->set[KEY_NOISE]->place
			: block->set[KEY_SAMPLE_BITS]->place,
		    "raw noise needs a figure for the entropy in a sample: add "
		    "min-entropy = BITS");
}
