/*
 * A virtqueue, the device's side (virtio 1.2, 2.7 and 2.8), in memory that the
 * guest may change at any time: every field is read once, checked, then used.
 */
#ifndef VRNGD_QUEUE_H
#define VRNGD_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

#include "vhost/device/chain.h"
#include "vhost/device/virtqueue.h"

/* virtio 1.2, 2.7.6; used_event follows the ring */
struct virtq_avail {
	uint16_t flags;
	uint16_t idx;
	uint16_t ring[];
};

struct virtq_used_elem {
	uint32_t id;
	uint32_t len;
};

/* 2.7.8; avail_event follows the ring */
struct virtq_used {
	uint16_t flags;
	uint16_t idx;
	struct virtq_used_elem ring[];
};

/* For proofs: avail.idx when it was last read. */
/*@ ghost uint16_t queue_seen; */

/*@
 @ // A mapped, split queue; what is mapped is apart from what is ours.
 @ predicate queue_is_split(struct queue *q) =
 @   !q->packed && 0 < q->num <= VHOST_USER_QUEUE_SIZE_MAX &&
 @   \valid(q->mem) && memory_is_valid(q->mem) && \separated(q, q->mem) &&
 @   mapping_is_valid(&q->mem->log) &&
 @   \valid_read(q->desc + (0 .. q->num - 1)) &&
 @   \valid_read(&q->avail->flags) && \valid_read(&q->avail->idx) &&
 @   \valid_read(&q->avail->ring[0] + (0 .. q->num)) &&
 @   \valid(&q->ring->idx) && \valid(&q->ring->ring[0] + (0 .. q->num - 1)) &&
 @   \separated(q, &q->ring->idx, &q->ring->ring[0] + (0 .. q->num - 1),
 @     q->mem->log.start + (0 .. q->mem->log.size - 1)) &&
 @   \separated(q->mem, &q->ring->idx,
 @     &q->ring->ring[0] + (0 .. q->num - 1),
 @     q->mem->log.start + (0 .. q->mem->log.size - 1));
 @
 @ // What queue_map() has found is there until memory is removed.
 @ predicate queue_has_map(struct queue *q) =
 @   q->mapped == (uint64_t)(q->mem->removals + 1);
 @
 @ // A split queue, mapped or not.
 @ predicate queue_is_sound(struct queue *q) =
 @   \valid(q->mem) && memory_is_valid(q->mem) && \separated(q, q->mem) &&
 @   (queue_has_map(q) ==> queue_is_split(q));
 @
 @ predicate queue_is_same{L1,L2}(struct queue *q) =
 @   \at(q->packed, L1) == \at(q->packed, L2) &&
 @   \at(q->num, L1) == \at(q->num, L2) &&
 @   \at(q->mem, L1) == \at(q->mem, L2) &&
 @   \at(q->desc, L1) == \at(q->desc, L2) &&
 @   \at(q->avail, L1) == \at(q->avail, L2) &&
 @   \at(q->ring, L1) == \at(q->ring, L2) &&
 @   \at(q->descs, L1) == \at(q->descs, L2) &&
 @   \at(q->mapped, L1) == \at(q->mapped, L2) &&
 @   \at(q->mem->removals, L1) == \at(q->mem->removals, L2) &&
 @   \at(q->mem->log.start, L1) == \at(q->mem->log.start, L2) &&
 @   \at(q->mem->log.size, L1) == \at(q->mem->log.size, L2);
 @
 @ // Requests that the driver has made available, from entry `next` on.
 @ logic integer queue_ahead(integer next) = (uint16_t)(queue_seen - next);
 @*/

/* An unset, split queue in `mem`, whose mark is not kept. */
void queue_init(struct queue *, struct memory *mem);

/*
 * Makes a queue a packed one or not, and its base that of a start.  It is
 * unmapped afterwards, as after queue_set_size(), which returns -1 for a number
 * of entries that it cannot have.
 */
void queue_set_packed(struct queue *, bool packed);
int queue_set_size(struct queue *, uint32_t num);

/*
 * The base of an unmapped queue, as vhost-user has it ("Vring descriptor index
 * for ... virtqueues").  queue_set_base() returns -1 if it is none.  `avail` is
 * that of the avail ring: queue->next, or behind requests in flight.
 */
int queue_set_base(struct queue *, uint32_t base);
uint32_t queue_base(const struct queue *, uint16_t avail);

/* Whether `num` can be its number of entries. */
bool queue_size_is_valid(const struct queue *, uint32_t num);

/*
 * Finds the rings in memory, and the used index there.  Returns 0, or -1 with
 * the reason in `*why`.  The guest may change their contents at any time.
 */
int queue_map(struct queue *, const char **why);
void queue_unmap(struct queue *);

/*
 * Whether a mapped ring has never been written to, as that of a guest whose
 * memory is not shared.
 */
bool queue_is_blank(const struct queue *);

/*
 * Whether it is mapped, and no region was removed since then.  A queue that is
 * not has no requests, and takes none: the functions below check it.
 */
/*@
 @ requires \valid_read(q) && \valid_read(q->mem);
 @ assigns \nothing;
 @ ensures \result <==> queue_has_map(q);
 @*/
static inline bool
queue_is_mapped(const struct queue *q)
{
	return q->mapped == q->mem->removals + 1;
}

/* Checks for a request to read. */
/*@
 @ requires \valid_read(q) && queue_is_sound(q);
 @ assigns queue_seen;
 @ ensures queue_has_map(q) ==>
 @   (\result == QUEUE_EMPTY <==> queue_ahead(q->next) == 0);
 @ ensures \result == QUEUE_REQUEST ==> queue_has_map(q);
 @ ensures queue_has_map(q) ==>
 @   (\result == QUEUE_REQUEST <==> 0 < queue_ahead(q->next) <= q->num);
 @*/
enum queue_state queue_peek(const struct queue *q);

/* Reads the next request; with a fault, the segments before the fault. */
/*@
 @ requires \valid(q) && queue_is_sound(q);
 @ requires \valid(req) && \separated(q, q->mem, req);
 @ assigns q->next, *req, q->mem->recent, queue_seen,
 @   chain_ends[0 .. REQUEST_SEGMENTS];
 @ ensures \result != QUEUE_REQUEST ==> q->next == \old(q->next);
 @ ensures \result == QUEUE_REQUEST ==>
 @   q->next == (uint16_t)(\old(q->next) + 1) &&
 @   0 < queue_ahead(\old(q->next)) <= q->num;
 @ ensures \result == QUEUE_REQUEST ==> request_is_valid(q->mem, req);
 @ ensures queue_is_same{Pre,Post}(q) && memory_is_valid(q->mem);
 @*/
enum queue_state queue_pop(struct queue *q, struct request *req);

/*
 * The avail entry to read next if the last `n` requests were not read: those
 * that are not completed.
 */
uint16_t queue_before(const struct queue *, uint32_t n);

/* Reads the chain at `head` of a split queue again. */
/*@
 @ requires \valid_read(q) && queue_is_sound(q);
 @ requires \valid(req) && \separated(q, q->mem, req);
 @ assigns *req, q->mem->recent, chain_ends[0 .. REQUEST_SEGMENTS];
 @ ensures request_is_valid(q->mem, req) && memory_is_valid(q->mem);
 @*/
void queue_read(struct queue *q, uint16_t head, struct request *req);

/*
 * queue_shrink() records that memory is about to be removed; queue_is_older()
 * is whether the request at `next` was made available before that.
 */
void queue_shrink(struct queue *);
bool queue_is_older(const struct queue *, uint16_t next);

/* Returns a request with `len` bytes written; maybe not visible yet. */
/*@
 @ requires \valid(q) && queue_is_sound(q) && \valid_read(req);
 @ assigns q->used, q->ring->ring[0 .. q->num - 1],
 @   q->mem->log.start[0 .. q->mem->log.size - 1];
 @ ensures queue_has_map(q) ==> q->used == (uint16_t)(\old(q->used) + 1);
 @ ensures queue_is_same{Pre,Post}(q) && memory_is_valid(q->mem);
 @*/
void queue_push(struct queue *q, const struct request *req, uint32_t len);

/* Logs all of the used ring as written, if the frontend logs writes. */
void queue_dirty(struct queue *);

/*
 * Makes pushed requests visible.  Returns whether the driver wants a call.
 */
/*@
 @ requires \valid(q) && queue_is_sound(q);
 @ assigns q->published, q->called, q->ring->idx,
 @   q->mem->log.start[0 .. q->mem->log.size - 1];
 @ ensures queue_has_map(q) ==> q->published == q->used;
 @ ensures queue_is_same{Pre,Post}(q) && memory_is_valid(q->mem);
 @*/
bool queue_publish(struct queue *q);

/*
 * Enables a kick for the next request (EVENT_IDX, 2.7.10 and 2.8.10).
 * queue_peek() after this finds a request that was made available meanwhile.
 * Has no effect while the queue is watched.
 */
void queue_arm(struct queue *);

/*
 * Disables kicks during a poll, or enables them again like queue_arm().  The
 * driver may kick nevertheless.
 */
void queue_watch(struct queue *, bool watched);

#endif
