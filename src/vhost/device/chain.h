/*
 * Descriptor chains (virtio 1.2, 2.7.5), in memory that the guest may change
 * at any time: every field is read once, checked, then used.
 */
#ifndef VRNGD_CHAIN_H
#define VRNGD_CHAIN_H

#include <stdbool.h>
#include <stdint.h>

#include "common/proto.h" /* REQUEST_MAX */
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
	uint32_t head;	/* returned to the driver unchanged */
	uint32_t count; /* descriptors in a packed ring */
	uint16_t entry; /* in the record of requests in flight of one */
	uint32_t len;	/* bytes, of all segments */
	uint32_t nsegments;
	const char *fault; /* the fault that ended it, or NULL */
	struct segment segments[REQUEST_SEGMENTS];
};

/* For proofs: the bytes of all segments before each segment. */
/*@ ghost int chain_ends[REQUEST_SEGMENTS + 1]; */

/*@
 @ predicate segments_are_same{L1,L2}(struct request *req, integer n) =
 @   \forall integer i; 0 <= i < n ==>
 @     \at(req->segments[i].len, L1) == \at(req->segments[i].len, L2) &&
 @     \at(req->segments[i].host, L1) == \at(req->segments[i].host, L2) &&
 @     \at(req->segments[i].guest_addr, L1) ==
 @       \at(req->segments[i].guest_addr, L2);
 @
 @ // Each lies within one region.
 @ predicate segments_are_valid(struct memory *mem, struct request *req,
 @     integer n) =
 @   \forall integer i; 0 <= i < n ==> req->segments[i].len > 0 &&
 @     memory_maps(mem, req->segments[i].guest_addr, req->segments[i].host,
 @       req->segments[i].len);
 @
 @ lemma segments_same_valid{L1,L2}: \forall struct memory *mem,
 @     struct request *req, integer n;
 @   memory_is_same{L1,L2}(mem) && segments_are_same{L1,L2}(req, n) &&
 @   segments_are_valid{L1}(mem, req, n) ==>
 @   segments_are_valid{L2}(mem, req, n);
 @
 @ // The first `n` have `len` bytes.
 @ predicate segments_end(struct request *req, integer n, integer len) =
 @   chain_ends[0] == 0 && chain_ends[n] == len &&
 @   \forall integer i; 0 <= i < n ==>
 @     chain_ends[i + 1] == chain_ends[i] + req->segments[i].len;
 @
 @ predicate request_is_valid(struct memory *mem, struct request *req) =
 @   req->nsegments <= REQUEST_SEGMENTS && req->len <= REQUEST_MAX &&
 @   segments_are_valid(mem, req, req->nsegments) &&
 @   segments_end(req, req->nsegments, req->len);
 @*/

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
/*@
 @ requires \valid(mem) && memory_is_valid(mem);
 @ requires \valid_read(desc + (0 .. num - 1));
 @ requires \valid(req) && \separated(mem, req);
 @ assigns *req, mem->recent, chain_ends[0 .. REQUEST_SEGMENTS];
 @ ensures memory_is_valid(mem) && request_is_valid(mem, req);
 @ ensures req->fault == \null ==> req->len > 0;
 @ ensures req->head == head;
 @*/
void chain_read(struct memory *mem, const struct virtq_desc *desc, uint32_t num,
    uint16_t head, struct request *req);

/* For chains of another form: the fault of one that asks for nothing. */
extern const char chain_empty[];

/* A request without segments and fault. */
/*@
 @ requires \valid(req);
 @ assigns req->head, req->count, req->len, req->nsegments, req->fault,
 @   chain_ends[0];
 @ ensures req->nsegments == 0 && req->len == 0 && chain_ends[0] == 0;
 @*/
void chain_begin(struct request *req);

/*
 * Adds a device-writable buffer to a request that is not full.  Returns the
 * fault, or NULL.
 */
/*@
 @ requires \valid(mem) && memory_is_valid(mem);
 @ requires \valid(req) && \separated(mem, req);
 @ requires request_is_valid(mem, req);
 @ assigns req->segments[0 .. REQUEST_SEGMENTS - 1], req->nsegments, req->len,
 @   mem->recent, chain_ends[0 .. REQUEST_SEGMENTS];
 @ ensures memory_is_valid(mem);
 @ ensures request_is_valid(mem, req);
 @*/
const char *chain_add(struct memory *mem, struct request *req, uint64_t addr,
    uint64_t len);

/*
 * Reads a descriptor of a table at a guest address, each byte once.  Returns
 * whether it is in memory.
 */
/*@
 @ requires \valid(mem) && memory_is_valid(mem);
 @ requires \valid(d) && \separated(mem, d);
 @ assigns *d, mem->recent;
 @ ensures memory_is_valid(mem);
 @*/
bool chain_entry(struct memory *mem, uint64_t addr, struct virtq_desc *d);

/* Whether a request has all the segments that can be used. */
/*@
 @ requires \valid_read(req);
 @ assigns \nothing;
 @*/
static inline bool
chain_is_full(const struct request *req)
{
	return req->len == REQUEST_MAX || req->nsegments == REQUEST_SEGMENTS;
}

#endif
