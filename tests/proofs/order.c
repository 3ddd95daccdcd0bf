/*
 * What of a split ring is published, for scripts/prove: it is proved of any
 * sequence of reading, completing and publishing requests, and never run.
 */
#include <stddef.h>

#include "vhost/device/queue.h"

enum step {
	PEEK,
	POP,
	PUSH, /* of a request that was popped, as rng.c has them */
	PUBLISH,
};

/* Requests since the ring was empty. */
struct count {
	uint64_t popped, pushed, published;
};

/*@
 @ // An index, `n` requests after `start`.
 @ logic integer index(integer start, integer n) =
 @   n <= 0 ? start : (uint16_t)(index(start, n - 1) + 1);
 @
 @ // No index is ahead of one that it has to be behind.
 @ predicate in_order(struct queue *q, struct count *c, integer start) =
 @   c->published <= c->pushed <= c->popped &&
 @   q->published == index(start, c->published) &&
 @   q->used == index(start, c->pushed) &&
 @   q->next == index(start, c->popped);
 @*/

/*@
 @ requires \valid(q) && queue_has_map(q) && queue_is_split(q);
 @ requires \valid(req) && \valid(c) && \separated(q, q->mem, req, c);
 @ requires \separated(c, &q->ring->idx, &q->ring->ring[0] + (0 .. q->num - 1),
 @   q->mem->log.start + (0 .. q->mem->log.size - 1));
 @ requires in_order(q, c, start) && c->popped < UINT64_MAX;
 @ ensures queue_is_same{Pre,Post}(q) && memory_is_valid(q->mem);
 @ ensures in_order(q, c, start) && c->popped <= \old(c->popped) + 1;
 @*/
void
order(struct queue *q, struct request *req, struct count *c, enum step step,
    uint32_t len) /*@ ghost (uint16_t start) */
{
	switch (step) {
	case POP:
		if (queue_pop(q, req) != QUEUE_REQUEST) {
			/*@ assert c->popped == \at(c->popped, Pre); */
			/*@ assert c->pushed == \at(c->pushed, Pre); */
			/*@ assert c->published == \at(c->published, Pre); */
			/*@ assert q->used == \at(q->used, Pre); */
			/*@ assert q->published == \at(q->published, Pre); */
			/*@ assert in_order(q, c, start); */
			break;
		}
		/*@ assert c->popped == \at(c->popped, Pre); */
		/*@ assert c->pushed == \at(c->pushed, Pre); */
		/*@ assert c->published == \at(c->published, Pre); */
		/*@ assert q->used == \at(q->used, Pre); */
		/*@ assert q->published == \at(q->published, Pre); */
		c->popped++;
		/*@ assert index(start, c->popped) ==
		 @   (uint16_t)(index(start, \at(c->popped, Pre)) + 1); */
		/*@ assert q->next == index(start, c->popped); */
		/*@ assert in_order(q, c, start); */
		break;
	case PUSH:
		if (c->pushed == c->popped)
			break;
		queue_push(q, req, len);
		c->pushed++;
		/*@ assert in_order(q, c, start); */
		break;
	case PUBLISH:
		queue_publish(q);
		c->published = c->pushed;
		/*@ assert in_order(q, c, start); */
		break;
	default:
		queue_peek(q);
		/*@ assert in_order(q, c, start); */
	}
}
