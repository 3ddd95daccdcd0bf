/*
 * Bytes as they go by: how many in all, and how many a second of late.
 */
#ifndef VRNGD_METER_H
#define VRNGD_METER_H

#include <stdint.h>

#define METER_WINDOW UINT64_C(1000000000) /* ns */

struct meter {
	uint64_t total;
	uint64_t start;	   /* ns, of the current window */
	uint64_t current;  /* bytes in it, */
	uint64_t previous; /* and in the one before */
};

/* Begins the window that `now` is in. */
static inline void
meter_turn(struct meter *m, uint64_t now)
{
	if (now < m->start || now - m->start < METER_WINDOW)
		return;
	m->previous = now - m->start < 2 * METER_WINDOW ? m->current : 0;
	m->current = 0;
	m->start = now - (now - m->start) % METER_WINDOW;
}

static inline void
meter_add(struct meter *m, uint64_t now, uint64_t bytes)
{
	meter_turn(m, now);
	m->total += bytes;
	m->current += bytes;
}

/* Bytes a second, in the window that ends now. */
static inline uint64_t
meter_rate(struct meter *m, uint64_t now)
{
	uint64_t left;

	meter_turn(m, now);
	left = METER_WINDOW - (now < m->start ? 0 : now - m->start);
	/* The share of the one before, without a product that overflows. */
	return m->current + m->previous / METER_WINDOW * left +
	    m->previous % METER_WINDOW * left / METER_WINDOW;
}

#define METER_RATE_MAX (UINT64_C(1) << 60)

/*
 * Bytes a second, of so many bytes in so many ns: rounded, and never more than
 * METER_RATE_MAX, which no number of bytes from a child can get past.
 */
static inline uint64_t
meter_per_second(uint64_t bytes, uint64_t ns)
{
	double rate;

	if (ns == 0)
		return 0;
	rate = (double)bytes * 1e9 / (double)ns;
	return rate < (double)METER_RATE_MAX ? (uint64_t)rate : METER_RATE_MAX;
}

#endif
