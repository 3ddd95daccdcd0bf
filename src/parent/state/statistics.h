/*
 * Records of what guests and services were given, for monitoring from the
 * journal alone.
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
	uint64_t interval;  /* ns; 0: disabled */
	uint64_t since;	    /* ns, start of the period; 0: none */
	struct timer timer; /* of its end */
};

void statistics_init(struct statistics *, struct daemon *);

/* Sets the interval (ns), also of the current period. */
void statistics_set(struct statistics *, uint64_t interval);

/* A pool has become active. */
void statistics_begin(struct statistics *);

/* Logs the last records before the end. */
void statistics_finish(struct statistics *);

/* Frees it, without records. */
void statistics_end(struct statistics *);

/* Logs that a consumer was throttled by its limits. */
void statistics_throttled(struct pool *, struct consumer *);

#endif
