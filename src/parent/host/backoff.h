/*
 * The time to retry after repeated failures: after growing delays (backoff), or
 * at once at a limited rate (deaths).
 */
#ifndef VRNGD_BACKOFF_H
#define VRNGD_BACKOFF_H

#include <stdbool.h>
#include <stdint.h>

#include "common/clock.h"

#define BACKOFF_FIRST  (100 * NS_PER_MS)
#define BACKOFF_LAST   (5 * NS_PER_SEC)
#define BACKOFF_FORGET (10 * NS_PER_SEC) /* without failure, resets it */

struct backoff {
	uint64_t until;	   /* ns, end of the last wait; 0: none yet */
	uint32_t failures; /* in a row */
};

/*
 * Counts a failure at `now`, and returns the delay in ns: 0 for the first
 * `free` failures in a row, then growing.  `slower` multiplies all delays.
 */
static inline uint64_t
backoff_failed(struct backoff *b, uint64_t now, uint32_t free, uint32_t slower)
{
	uint64_t wait = BACKOFF_FIRST;

	if (b->until != 0 && now > b->until + BACKOFF_FORGET)
		b->failures = 0;
	b->failures++;
	b->until = now;
	if (b->failures <= free)
		return 0;
	for (uint32_t i = free + 1; i < b->failures && wait < BACKOFF_LAST; i++)
		wait *= 2;
	wait = (wait < BACKOFF_LAST ? wait : BACKOFF_LAST) * slower;
	b->until = now + wait;
	return wait;
}

#define DEATHS_BURST 20 /* replaced at once, */
#define DEATHS_RATE  5	/* and a second */

/* Processes that die and are replaced at once. */
struct deaths {
	uint64_t forgotten; /* ns, when all of them are */
};

/* No process has died by `now` (ns). */
static inline void
deaths_init(struct deaths *d, uint64_t now)
{
	d->forgotten = now;
}

/* A process has died at `now` (ns).  Whether to replace it at once. */
static inline bool
deaths_free(struct deaths *d, uint64_t now)
{
	const uint64_t one = NS_PER_SEC / DEATHS_RATE;
	uint64_t from = d->forgotten > now ? d->forgotten : now;

	if (from - now > (DEATHS_BURST - 1) * one)
		return false;
	d->forgotten = from + one;
	return true;
}

#endif
