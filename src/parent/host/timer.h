/*
 * A timer of the parent's event loop, that expires once each time it is set.
 */
#ifndef VRNGD_TIMER_H
#define VRNGD_TIMER_H

#include <stdint.h>
#include <systemd/sd-event.h>

typedef void timer_expired(void *arg);

struct timer {
	sd_event *event;
	sd_event_source *source; /* NULL: was not set since timer_free() */
	timer_expired *expired;
	void *arg;
	uint64_t slack; /* ns that it may be late, to save a wake-up */
};

/* A timer that is not set. */
void timer_init(struct timer *, sd_event *, timer_expired *, void *arg);

/*
 * Sets it, in place of what was set before: at a time of clock_now(), or so many
 * nanoseconds from now.  When the loop has ended this does nothing.
 */
void timer_at(struct timer *, uint64_t ns);
void timer_after(struct timer *, uint64_t ns);

/* It does not expire until it is set again. */
void timer_stop(struct timer *);

/* Stops it and frees what it has allocated.  It can be set again. */
void timer_free(struct timer *);

#endif
