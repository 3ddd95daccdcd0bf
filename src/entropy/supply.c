/*
 * Selects or combines the sources of a pool.  Used by delivery.c, and by
 * entropy.c when the state of a source has changed.
 */
#include <string.h>

#include "entropy/drbg/drbg.h"
#include "common/log.h"
#include "entropy/supply.h"

#define BYTE_ENTROPY 8000 /* of a random byte, 1/1000 bit */

/* The entropy of a byte of a source, 1/1000 bit. */
static uint32_t
source_entropy(const struct proto_source *spec)
{
	if (spec->noise == NOISE_CONDITIONED)
		return BYTE_ENTROPY;
	return spec->min_entropy * 8 / spec->sample_bits;
}

/* The size of a seed from bytes with that entropy. */
static size_t
seed_size(uint32_t entropy)
{
	return (DRBG_SEED_BITS * 1000 + entropy - 1) / entropy;
}

void
supply_init(struct supply *s, const struct proto_pool *pool,
    struct source *sources)
{
	static const struct proto_source combined = {
		.noise = NOISE_CONDITIONED,
		.sample_bits = 8,
		.min_entropy = BYTE_ENTROPY,
		.alpha = 40,
	};

	memset(s, 0, sizeof(*s));
	s->pool = *pool;
	s->sources = sources;
	for (uint32_t i = 0; i < pool->nsources; i++)
		if (seed_size(source_entropy(&sources[i].dev.spec)) >
		    DRBG_SEED_MAX)
			log_warning("source %s: min-entropy is too low to seed "
				    "a DRBG",
			    sources[i].dev.spec.name);
	stock_init(&s->empty, STOCK_SIZE_MIN);
	s->stock = &s->empty;
	if (pool->combine != COMBINE_XOR)
		return;
	stock_init(&s->result, pool->stock);
	s->health = health_new(&combined);
	s->stock = &s->result;
}

static bool
is_ok(const struct supply *s, uint32_t i)
{
	return s->states[i].status == SOURCE_OK;
}

/*
 * The source to deliver from: the first healthy one or, if there is none, the
 * first with tested bytes left.  Fewer than are granted at once do not count:
 * they would hide that the pool has no source.  -1: none.
 */
static int
choose(struct supply *s)
{
	int left = -1;

	for (uint32_t i = 0; i < s->pool.nsources; i++) {
		if (is_ok(s, i))
			return (int)i;
		if (left == -1 && stock_held(&s->sources[i].stock) >= GRANT_MIN)
			left = (int)i;
	}
	return left;
}

static void
serve_first(struct supply *s)
{
	int i = choose(s);

	s->serving = i == -1 ? 0 : 1U << i;
	s->stock = i == -1 ? &s->empty : &s->sources[i].stock;
}

/* Wipes the combined bytes. */
static void
discard_result(struct supply *s)
{
	stock_forget(&s->result);
	stock_remove(&s->result, stock_held(&s->result));
	health_restart(s->health);
	s->parts = 0;
}

/* XORs the next `n` bytes of a stock into those at `to`, and wipes them. */
static void
xor_into(uint8_t *to, struct stock *stock, size_t n)
{
	struct iovec iov[2];
	const uint8_t *from;

	stock_peek(stock, n, iov);
	for (int i = 0; i < 2; i++) {
		from = iov[i].iov_base;
		for (size_t j = 0; j < iov[i].iov_len; j++)
			*to++ ^= from[j];
	}
	stock_remove(stock, n);
}

/*
 * The combined bytes are not random.  Which source is at fault is unknown, so
 * all combined sources start again.
 */
static void
condemn(struct supply *s)
{
	for (uint32_t i = 0; i < s->pool.nsources; i++)
		if (is_ok(s, i))
			source_condemn(&s->sources[i], TEST_COMBINED);
	discard_result(s);
}

/* The number of bytes that all healthy sources have and the result can hold. */
static size_t
ready(struct supply *s)
{
	size_t held, n;

	n = s->result.capacity - stock_held(&s->result) - s->result.kept;
	for (uint32_t i = 0; i < s->pool.nsources; i++) {
		if (!is_ok(s, i))
			continue;
		held = stock_held(&s->sources[i].stock);
		n = held < n ? held : n;
	}
	return n;
}

/* The entropy of a byte of the best source in use, 1/1000 bit.  0: no source. */
static uint32_t
best_entropy(const struct supply *s)
{
	uint32_t best = 0, entropy;

	for (uint32_t i = 0; i < s->pool.nsources; i++) {
		if ((s->serving & 1U << i) == 0)
			continue;
		entropy = source_entropy(&s->sources[i].dev.spec);
		best = entropy > best ? entropy : best;
	}
	return best;
}

/*
 * Combines `n` bytes, or as many as fit in one piece.  Returns whether they
 * have passed the tests.
 */
static bool
combine(struct supply *s, size_t n)
{
	uint8_t *to;
	size_t size, most = s->result.capacity / 2;
	uint32_t entropy = best_entropy(s);

	if (entropy < s->entropy ||
	    stock_held(&s->result) + s->result.kept == 0)
		s->entropy = entropy;
	to = stock_reserve(&s->result, n < most ? n : most, &size);
	memset(to, 0, size);
	for (uint32_t i = 0; i < s->pool.nsources; i++)
		if (is_ok(s, i)) {
			xor_into(to, &s->sources[i].stock, size);
			s->parts |= 1U << i;
		}
	stock_keep(&s->result, size);
	switch (health_feed(s->health, to, size)) {
	case HEALTH_STARTING:
		return true;
	case HEALTH_DOUBTED:
		stock_forget(&s->result);
		return true;
	case HEALTH_OK:
		stock_release(&s->result, 0);
		return true;
	default:
		condemn(s);
		return false;
	}
}

static void
serve_xor(struct supply *s)
{
	uint32_t healthy = 0;
	bool serving;
	size_t n;

	s->serving = 0;
	for (uint32_t i = 0; i < s->pool.nsources; i++)
		if (is_ok(s, i)) {
			s->serving |= 1U << i;
			healthy++;
		}
	serving = healthy >= s->pool.min_sources;
	while (serving && (n = ready(s)) > 0)
		serving = combine(s, n);
	if (!serving)
		s->serving = 0;
}

/*
 * Reads the state of the sources.  Returns whether a source whose bytes are in
 * the result has failed a test, even if it had stopped serving before that.
 */
static bool
look(struct supply *s, uint64_t now)
{
	uint32_t status;
	bool failed = false;

	for (uint32_t i = 0; i < s->pool.nsources; i++) {
		source_state(&s->sources[i], now, &s->states[i]);
		status = s->states[i].status;
		if ((s->parts & 1U << i) != 0 &&
		    (status == SOURCE_FAILED || status == SOURCE_LATCHED))
			failed = true;
	}
	return failed;
}

void
supply_update(struct supply *s, uint64_t now)
{
	bool failed = look(s, now);

	if (s->pool.combine == COMBINE_FIRST) {
		serve_first(s);
		return;
	}
	if (failed)
		discard_result(s);
	serve_xor(s);
}

uint64_t
supply_deadline(struct supply *s, uint64_t now)
{
	uint64_t at = UINT64_MAX, deadline;

	for (uint32_t i = 0; i < s->pool.nsources; i++) {
		deadline = source_deadline(&s->sources[i], now);
		at = deadline < at ? deadline : at;
	}
	return at;
}

size_t
supply_held(struct supply *s)
{
	return stock_held(s->stock);
}

size_t
supply_peek(struct supply *s, size_t n, struct iovec iov[2])
{
	return stock_peek(s->stock, n, iov);
}

void
supply_remove(struct supply *s, size_t n)
{
	stock_remove(s->stock, n);
}

size_t
supply_seed(struct supply *s, uint8_t *seed, size_t size)
{
	uint32_t entropy = best_entropy(s);
	struct iovec iov[2];
	size_t n;

	if (entropy != 0 && s->stock == &s->result)
		entropy = s->entropy;
	if (entropy == 0)
		return 0;
	n = seed_size(entropy);
	if (n > size || supply_peek(s, n, iov) < n)
		return 0;
	memcpy(seed, iov[0].iov_base, iov[0].iov_len);
	memcpy(seed + iov[0].iov_len, iov[1].iov_base, iov[1].iov_len);
	supply_remove(s, n);
	return n;
}
