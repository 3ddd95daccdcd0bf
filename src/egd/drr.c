/*
 * Deficit round robin among waiting clients; pure.  Used by clients.c and
 * serve.c.
 */
#include <stddef.h>

#include "egd/drr.h"

void
drr_init(struct drr *d, uint32_t quantum)
{
	*d = (struct drr){ .quantum = quantum };
	TAILQ_INIT(&d->queue);
}

static void
set_missing(struct drr *d, struct drr_entry *e, uint32_t missing)
{
	d->missing += missing;
	d->missing -= e->missing;
	d->waiting += missing > 0;
	d->waiting -= e->missing > 0;
	e->missing = missing;
}

static void
append(struct drr *d, struct drr_entry *e)
{
	TAILQ_INSERT_TAIL(&d->queue, e, entry);
	e->queued = true;
	e->begun = false;
}

void
drr_wait(struct drr *d, struct drr_entry *e, uint32_t missing)
{
	set_missing(d, e, missing);
	if (e->queued && e->begun && missing > e->deficit) {
		TAILQ_REMOVE(&d->queue, e, entry);
		append(d, e);
	} else if (!e->queued)
		append(d, e);
}

void
drr_pause(struct drr *d, struct drr_entry *e)
{
	set_missing(d, e, 0);
}

void
drr_leave(struct drr *d, struct drr_entry *e)
{
	set_missing(d, e, 0);
	if (e->queued)
		TAILQ_REMOVE(&d->queue, e, entry);
	e->queued = false;
	e->deficit = 0;
}

struct drr_entry *
drr_first(struct drr *d)
{
	struct drr_entry *e;

	if (d->waiting == 0)
		return NULL;
	while ((e = TAILQ_FIRST(&d->queue)) != NULL && e->missing == 0)
		drr_leave(d, e);
	if (e != NULL && !e->begun) {
		e->begun = true;
		e->deficit += d->quantum;
	}
	return e;
}

void
drr_give(struct drr *d, struct drr_entry *e, uint32_t n)
{
	e->deficit -= n;
	set_missing(d, e, e->missing - n);
}
