/*
 * Processes that die and are replaced at once: so many, and no more.
 */
#ifndef VRNGD_DEATHS_H
#define VRNGD_DEATHS_H

#include <stdbool.h>
#include <stdint.h>

#include "parent/alloc/bucket.h"
#include "common/clock.h"

#define DEATHS_BURST 20 /* at once, */
#define DEATHS_RATE  5	/* and a second */

struct deaths {
	struct bucket bucket; /* of those that are free, now */
	uint64_t at;	      /* ns, when that was brought up to date */
};

/* Nobody has died. */
static inline void
deaths_init(struct deaths *d, uint64_t now)
{
	bucket_init(&d->bucket, (struct bucket_rate){ DEATHS_RATE, NS_PER_SEC },
	    DEATHS_BURST);
	d->at = now;
}

/* One has died at `now` (ns).  Whether it is to be replaced at once. */
static inline bool
deaths_free(struct deaths *d, uint64_t now)
{
	bucket_refill(&d->bucket, now - d->at, DEATHS_BURST);
	d->at = now;
	if (bucket_wait(&d->bucket, 1) > 0)
		return false;
	d->bucket.tokens--;
	return true;
}

#endif
