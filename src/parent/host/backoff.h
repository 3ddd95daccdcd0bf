/*
 * How long to wait before trying again something that keeps failing.
 */
#ifndef VRNGD_BACKOFF_H
#define VRNGD_BACKOFF_H

#include <stdint.h>

#include "common/clock.h"

#define BACKOFF_FIRST  (100 * NS_PER_MS)
#define BACKOFF_LAST   (5 * NS_PER_SEC)
#define BACKOFF_FORGET (10 * NS_PER_SEC) /* after a wait, without a failure */

struct backoff {
	uint64_t until;	   /* ns, end of the last wait; 0: none yet */
	uint32_t failures; /* in a row */
};

/*
 * Counts a failure at `now` and returns how many ns to wait: nothing for the
 * first `free` failures in a row, then ever longer; all of it `slower` times
 * as long (1: as said above).
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

#endif
