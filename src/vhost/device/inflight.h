/*
 * The record of requests in flight, in memory that outlives this process
 * (vhost-user, "Inflight I/O tracking", for a split virtqueue).
 *
 * This worker completes requests in the order in which they were made
 * available, but the memory may come from a backend that did not.  Therefore
 * the requests recorded in flight are completed first, in the order of their
 * counters.
 */
#ifndef VRNGD_INFLIGHT_H
#define VRNGD_INFLIGHT_H

#include <stdbool.h>
#include <stdint.h>

struct inflight_region;
struct inflight_packed_region;

struct inflight {
	struct inflight_region *region;	       /* NULL: not recorded */
	struct inflight_packed_region *packed; /* inflight_packed.h */
	uint16_t num;			       /* entries */
	bool started;			       /* it has what was in flight */
	uint64_t counter;		       /* of the next request */
	uint16_t resubmit;		       /* requests to complete first */
	uint64_t from_counter; /* their counters are from this one */
	uint16_t from_head;    /* and their heads from this one */
};

/* Bytes of memory for a queue of `num` entries. */
uint64_t inflight_size(uint16_t num);

/*
 * Uses `size` bytes at `start` for a queue of `num` entries.  Returns -1 if the
 * memory is too small or not aligned.
 */
int inflight_attach(struct inflight *, void *start, uint64_t size,
    uint16_t num);

/*
 * Finds the requests in flight when the ring starts with used.idx `used_idx`.
 * Returns their number; they were already read from the avail ring.
 */
uint16_t inflight_start(struct inflight *, uint16_t used_idx);

/* The head of the next request that was in flight at the start, or -1. */
int inflight_resubmit(struct inflight *);

/* The requests in flight. */
uint16_t inflight_count(const struct inflight *);

/* The ring was stopped permanently: no request is in flight. */
void inflight_stop(struct inflight *);

/* A request was read from the avail ring. */
void inflight_begin(struct inflight *, uint32_t head);

/* A request was written to the used ring, but is not visible yet. */
void inflight_push(struct inflight *, uint32_t head);

/* The pushed requests are visible: used.idx is now `used_idx`. */
void inflight_publish(struct inflight *, uint16_t used_idx);

#endif
