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
	uint64_t gone;

	meter_turn(m, now);
	gone = now < m->start ? 0 : now - m->start;
	return m->current +
	    (uint64_t)((double)m->previous * (double)(METER_WINDOW - gone) /
		(double)METER_WINDOW);
}

#endif
