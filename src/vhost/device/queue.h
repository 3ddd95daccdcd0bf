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

/* An unset, split queue in `mem`, whose mark is not kept. */
void queue_init(struct queue *, struct memory *mem);

/* Makes an unmapped queue a packed one or not, and its base that of a start. */
void queue_set_packed(struct queue *, bool packed);

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

/* Checks for a request to read. */
enum queue_state queue_peek(const struct queue *);

/* Reads the next request; with a fault, the segments before the fault. */
enum queue_state queue_pop(struct queue *, struct request *);

/*
 * The avail entry to read next if the last `n` requests were not read: those
 * that are not completed.
 */
uint16_t queue_before(const struct queue *, uint32_t n);

/* Reads the chain at `head` of a split queue again. */
void queue_read(struct queue *, uint16_t head, struct request *);

/*
 * queue_shrink() records that memory is about to be removed; queue_is_older()
 * is whether the request at `next` was made available before that.
 */
void queue_shrink(struct queue *);
bool queue_is_older(const struct queue *, uint16_t next);

/* Returns a request with `len` bytes written; maybe not visible yet. */
void queue_push(struct queue *, const struct request *, uint32_t len);

/* Logs all of the used ring as written, if the frontend logs writes. */
void queue_dirty(struct queue *);

/*
 * Makes pushed requests visible.  Returns whether the driver wants a call.
 */
bool queue_publish(struct queue *);

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
