/*
 * A split virtqueue, the device's side (virtio 1.2, 2.7), in memory that the
 * guest may change at any time: every field is read once, checked, then used.
 */
#ifndef VRNGD_QUEUE_H
#define VRNGD_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

#include "vhost/device/memory.h"
#include "vhost/protocol/vhost_user.h"

#define REQUEST_SEGMENTS 64 /* of a request; later ones are unused */

/* Device-writable memory of a request, within one region. */
struct segment {
	uint8_t *host;
	uint64_t guest_addr;
	uint32_t len;
};

/* A descriptor chain, as it was when it was read. */
struct request {
	uint32_t head; /* goes back to the driver as it came */
	uint32_t len;  /* bytes, of all segments */
	uint32_t nsegments;
	const char *fault; /* why it ends where it ends, or NULL */
	struct segment segments[REQUEST_SEGMENTS];
};

struct virtq_desc;
struct virtq_avail;
struct virtq_used;

struct queue {
	struct memory *mem;
	uint32_t num; /* entries; 0: not set */
	struct vhost_user_vring_addr addr;
	bool addr_set;
	bool event_idx;		 /* EVENT_IDX was negotiated */
	uint16_t next;		 /* avail entry to read next */
	uint16_t used;		 /* used.idx, with what is not told */
	uint16_t told;		 /* used.idx, as the driver sees it */
	bool called;		 /* the driver heard of used.idx before */
	bool watched;		 /* somebody looks: no kicks, please */
	uint16_t shrunk;	 /* avail.idx when memory was last taken away */
	struct virtq_desc *desc; /* NULL: not mapped */
	struct virtq_avail *avail;
	struct virtq_used *ring;
};

/* The fault of a chain with a buffer in no region of memory. */
extern const char queue_outside[];

/* What the avail ring has. */
enum queue_state {
	QUEUE_EMPTY,
	QUEUE_REQUEST,
	QUEUE_BROKEN, /* avail.idx jumped: it makes no sense */
};

/* An unset queue in `mem`. */
void queue_init(struct queue *, struct memory *mem);

/*
 * Finds the rings in memory, and the used index there.  Returns 0, or -1 and
 * in `*why` the reason.  The driver may move and change everything behind it.
 */
int queue_map(struct queue *, const char **why);
void queue_unmap(struct queue *);

/* Whether there is a request to read. */
enum queue_state queue_peek(const struct queue *);

/*
 * The head of the next request, which may be anything, after queue_peek() said
 * that there is one.
 */
uint16_t queue_pop(struct queue *);

/* Reads the chain at `head`.  One with a fault has the segments before it. */
void queue_read(struct queue *, uint16_t head, struct request *);

/*
 * Memory is about to be taken away.  Whether the request at `next` was made
 * before that.
 */
void queue_shrink(struct queue *);
bool queue_is_older(const struct queue *, uint16_t next);

/* Gives a request back with `len` bytes written, not yet visibly. */
void queue_push(struct queue *, uint32_t head, uint32_t len);

/* Logs all of the used ring as written, if the frontend wants that. */
void queue_dirty(struct queue *);

/*
 * Makes visible what was pushed.  Returns whether the driver wants to be
 * called.
 */
bool queue_publish(struct queue *);

/*
 * Asks the driver to kick for the next request (EVENT_IDX, 2.7.10).  A request
 * that it made available meanwhile is seen by queue_peek() after this.  While
 * the queue is watched: nothing.
 */
void queue_arm(struct queue *);

/*
 * Asks the driver not to kick, since somebody looks at the queue; or, as
 * queue_arm(), to kick again.  It may kick all the same.
 */
void queue_watch(struct queue *, bool watched);

#endif
