/*
 * A split virtqueue, the device's side (virtio 1.2, 2.7), in memory that the
 * guest may change at any time: every field is read once, checked, then used.
 */
#ifndef VRNGD_QUEUE_H
#define VRNGD_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

#include "vhost/device/chain.h"
#include "vhost/device/memory.h"
#include "vhost/protocol/vhost_user.h"

struct virtq_avail;
struct virtq_used;

struct queue {
	struct memory *mem;
	uint32_t num; /* entries; 0: not set */
	struct vhost_user_vring_addr addr;
	bool addr_set;
	bool event_idx;		 /* EVENT_IDX was negotiated */
	uint16_t next;		 /* avail entry to read next */
	uint16_t used;		 /* used.idx, including invisible requests */
	uint16_t published;	 /* used.idx in memory */
	bool called;		 /* the driver was called before */
	bool watched;		 /* polled: kicks are disabled */
	uint16_t shrunk;	 /* avail.idx when memory was last removed */
	struct virtq_desc *desc; /* NULL: not mapped */
	struct virtq_avail *avail;
	struct virtq_used *ring;
};

/* Why queue_map() fails for a ring outside of memory. */
extern const char queue_unreachable[];

/* The state of the avail ring. */
enum queue_state {
	QUEUE_EMPTY,
	QUEUE_REQUEST,
	QUEUE_BROKEN, /* avail.idx is invalid */
};

/* An unset queue in `mem`. */
void queue_init(struct queue *, struct memory *mem);

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

/*
 * The head of the next request, unchecked, after queue_peek() has found one.
 */
uint16_t queue_pop(struct queue *);

/* Reads the chain at `head`; with a fault, the segments before the fault. */
void queue_read(struct queue *, uint16_t head, struct request *);

/*
 * queue_shrink() records that memory is about to be removed; queue_is_older()
 * is whether the request at `next` was made available before that.
 */
void queue_shrink(struct queue *);
bool queue_is_older(const struct queue *, uint16_t next);

/* Returns a request with `len` bytes written; not visible yet. */
void queue_push(struct queue *, uint32_t head, uint32_t len);

/* Logs all of the used ring as written, if the frontend logs writes. */
void queue_dirty(struct queue *);

/*
 * Makes pushed requests visible.  Returns whether the driver wants a call.
 */
bool queue_publish(struct queue *);

/*
 * Enables a kick for the next request (EVENT_IDX, 2.7.10).  queue_peek() after
 * this finds a request that was made available meanwhile.  Has no effect while
 * the queue is watched.
 */
void queue_arm(struct queue *);

/*
 * Disables kicks during a poll, or enables them again like queue_arm().  The
 * driver may kick nevertheless.
 */
void queue_watch(struct queue *, bool watched);

#endif
