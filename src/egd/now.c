/*
 * Answers EGD commands 00 and 01, which must not wait, from what the parent
 * says is available.  Used by command.c and frames.c.
 */
#include <errno.h>

#include "egd/worker.h"

void
now_init(struct now *now)
{
	TAILQ_INIT(&now->asking);
	TAILQ_INIT(&now->asked);
}

void
now_join(struct worker *w, struct client *c)
{
	c->asked = false;
	c->deadline = w->now + NOW_TIMEOUT;
	TAILQ_INSERT_TAIL(&w->asks.asking, c, asking);
}

void
now_leave(struct worker *w, struct client *c)
{
	if (c->deadline == 0)
		return;
	TAILQ_REMOVE(c->asked ? &w->asks.asked : &w->asks.asking, c, asking);
	c->deadline = 0;
}

/* Bytes that were granted and are to come. */
static uint64_t
coming(const struct worker *w)
{
	const struct now *now = &w->asks;

	if (now->state != NOW_GRANTED || w->window.bytes_fd == -1 ||
	    w->window.generation != now->generation ||
	    w->window.received >= now->granted)
		return 0;
	return now->granted - w->window.received;
}

void
now_told(struct worker *w, const struct frame *f)
{
	struct now *now = &w->asks;
	struct client *c, *next;
	uint64_t available = f->u.now.available;

	child_busy(&w->watch);
	if (!now->ever)
		log_fatal("%s makes no sense now", frame_name(f->hdr.type));
	if (now->state != NOW_ASKED) /* it comes too late */
		return;
	now->state = NOW_GRANTED;
	now->granted = f->u.now.granted;
	now->generation = w->window.generation;
	if (available == 0 && coming(w) == 0)
		now->calm_until = w->now + NOW_CALM;
	if (available > UINT32_MAX)
		available = UINT32_MAX;
	available += coming(w) > UINT32_MAX ? UINT32_MAX : coming(w);
	for (c = TAILQ_FIRST(&now->asked); c != NULL; c = next) {
		next = TAILQ_NEXT(c, asking);
		if (c->state == CLIENT_ASKING)
			command_answer(w, c, available);
	}
}

/* Answers the first ones of a list, up to the moment `until`. */
static void
answer_until(struct worker *w, const struct client_list *list, uint64_t until)
{
	struct client *c;

	while ((c = TAILQ_FIRST(list)) != NULL && c->deadline <= until)
		command_answer(w, c, 0);
}

void
now_settle(struct worker *w)
{
	struct now *now = &w->asks;

	if (now->state == NOW_GRANTED && coming(w) == 0) {
		answer_until(w, &now->asked, UINT64_MAX);
		now->state = NOW_QUIET;
	}
	answer_until(w, &now->asked, w->now);
	answer_until(w, &now->asking, w->now);
	if (now->state != NOW_QUIET && w->now - now->asked_at >= NOW_TIMEOUT)
		now->state = NOW_QUIET;
}

void
now_ask(struct worker *w)
{
	struct now *now = &w->asks;
	struct client *c;
	struct frame f;

	now->unsent = false;
	if (now->state != NOW_QUIET || TAILQ_EMPTY(&now->asking) ||
	    w->now < now->calm_until)
		return;
	now->calm_until = 0;
	frame_init(&f, PROTO_NOW_ASK, w->window.consumer, w->window.generation);
	if (channel_tell(CHANNEL_UP_FD, &f) == -1) {
		if (errno != EAGAIN)
			channel_lost();
		now->unsent = true;
		return;
	}
	now->ever = true;
	now->state = NOW_ASKED;
	now->asked_at = w->now;
	TAILQ_FOREACH(c, &now->asking, asking)
		c->asked = true;
	TAILQ_CONCAT(&now->asked, &now->asking, asking);
}

uint64_t
now_deadline(const struct worker *w)
{
	const struct now *now = &w->asks;
	const struct client *c = TAILQ_FIRST(&now->asked);

	if (c != NULL)
		return c->deadline;
	if ((c = TAILQ_FIRST(&now->asking)) == NULL)
		return 0;
	/* Without room for a question, that is what is waited for. */
	return now->calm_until != 0 && !w->window.untold ? now->calm_until
							 : c->deadline;
}
