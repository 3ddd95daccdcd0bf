/*
 * A timer of the parent's event loop, which expires once each time it is set.
 */
#ifndef VRNGD_TIMER_H
#define VRNGD_TIMER_H

#include <stdint.h>
#include <systemd/sd-event.h>

typedef void timer_expired(void *arg);

struct timer {
	sd_event *event;
	sd_event_source *source; /* NULL: not set since timer_free() */
	timer_expired *expired;
	void *arg;
	uint64_t slack; /* ns, allowed delay, to save wake-ups */
};

/* Initializes a timer, not set. */
void timer_init(struct timer *, sd_event *, timer_expired *, void *arg);

/*
 * Sets or changes the timer: to a time of clock_now(), or to nanoseconds from
 * now.  Does nothing after the end of the loop.
 */
void timer_at(struct timer *, uint64_t ns);
void timer_after(struct timer *, uint64_t ns);

/* Stops it until it is set again. */
void timer_stop(struct timer *);

/* Stops it and frees its memory.  It can be set again. */
void timer_free(struct timer *);

#endif
