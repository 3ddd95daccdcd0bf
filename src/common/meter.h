/*
 * A meter of bytes: the total and the current rate.
 */
#ifndef VRNGD_METER_H
#define VRNGD_METER_H

#include <stdint.h>

#define METER_WINDOW UINT64_C(1000000000) /* ns */

struct meter {
	uint64_t total;
	uint64_t start;	   /* ns, of the current window */
	uint64_t current;  /* bytes in it */
	uint64_t previous; /* bytes in the previous one */
};

/* Moves on to the window that contains `now`. */
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

/* Bytes per second in the window that ends now. */
static inline uint64_t
meter_rate(struct meter *m, uint64_t now)
{
	uint64_t left;

	meter_turn(m, now);
	left = METER_WINDOW - (now < m->start ? 0 : now - m->start);
	/* The part of the previous window, without overflow of the product. */
	return m->current + m->previous / METER_WINDOW * left +
	    m->previous % METER_WINDOW * left / METER_WINDOW;
}

#define METER_RATE_MAX (UINT64_C(1) << 60)

/*
 * The rate of `bytes` in `ns`, in bytes per second, rounded, and at most
 * METER_RATE_MAX for any number of bytes that a child may claim.
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
