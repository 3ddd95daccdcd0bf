/*
 * The queue of events of a client (event_queue.h).  Used by client.c.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "status/event_queue.h"

#define REPLY_BEGIN "{\"parameters\":{\"event\":"
#define REPLY_END   ",\"lost\":%" PRIu64 "},\"continues\":true}"

bool
event_queue_init(struct event_queue *q)
{
	*q = (struct event_queue){ .text = malloc(EVENT_QUEUE_SIZE) };
	return q->text != NULL;
}

void
event_queue_free(struct event_queue *q)
{
	free(q->text);
	q->text = NULL;
}

/* Appends a reply.  Returns whether there was room for it. */
static bool
put_reply(struct event_queue *q, const char *event, size_t size)
{
	char begin[] = REPLY_BEGIN, end[sizeof(REPLY_END) + 20];
	size_t nbegin = sizeof(begin) - 1, nend;
	int n = snprintf(end, sizeof(end), REPLY_END, q->lost);
	char *to;

	nend = (size_t)n + 1; /* with the NUL */
	if (nbegin + size + nend > EVENT_QUEUE_SIZE - (q->end - q->begin))
		return false;
	memmove(q->text, q->text + q->begin, q->end - q->begin);
	q->end -= q->begin;
	q->begin = 0;
	to = q->text + q->end;
	memcpy(to, begin, nbegin);
	memcpy(to + nbegin, event, size);
	memcpy(to + nbegin + size, end, nend);
	q->end += nbegin + size + nend;
	q->lost = 0;
	return true;
}

void
event_queue_put(struct event_queue *q, struct part event)
{
	if (!put_reply(q, event.text, event.size))
		q->lost++;
}

void
event_queue_note(struct event_queue *q)
{
	(void)put_reply(q, "null", strlen("null"));
}

struct part
event_queue_first(const struct event_queue *q)
{
	return (struct part){ q->text + q->begin, q->end - q->begin };
}

void
event_queue_shift(struct event_queue *q, size_t sent)
{
	q->begin += sent;
}
