/*
 * How long to wait before trying again something that keeps failing.
 */
#ifndef VRNGD_BACKOFF_H
#define VRNGD_BACKOFF_H

#include <stdint.h>

#include "clock.h"

#define BACKOFF_FIRST  (100 * NS_PER_MS)
#define BACKOFF_LAST   (5 * NS_PER_SEC)
#define BACKOFF_FORGET (10 * NS_PER_SEC) /* without a failure */

struct backoff {
	uint64_t failed;   /* ns, last; 0: never */
	uint32_t failures; /* in a row */
};

/*
 * Counts a failure at `now` and returns how many ns to wait: nothing for the
 * first `free` failures in a row, then ever longer.
 */
static inline uint64_t
backoff_failed(struct backoff *b, uint64_t now, uint32_t free)
{
	uint64_t wait = BACKOFF_FIRST;

	if (b->failed != 0 && now - b->failed > BACKOFF_FORGET)
		b->failures = 0;
	b->failed = now;
	b->failures++;
	if (b->failures <= free)
		return 0;
	for (uint32_t i = free + 1; i < b->failures && wait < BACKOFF_LAST; i++)
		wait *= 2;
	return wait < BACKOFF_LAST ? wait : BACKOFF_LAST;
}

#endif
