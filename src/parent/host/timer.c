/*
 * Timers of the parent's event loop (timer.h).  Used by all of the parent.
 */
#include <errno.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "parent/host/timer.h"

void
timer_init(struct timer *t, sd_event *event, timer_expired *expired, void *arg)
{
	*t = (struct timer){ .event = event, .expired = expired, .arg = arg };
}

static int
timer_event(sd_event_source *source, uint64_t usec, void *arg)
{
	struct timer *t = arg;

	(void)source, (void)usec;
	t->expired(t->arg);
	return 0;
}

void
timer_at(struct timer *t, uint64_t ns)
{
	const uint64_t usec = ns / 1000 + (ns % 1000 != 0);
	int r;

	if (t->source == NULL)
		r = sd_event_add_time(t->event, &t->source, CLOCK_MONOTONIC,
		    usec, t->slack / 1000 + 1, timer_event, t);
	else if ((r = sd_event_source_set_time(t->source, usec)) >= 0)
		r = sd_event_source_set_enabled(t->source, SD_EVENT_ONESHOT);
	if (r < 0 && r != -ESTALE)
		log_fatal("cannot set a timer: %s", strerror(-r));
}

void
timer_after(struct timer *t, uint64_t ns)
{
	timer_at(t, clock_now() + ns);
}

void
timer_stop(struct timer *t)
{
	if (t->source != NULL)
		sd_event_source_set_enabled(t->source, SD_EVENT_OFF);
}

void
timer_free(struct timer *t)
{
	t->source = sd_event_source_disable_unref(t->source);
}
