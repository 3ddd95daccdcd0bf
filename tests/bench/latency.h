/*
 * Latencies: how many requests took how long, in buckets that are at most a
 * 64th of their value wide.
 */
#ifndef LATENCY_H
#define LATENCY_H

#include <stdint.h>

#define LATENCY_FINE	6 /* bits below the highest that are kept */
#define LATENCY_BUCKETS ((64 - LATENCY_FINE + 1) << LATENCY_FINE)

struct latency {
	uint64_t n;
	uint64_t max; /* ns */
	uint64_t buckets[LATENCY_BUCKETS];
};

/* Counts a request that took so many ns. */
static inline void
latency_add(struct latency *l, uint64_t ns)
{
	unsigned int bucket = (unsigned int)ns, high;

	if (ns >> LATENCY_FINE != 0) {
		high = 63 - (unsigned int)__builtin_clzll(ns);
		bucket = ((high - LATENCY_FINE + 1) << LATENCY_FINE) +
		    (unsigned int)(ns >> (high - LATENCY_FINE) &
			((1 << LATENCY_FINE) - 1));
	}
	l->buckets[bucket]++;
	l->n++;
	l->max = ns > l->max ? ns : l->max;
}

/*
 * The ns that no more than 1 - `part` of the requests exceeded; 0: no request.
 */
static inline uint64_t
latency_at(const struct latency *l, double part)
{
	uint64_t rank = (uint64_t)((double)l->n * part), sum = 0, fine;
	unsigned int i, high;

	for (i = 0; i < LATENCY_BUCKETS; i++)
		if ((sum += l->buckets[i]) > rank)
			break;
	if (i >> LATENCY_FINE == 0 || i == LATENCY_BUCKETS)
		return i == LATENCY_BUCKETS ? l->max : i;
	high = (i >> LATENCY_FINE) + LATENCY_FINE - 1;
	fine = i & ((1 << LATENCY_FINE) - 1);
	return ((UINT64_C(1) << LATENCY_FINE) + fine) << (high - LATENCY_FINE);
}

#endif
