/*
 * Records of what everybody was given, for monitoring from the journal alone.
 *
 * Nothing wakes up for them while nothing happens: a pool that does something
 * begins a period, at the end of which those that did something in it are asked
 * for their figures, and these are logged.
 */
#ifndef VRNGD_SERVICE_STATISTICS_H
#define VRNGD_SERVICE_STATISTICS_H

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "parent/pool/member.h"

struct pool;
struct service;

struct statistics {
	struct service *service;
	uint64_t interval;	/* ns; 0: nothing is logged */
	uint64_t since;		/* ns, when the period began; 0: none has */
	bool asked;		/* the period is over, the figures are due */
	bool last;		/* and there will be no other */
	sd_event_source *timer; /* of its end; NULL: never needed yet */
};

void statistics_init(struct statistics *, struct service *);

/* Sets the interval (ns), and that of the period that has begun. */
void statistics_set(struct statistics *, uint64_t interval);

/* A pool has become active. */
void statistics_begin(struct statistics *);

/*
 * The last record is due, after which the event loop is ended.  Returns whether
 * there is one, and only once.
 */
bool statistics_finish(struct statistics *);

/* Ends, without more. */
void statistics_end(struct statistics *);

/* Logs that a member had to wait because of its limits. */
void statistics_throttled(struct pool *, struct member *);

#endif
