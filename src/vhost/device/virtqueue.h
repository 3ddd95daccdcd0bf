/*
 * The state of a virtqueue, for its two forms: queue.c and packed.c.
 */
#ifndef VRNGD_VIRTQUEUE_H
#define VRNGD_VIRTQUEUE_H

#include <stdbool.h>
#include <stdint.h>

#include "vhost/device/memory.h"
#include "vhost/protocol/vhost_user.h"

struct virtq_desc;
struct virtq_avail;
struct virtq_used;
struct packed_desc;

/*
 * Only queue.c and packed.c write these fields: scripts/prove compiles all other
 * files with them constant.
 */
#ifndef QUEUE_OWNED
#define QUEUE_OWNED
#endif

/* Split, or packed: then places in the ring are positions (packed.h). */
struct queue {
	struct memory *QUEUE_OWNED mem;
	uint32_t QUEUE_OWNED num; /* entries; 0: not set */
	struct vhost_user_vring_addr addr;
	bool addr_set;
	bool QUEUE_OWNED packed; /* RING_PACKED was negotiated */
	bool event_idx;		 /* EVENT_IDX was negotiated */
	uint16_t next;		 /* avail entry to read next */
	uint16_t used;		 /* used.idx, including invisible requests */
	uint16_t published;	 /* used.idx in memory, or when last asked */
	bool called;		 /* the driver was called before */
	bool watched;		 /* polled: kicks are disabled */
	uint16_t shrunk;	 /* avail.idx when memory was last removed */
	struct virtq_desc *QUEUE_OWNED desc; /* split; NULL: not mapped */
	struct virtq_avail *QUEUE_OWNED avail;
	struct virtq_used *QUEUE_OWNED ring;
	struct packed_desc *QUEUE_OWNED descs; /* packed; NULL: not mapped */
	uint32_t *QUEUE_OWNED driver; /* its event suppression structures */
	uint32_t *QUEUE_OWNED device;
	/* Of `mem`, removals + 1 when it was mapped; 0: it is not. */
	uint64_t QUEUE_OWNED mapped;
	uint32_t *mark; /* where its position is kept, or NULL */
};

/* Why queue_map() fails for a ring outside of memory. */
extern const char queue_unreachable[];

/* The state of the avail ring. */
enum queue_state {
	QUEUE_EMPTY,
	QUEUE_REQUEST,
	QUEUE_BROKEN, /* avail.idx is invalid */
};

#endif
