/*
 * Events of something that an outsider or a compromised child can change at
 * will: of a few all are logged, of many the first and the last, with how many
 * were not.
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
	/* Logs an event, before which so many were suppressed. */
	void (
	    *say)(void *arg, enum event, const char *text, uint32_t suppressed);
	void *arg;
	uint64_t at;	     /* ns, up to when tokens were added */
	uint32_t tokens;     /* events that may be logged */
	uint32_t suppressed; /* events since the last that was */
	enum event event;    /* the last of them */
	char *text; /* and what it says, allocated; NULL: none was suppressed */
	struct timer timer; /* to log that */
};

void flap_init(struct flap *, sd_event *,
    void (*say)(void *, enum event, const char *, uint32_t), void *arg);

/* Logs an event, now or, if nothing follows, in FLAP_TIME at most. */
void flap_say(struct flap *, enum event, const char *fmt, ...) LOG_FORMAT(3, 4);

/* Logs what is left, and frees it. */
void flap_end(struct flap *);

/* For the end of a line: " (and 3 lines suppressed)", or "" if none were. */
#define FLAP_MORE_SIZE 48
const char *flap_more(char more[FLAP_MORE_SIZE], uint32_t suppressed);

#endif
