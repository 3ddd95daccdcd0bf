/*
 * Polling: decides whether and how long to poll for the next request, of a ring
 * or of a client's connection, in place of sleeping until it comes.  That saves
 * this process a wake-up, and the driver of a ring its kick, an exit of the
 * guest.  Time is its input, decisions its output; it is pure, apart from
 * polling_cede().
 *
 * A poll lasts for a window, which grows up to a maximum while requests follow
 * each other closely, and otherwise shrinks to 0.  The time of misses, and that
 * of hits beyond the saved wake-up, is charged to a credit, which grows by a
 * share of the time.  So in any time t, polling uses at most (POLLING_CREDIT +
 * t) x share.
 */
#ifndef VRNGD_POLLING_H
#define VRNGD_POLLING_H

#include <stdbool.h>
#include <stdint.h>

#include "common/counters.h"

/* ns: */
#define POLLING_LOOK_MIN  10000	    /* of a poll, before the CPU is yielded */
#define POLLING_WAKE_UP	  25000	    /* CPU time that a hit saves */
#define POLLING_CEDED_MAX 200000    /* preemption that causes a pause */
#define POLLING_CREDIT	  100000000 /* time whose share can be accumulated */

struct polling {
	uint64_t max;	   /* ns, maximum of a poll; 0: no polling */
	uint64_t share;	   /* percent of a CPU for polling */
	uint64_t window;   /* ns, length of the next poll */
	uint64_t since;	   /* ns, time of the last served request */
	int64_t credit;	   /* ns x 100, remaining polling time */
	uint64_t credited; /* ns, time of its last update */
	uint32_t misses;   /* in a row */
	uint32_t hits;	   /* since the last pause */
	uint32_t pause;	   /* wake-ups until polling is tried again */
	uint32_t next_pause;
	bool looking;
	struct counters *counters; /* counts */
};

/* Initializes it with a maximum of 0. */
void polling_init(struct polling *, struct counters *counters);

/* Sets the maximum and the share from limits, also during a poll. */
void polling_limit(struct polling *, const struct proto_limits *, uint64_t now);

/*
 * Requests have just been served: during a poll, that is a hit.  `woken`: they
 * did not wait for bytes; outside of a poll, a kick or an event woke this
 * process up for them.  Sets polling->looking.
 */
void polling_served(struct polling *, uint64_t now, bool woken);

/*
 * No request was found so far.  Ends the poll as a miss when its time is over.
 */
void polling_idle(struct polling *, uint64_t now);

/*
 * Other processes have used the CPU for `ns` after it was yielded.  If that is
 * long, polling pauses; the pause grows if that happens again soon.
 */
void polling_ceded(struct polling *, uint64_t now, uint64_t ns);

/*
 * Offers the CPU to other processes at `now`, since the guest or client that
 * was answered may be waiting for it; then as polling_ceded().
 */
void polling_cede(struct polling *, uint64_t now);

/* Ends the poll for another reason. */
void polling_stop(struct polling *, uint64_t now);

#endif
