/*
 * The events that wait to be sent to one client that monitors: complete replies,
 * in a buffer of limited size.  Events without room are counted, and the client
 * receives the number.  Pure, except for memory.
 */
#ifndef VRNGD_EVENT_QUEUE_H
#define VRNGD_EVENT_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "status/select.h"

#define EVENT_QUEUE_SIZE 65536 /* bytes */

struct event_queue {
	char *text; /* allocated */
	size_t begin, end;
	uint64_t lost; /* events since the last reply */
};

/* Returns false if out of memory. */
bool event_queue_init(struct event_queue *);
void event_queue_free(struct event_queue *);

/* Appends a reply with an event, which is JSON, or counts it as lost. */
void event_queue_put(struct event_queue *, struct part event);

/*
 * Appends a reply without an event, if there is room: the first one, or to
 * report lost events.
 */
void event_queue_note(struct event_queue *);

/* The bytes to be sent next; their size is 0 if there are none. */
struct part event_queue_first(const struct event_queue *);

/* Removes bytes that were sent. */
void event_queue_shift(struct event_queue *, size_t sent);

#endif
