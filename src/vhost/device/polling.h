/*
 * Polling: whether and for how long to look at a ring for the next request
 * instead of waiting for the driver's kick, which costs the guest an exit and
 * this process a wake-up.  Pure: time goes in, decisions come out.
 *
 * A look lasts for a window that grows up to a maximum while requests come
 * soon after each other, and shrinks to nothing while they do not.  The time
 * of looks in vain (misses), and of others (hits) what it takes beyond the
 * wake-up that it saves, draw on a credit that comes in at a share of the time,
 * so that in any time t no more than (POLLING_CREDIT + t) x share is spent.
 */
#ifndef VRNGD_POLLING_H
#define VRNGD_POLLING_H

#include <stdbool.h>
#include <stdint.h>

#include "common/counters.h"

/* ns: */
#define POLLING_LOOK_MIN  10000	    /* of a look, until others have the CPU */
#define POLLING_WAKE_UP	  25000	    /* of a CPU, which a hit saves */
#define POLLING_CEDED_MAX 200000    /* without the CPU: then a pause */
#define POLLING_CREDIT	  100000000 /* whose share can be saved up */

struct polling {
	uint64_t max;	   /* ns, the longest look; 0: none at all */
	uint64_t share;	   /* percent of a CPU for looks */
	uint64_t window;   /* ns, the next look */
	uint64_t since;	   /* ns, the last request was served at */
	int64_t credit;	   /* ns x 100, that looks may take; */
	uint64_t credited; /* ns, when it was that */
	uint32_t misses;   /* in a row */
	uint32_t hits;	   /* since the last pause */
	uint32_t pause;	   /* kicks until looks are tried again */
	uint32_t next_pause;
	bool looking;
	struct counters *counters; /* counts */
};

/* Without a maximum. */
void polling_init(struct polling *, struct counters *counters);

/* Takes the maximum and the share out of limits, also in the middle of it. */
void polling_limit(struct polling *, const struct proto_limits *, uint64_t now);

/*
 * Requests have just been served: while looking, that is a hit.  `kicked`: it
 * was not bytes that they waited for.  Sets polling->looking.
 */
void polling_served(struct polling *, uint64_t now, bool kicked);

/* Nothing has come so far.  Ends the look, as a miss, when its time is up. */
void polling_idle(struct polling *, uint64_t now);

/*
 * The CPU was offered to others, who had it for `ns`.  If that is long they
 * need it more, and looks are given up for a while, which is the longer the
 * sooner it happens again.
 */
void polling_ceded(struct polling *, uint64_t now, uint64_t ns);

/* Ends the look for another reason. */
void polling_stop(struct polling *, uint64_t now);

#endif
