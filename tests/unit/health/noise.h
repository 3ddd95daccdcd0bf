/*
 * Sources as health tests know them, and noise for them.
 */
#ifndef NOISE_H
#define NOISE_H

#include <string.h>
#include <unistd.h>

#include "unit/unit.h"

#include "entropy/health/health.h"

#define NOISE_ALPHA 40

/*
 * What values count in the lag test comes from here instead of the C library,
 * so that each run is the same, and two tests are after the same number.
 */
static uint64_t noise_mix;

int
getentropy(void *buf, size_t len)
{
	unit_fill(buf, len, noise_mix++);
	return 0;
}

/* Raw noise: samples of `bits` bits, with `entropy` / 1000 bit each. */
static inline struct proto_source
noise_raw(uint32_t bits, uint32_t entropy, uint32_t alpha)
{
	return (struct proto_source){
		.noise = NOISE_RAW,
		.sample_bits = bits,
		.min_entropy = entropy,
		.alpha = alpha,
	};
}

static inline struct proto_source
noise_conditioned(void)
{
	return (struct proto_source){ .noise = NOISE_CONDITIONED };
}

/* Random bytes: of a multiple of 8, faster than unit_fill(). */
static inline void
noise_fill(uint8_t *buf, size_t len, uint64_t *seed)
{
	uint64_t word;

	for (size_t i = 0; i < len; i += sizeof(word)) {
		word = unit_random(seed);
		memcpy(buf + i, &word,
		    len - i < sizeof(word) ? len - i : sizeof(word));
	}
}

#endif
