/*
 * Descriptor chains (virtio 1.2, 2.7.5), in memory that the guest may change
 * at any time: every field is read once, checked, then used.
 */
#ifndef VRNGD_CHAIN_H
#define VRNGD_CHAIN_H

#include <stdint.h>

#include "vhost/device/memory.h"

#define REQUEST_SEGMENTS 64 /* per request; later ones are ignored */

/* Device-writable memory of a request, within one region. */
struct segment {
	uint8_t *host;
	uint64_t guest_addr;
	uint32_t len;
};

/* A snapshot of a descriptor chain. */
struct request {
	uint32_t head; /* returned to the driver unchanged */
	uint32_t len;  /* bytes, of all segments */
	uint32_t nsegments;
	const char *fault; /* the fault that ended it, or NULL */
	struct segment segments[REQUEST_SEGMENTS];
};

/* Little-endian in the guest's memory. */
struct virtq_desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags;
	uint16_t next;
};
#define DESC_F_NEXT	1
#define DESC_F_WRITE	2
#define DESC_F_INDIRECT 4

/* The fault of a chain with a buffer outside of memory. */
extern const char chain_outside[];

/*
 * Reads the chain at `head` of a table of `num` descriptors.  With a fault, the
 * request has the segments before the fault.
 */
void chain_read(struct memory *, const struct virtq_desc *, uint32_t num,
    uint16_t head, struct request *);

#endif
