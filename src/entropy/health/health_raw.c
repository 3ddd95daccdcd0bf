/*
 * Repetition count and adaptive proportion test (SP 800-90B 4.4); pure.  Used
 * by health.c.
 */
#include <math.h>

#include "entropy/health/health_raw.h"

uint32_t
rct_cutoff(uint32_t min_entropy, uint32_t alpha)
{
	return 1 + (alpha * 1000 + min_entropy - 1) / min_entropy;
}

/*
 * 1 + CRITBINOM(window, p, 1 - 2^-alpha), where p = 2^-H is the frequency of
 * the most frequent sample.  That is one more than the largest count that is
 * reached with a probability above 2^-alpha.  The probability is summed from
 * the far end of the tail, where the terms are smallest, each computed from the
 * previous one: only positive numbers are added, and as logarithms they cannot
 * underflow.  The result exceeds the window if a window full of one sample is
 * likely enough: then the test never fails, as in the standard.
 */
uint32_t
apt_cutoff(uint32_t window, uint32_t min_entropy, uint32_t alpha)
{
	long double h = min_entropy / 1000.0L, alarm = exp2l(-(int)alpha);
	long double odds = log2l(-expm1l(-h * logl(2.0L))) + h;
	long double term = -h * window, tail = 0;
	uint32_t count;

	for (count = window; count > 0; count--) {
		tail += exp2l(term);
		if (tail > alarm)
			break;
		term += odds + log2l((long double)count / (window - count + 1));
	}
	return count + 1;
}

/*
 * Computes the length of the run without a branch, which would be unpredictable
 * for random samples.  The first sample starts a run for any `last`: the run
 * before has no length.
 */
static enum health_verdict
rct_sample(struct rct *rct, uint8_t sample)
{
	if (rct->run >= rct->cutoffs.alarm && sample != rct->last)
		return HEALTH_FAILED;
	rct->run = rct->run * (sample == rct->last) + 1;
	rct->last = sample;
	if (rct->run < rct->cutoffs.alarm)
		return HEALTH_OK;
	return rct->run < rct->cutoffs.latch ? HEALTH_FAILING : HEALTH_LATCHED;
}

static enum health_verdict
apt_sample(struct apt *apt, uint8_t sample)
{
	if (apt->seen == apt->window)
		apt->seen = 0;
	if (apt->seen == 0) {
		apt->first = sample;
		apt->count = 0;
	}
	apt->seen++;
	apt->count += sample == apt->first;
	if (apt->count < apt->cutoffs.alarm)
		return HEALTH_OK;
	if (apt->count >= apt->cutoffs.latch)
		return HEALTH_LATCHED;
	return apt->seen < apt->window ? HEALTH_FAILING : HEALTH_FAILED;
}

static enum health_verdict
health_raw_sample(struct health_raw *raw, uint8_t sample)
{
	enum health_verdict verdict = HEALTH_OK;

	if (raw->failing != TEST_PROPORTION) {
		verdict = rct_sample(&raw->rct, sample);
		if (verdict != HEALTH_OK)
			raw->failing = TEST_REPETITION;
	}
	if (raw->failing != TEST_REPETITION) {
		verdict = apt_sample(&raw->apt, sample);
		if (verdict != HEALTH_OK)
			raw->failing = TEST_PROPORTION;
	}
	return verdict;
}

void
health_raw_init(struct health_raw *raw, const struct proto_source *spec)
{
	uint32_t h = spec->min_entropy;
	struct apt *apt = &raw->apt;

	raw->sample_bits = spec->sample_bits;
	raw->rct.cutoffs.alarm = rct_cutoff(h, spec->alpha);
	raw->rct.cutoffs.latch = rct_cutoff(h, ALPHA_MAX);
	apt->window = spec->sample_bits == 1 ? APT_WINDOW_BINARY : APT_WINDOW;
	apt->cutoffs.alarm = apt_cutoff(apt->window, h, spec->alpha);
	apt->cutoffs.latch = apt_cutoff(apt->window, h, ALPHA_MAX);
	health_raw_restart(raw);
}

void
health_raw_restart(struct health_raw *raw)
{
	raw->rct.run = 0;
	raw->rct.last = 0;
	raw->apt.seen = 0;
	raw->apt.count = 0;
	raw->apt.first = 0;
	raw->failing = TEST_NONE;
}

size_t
health_raw_feed(struct health_raw *raw, const uint8_t *bytes, size_t n,
    enum health_verdict *verdict)
{
	const uint32_t bits = raw->sample_bits;
	const uint8_t mask = (uint8_t)((1U << bits) - 1);
	uint32_t shift;
	size_t i;

	*verdict = HEALTH_OK;
	for (i = 0; i < n; i++) {
		/* The first sample is in the most significant bits. */
		for (shift = 8; shift > 0; shift -= bits) {
			*verdict = health_raw_sample(raw,
			    (bytes[i] >> (shift - bits)) & mask);
			if (*verdict == HEALTH_FAILED ||
			    *verdict == HEALTH_LATCHED)
				return i + 1;
		}
		if (*verdict != HEALTH_OK)
			return i + 1;
	}
	return n;
}
