/*
 * Deficit round robin among the clients that wait; pure.  Used by serve.c and
 * client_bytes.c.
 */
#include <stddef.h>

#include "egd/turns.h"

void
turns_init(struct turns *ts, uint32_t quantum)
{
	*ts = (struct turns){ .quantum = quantum };
	TAILQ_INIT(&ts->queue);
}

/* Counts what is missing: so much, instead of what was. */
static void
count(struct turns *ts, struct turn *t, uint32_t missing)
{
	ts->missing += missing;
	ts->missing -= t->missing;
	ts->waiting += missing > 0;
	ts->waiting -= t->missing > 0;
	t->missing = missing;
}

static void
set_due(struct turns *ts, struct turn *t, uint32_t due)
{
	ts->due += due;
	ts->due -= t->due;
	t->due = due;
}

static void
append(struct turns *ts, struct turn *t)
{
	TAILQ_INSERT_TAIL(&ts->queue, t, entry);
	t->queued = true;
	t->begun = false;
}

void
turns_wait(struct turns *ts, struct turn *t, uint32_t missing)
{
	count(ts, t, missing);
	set_due(ts, t, 0);
	if (t->queued && t->begun && missing > t->left) {
		TAILQ_REMOVE(&ts->queue, t, entry);
		append(ts, t);
	} else if (!t->queued)
		append(ts, t);
}

void
turns_pause(struct turns *ts, struct turn *t)
{
	count(ts, t, 0);
	set_due(ts, t, 0);
}

void
turns_defer(struct turns *ts, struct turn *t)
{
	set_due(ts, t, t->missing);
	count(ts, t, 0);
}

void
turns_leave(struct turns *ts, struct turn *t)
{
	turns_pause(ts, t);
	if (t->queued)
		TAILQ_REMOVE(&ts->queue, t, entry);
	t->queued = false;
	t->left = 0;
}

struct turn *
turns_first(struct turns *ts)
{
	struct turn *t;

	if (ts->waiting == 0)
		return NULL;
	while ((t = TAILQ_FIRST(&ts->queue)) != NULL && turns_missing(t) == 0)
		turns_leave(ts, t);
	if (t != NULL && !t->begun) {
		t->begun = true;
		t->left += ts->quantum;
	}
	return t;
}

uint32_t
turns_missing(const struct turn *t)
{
	return t->missing + t->due;
}

void
turns_give(struct turns *ts, struct turn *t, uint32_t n)
{
	t->left -= n;
	if (t->due > 0)
		set_due(ts, t, t->due - n);
	else
		count(ts, t, t->missing - n);
}
