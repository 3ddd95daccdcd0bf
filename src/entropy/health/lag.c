/*
 * The lag test for repeated sequences; pure.  Used by health.c.
 */
#include <errno.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "entropy/health/lag.h"
#include "common/locked.h"
#include "common/log.h"

#define PIECE	    4096 /* bytes searched at once */
#define VALUES	    256
#define GETENTROPY  256 /* bytes, at most */
#define STRIDE_MIN  32
#define STRIDE_MAX  256
#define STRIDE_BITS 256				 /* of min-entropy */
#define TAG_SPREAD  UINT64_C(0xd1342543de82ef95) /* odd, arbitrary */

/*
 * Sets the parameters of a stride, for bytes with `entropy` bits each: a hit is
 * 13/16 of a window, or chance.
 */
static void
lag_set_stride(struct lag_limits *limits, size_t stride, double entropy,
    uint32_t alpha)
{
	const size_t window = stride > STRIDE_MIN ? 64 : 32;
	double alike = exp2(-entropy * (double)window * 13 / 16);
	double bits = -log2(alike + exp2(-LAG_TAG_BITS));

	limits->stride = stride;
	limits->window = window;
	limits->found = (uint32_t)ceil((alpha + LAG_CHOICES) / bits);
	limits->latch = (uint32_t)ceil((ALPHA_MAX + LAG_CHOICES) / bits);
}

void
lag_limits_raw(struct lag_limits *limits, uint32_t sample_bits,
    uint32_t min_entropy, uint32_t alpha)
{
	const double entropy = min_entropy * 8.0 / sample_bits / 1000;
	size_t stride = STRIDE_MIN;

	limits->look_back = LAG_LOOK_BACK;
	limits->differences = true;
	while (stride < STRIDE_MAX && (double)stride * entropy < STRIDE_BITS)
		stride *= 2;
	lag_set_stride(limits, stride, entropy, alpha);
	/* With a longer one, carries would hide counters. */
	while (limits->stride > STRIDE_MIN &&
	    limits->latch * limits->stride > LAG_LOOK_BACK)
		lag_set_stride(limits, limits->stride / 2, entropy, alpha);
}

/* The contribution of values to the hashes of a sequence. */
static void
lag_fill_mix(void *mix)
{
	uint8_t *at = mix;
	size_t size = VALUES * sizeof(uint64_t);

	for (; size > 0; size -= GETENTROPY, at += GETENTROPY)
		if (getentropy(at, GETENTROPY) == -1)
			log_fatal(
			    "cannot get random numbers for health tests: %s",
			    strerror(errno));
}

void
lag_init(struct lag *lag, const struct lag_limits *limits)
{
	const size_t places = limits->look_back / limits->stride;
	const size_t mix = VALUES * sizeof(uint64_t);
	const size_t tags = places * sizeof(uint32_t);
	const size_t chains = limits->stride * sizeof(struct lag_chain);
	const size_t index = places * sizeof(uint16_t);
	struct lag_sequence *seq;
	uint8_t *at;

	memset(lag, 0, sizeof(*lag));
	lag->limits = *limits;
	lag->places = places;
	lag->nsequences = limits->differences ? LAG_SEQUENCES : 1;
	lag->size = mix + lag->nsequences * (tags + chains + index);
	lag->memory = at = locked_map(lag->size);
	lag_fill_mix(at);
	lag->mix = lag->memory;
	at += mix;
	for (size_t i = 0; i < lag->nsequences; i++) {
		seq = &lag->sequences[i];
		seq->distance = i == 0 ? 0 : (size_t)1 << (i - 1);
		seq->tags = (void *)at;
		at += tags;
		seq->chains = (void *)at;
		at += chains;
		seq->index = (void *)at;
		at += index;
	}
}

void
lag_restart(struct lag *lag)
{
	const size_t mix = VALUES * sizeof(uint64_t);

	explicit_bzero((uint8_t *)lag->memory + mix, lag->size - mix);
	for (size_t i = 0; i < lag->nsequences; i++)
		lag->sequences[i].hash = 0;
	explicit_bzero(lag->recent, sizeof(lag->recent));
	lag->seen = 0;
	lag->followed = NULL;
	lag->chain = NULL;
}

void
lag_free(struct lag *lag)
{
	locked_unmap(lag->memory, lag->size);
	explicit_bzero(lag, sizeof(*lag));
}

/*
 * Continues a possible repetition at a window that has ended after `at` bytes,
 * or starts one at `place`, where the index has its tag.
 */
static enum health_verdict
lag_hit(struct lag *lag, struct lag_sequence *seq, size_t at, uint32_t tag,
    size_t place)
{
	const size_t mask = lag->places - 1, now = at / lag->limits.stride;
	struct lag_chain *chain = &seq->chains[at & (lag->limits.stride - 1)];

	if (chain->hits > 0 && seq->tags[(now - chain->places) & mask] == tag)
		chain->hits++;
	else if (seq->tags[place] == tag) {
		chain->places = (uint16_t)((now - place) & mask);
		chain->hits = 1;
	} else
		chain->hits = 0;
	if (chain->hits < lag->limits.found)
		return HEALTH_OK;
	lag->followed = seq;
	lag->chain = chain;
	return chain->hits < lag->limits.latch ? HEALTH_FAILING
					       : HEALTH_LATCHED;
}

/*
 * Looks for sequences in `n` bytes, before which there are `distance` more, up
 * to a repeated one, and returns the number of bytes.
 *
 * A hash is shifted for each value until the value has left it: old values need
 * not be kept.  All bits of the hash form the tag.  At the end of a stride the
 * tag is stored in the table, after it was looked up: until then the table has
 * the one of a whole look-back before.  No window extends before the first
 * byte.
 */
static inline __attribute__((always_inline)) size_t
lag_search(struct lag *lag, struct lag_sequence *seq, size_t distance,
    const uint8_t *bytes, size_t n, enum health_verdict *verdict)
{
	const size_t mask = lag->limits.stride - 1, places = lag->places - 1;
	const size_t window = lag->limits.window;
	const uint32_t step = 64 / (uint32_t)window;
	const uint64_t *const mix = lag->mix;
	const struct lag_chain *const chains = seq->chains;
	uint32_t *const tags = seq->tags, tag;
	uint16_t *const index = seq->index;
	uint64_t hash = seq->hash;
	size_t i, at = lag->seen, place;
	uint8_t value;

	for (i = 0; i < n && *verdict == HEALTH_OK; i++) {
		value = bytes[i];
		if (distance > 0)
			value -= *(bytes + i - distance);
		at++;
		hash = (hash << step) + mix[value];
		tag = (uint32_t)((hash ^ hash >> 32) * TAG_SPREAD >>
		    (64 - LAG_TAG_BITS));
		place = index[tag & places];
		if (tags[place] == tag || chains[at & mask].hits > 0)
			*verdict = lag_hit(lag, seq, at, tag, place);
		if ((at & mask) > 0 || at < window + LAG_DISTANCE_MAX)
			continue;
		place = at / (mask + 1) & places;
		tags[place] = tag;
		index[tag & places] = (uint16_t)place;
	}
	seq->hash = hash;
	return i;
}

static size_t
lag_search_any(struct lag *lag, struct lag_sequence *seq, const uint8_t *bytes,
    size_t n, enum health_verdict *verdict)
{
	/* The compiler makes the first one faster. */
	return seq->distance == 0
	    ? lag_search(lag, seq, 0, bytes, n, verdict)
	    : lag_search(lag, seq, seq->distance, bytes, n, verdict);
}

/*
 * Looks for sequences in a piece.  The first repeated one counts; others may
 * have been searched beyond it, but will not be used.
 */
static size_t
lag_piece(struct lag *lag, const uint8_t *bytes, size_t n,
    enum health_verdict *verdict)
{
	size_t upto, end = n, limit = n;
	enum health_verdict found;

	for (size_t i = 0; i < lag->nsequences; i++) {
		found = HEALTH_OK;
		upto = lag_search_any(lag, &lag->sequences[i], bytes, limit,
		    &found);
		if (found == HEALTH_OK)
			continue;
		*verdict = found;
		end = upto;
		limit = upto - 1;
	}
	return end;
}

/*
 * Tests the next byte after HEALTH_FAILING: only that chain counts, at the end
 * of its next window.
 */
static enum health_verdict
lag_follow(struct lag *lag, const uint8_t *byte)
{
	struct lag_chain *chain = lag->chain;
	enum health_verdict ignored = HEALTH_OK;
	const uint16_t hits = chain->hits;

	lag_search_any(lag, lag->followed, byte, 1, &ignored);
	lag->chain = chain;
	if (((lag->seen + 1) & (lag->limits.stride - 1)) !=
	    (size_t)(chain - lag->followed->chains))
		return HEALTH_FAILING;
	if (chain->hits <= hits)
		return HEALTH_FAILED;
	return chain->hits < lag->limits.latch ? HEALTH_FAILING
					       : HEALTH_LATCHED;
}

/*
 * Tests a piece.  Differences need the bytes before it: these are in the feed
 * or, for its first piece, kept.
 */
static size_t
lag_next(struct lag *lag, const uint8_t *bytes, size_t n, bool kept,
    enum health_verdict *verdict)
{
	uint8_t *const next = lag->recent + LAG_DISTANCE_MAX;

	if (kept) {
		n = n < LAG_DISTANCE_MAX ? n : LAG_DISTANCE_MAX;
		memcpy(next, bytes, n);
		bytes = next;
	} else
		n = n < PIECE ? n : PIECE;
	if (lag->followed == NULL)
		n = lag_piece(lag, bytes, n, verdict);
	else {
		n = 1;
		*verdict = lag_follow(lag, bytes);
	}
	lag->seen += n;
	if (lag->limits.differences)
		memmove(lag->recent, bytes + n - LAG_DISTANCE_MAX,
		    LAG_DISTANCE_MAX);
	explicit_bzero(next, LAG_DISTANCE_MAX);
	return n;
}

size_t
lag_feed(struct lag *lag, const uint8_t *bytes, size_t n,
    enum health_verdict *verdict)
{
	size_t done = 0;

	*verdict = HEALTH_OK;
	while (done < n && *verdict == HEALTH_OK)
		done += lag_next(lag, bytes + done, n - done,
		    lag->limits.differences && done < LAG_DISTANCE_MAX,
		    verdict);
	return done;
}
