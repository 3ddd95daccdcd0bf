/*
 * Logs guests that are added or removed, many of them in one line.  Used by
 * reload.c and adopt.c.
 */
#include <inttypes.h>
#include <stdio.h>

#include "common/clock.h"
#include "parent/state/tally.h"

#define TALLY_TIME NS_PER_SEC /* until the number of the others is logged */

static void
log_number(struct tally *t, const char *more)
{
	const struct log_line line = {
		.level = LOG_LEVEL_INFO,
		.fields = LOG_FIELDS(LOG_NUMBER("VRNGD_GUESTS", t->hidden)),
	};

	if (t->hidden > 0)
		log_send(&line, "%" PRIu32 "%s guest%s %s", t->hidden, more,
		    t->hidden == 1 ? "" : "s", t->word);
	t->hidden = 0;
}

static void
expired(void *arg)
{
	log_number(arg, " more");
}

void
tally_init(struct tally *t, sd_event *event, enum event kind, const char *word)
{
	*t = (struct tally){ .event = kind, .word = word };
	log_limit_init(&t->limit, clock_now());
	timer_init(&t->timer, event, expired, t);
}

void
tally_begin(struct tally *t, size_t n)
{
	log_number(t, " more");
	t->many = n > TALLY_SHOWN;
}

void
tally_end(struct tally *t)
{
	if (t->many)
		log_number(t, "");
	t->many = false;
}

/* The path at which a guest listens, for a message. */
static const char *
where(const struct guest *g)
{
	if (guest_path(g) != NULL)
		return guest_path(g);
	return g->egd == NULL ? NULL : g->egd->service.config.socket.where;
}

void
tally_guest(struct tally *t, const struct guest *g)
{
	const char *path = t->event == EVENT_GUEST_ADDED ? where(g) : NULL;
	uint32_t suppressed;
	bool shown =
	    !t->many && log_limit_pass(&t->limit, clock_now(), &suppressed);

	event_log_view(t->event, shown ? LOG_VIEW_TEXT : LOG_VIEW_FIELDS,
	    &g->subject, NULL, "%s%s%s", t->word,
	    path == NULL ? "" : ", listens at ", path == NULL ? "" : path);
	if (shown)
		return;
	t->hidden++;
	if (!t->many && t->hidden == 1)
		timer_after(&t->timer, TALLY_TIME);
}

void
tally_free(struct tally *t)
{
	log_number(t, " more");
	timer_free(&t->timer);
}
