/*
 * Records of what guests and services were given, for monitoring from the journal alone.
 *
 * Nothing wakes up for them while nothing happens: a pool that does something
 * begins a period, at the end of which the counters of those that did something
 * in it are logged.
 */
#ifndef VRNGD_STATISTICS_H
#define VRNGD_STATISTICS_H

#include <stdint.h>

#include "parent/state/daemon.h"

struct statistics {
	struct daemon *daemon;
	uint64_t interval;  /* ns; 0: nothing is logged */
	uint64_t since;	    /* ns, when the period began; 0: none has */
	struct timer timer; /* of its end */
};

void statistics_init(struct statistics *, struct daemon *);

/* Sets the interval (ns), and that of the period that has begun. */
void statistics_set(struct statistics *, uint64_t interval);

/* A pool has become active. */
void statistics_begin(struct statistics *);

/* Logs what is due before the end, and nothing after that. */
void statistics_finish(struct statistics *);

/* Ends, without more. */
void statistics_end(struct statistics *);

/* Logs that a consumer had to wait because of limits. */
void statistics_throttled(struct pool *, struct consumer *);

#endif
