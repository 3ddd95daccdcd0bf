/*
 * Limits events that an outsider or a compromised child can cause: the first
 * ones are logged, then the last one of each interval, with the number of
 * suppressed ones.
 */
#ifndef VRNGD_FLAP_H
#define VRNGD_FLAP_H

#include <stdint.h>
#include <systemd/sd-event.h>

#include "parent/host/event.h"
#include "parent/host/timer.h"

#define FLAP_BURST 10		     /* events at once, */
#define FLAP_TIME  (10 * NS_PER_SEC) /* and one in this time */

struct flap {
	/* Logs an event, with the number of events suppressed before it. */
	void (
	    *say)(void *arg, enum event, const char *text, uint32_t suppressed);
	void *arg;
	uint64_t at;	     /* ns, time of the last added tokens */
	uint32_t tokens;     /* events that may be logged */
	uint32_t suppressed; /* events suppressed since the last one logged */
	enum event event;    /* the last of them */
	char *text; /* and its text, allocated; NULL: none was suppressed */
	struct timer timer; /* to log it */
};

void flap_init(struct flap *, sd_event *,
    void (*say)(void *, enum event, const char *, uint32_t), void *arg);

/* Logs an event now, or the last one after at most FLAP_TIME. */
void flap_say(struct flap *, enum event, const char *fmt, ...) LOG_FORMAT(3, 4);

/* Logs a suppressed event, and frees it. */
void flap_end(struct flap *);

/* For the end of a line: " (suppressed: 3)", or "" if none were. */
#define FLAP_MORE_SIZE 48
const char *flap_more(char more[FLAP_MORE_SIZE], uint32_t suppressed);

#endif
