/*
 * Requests in flight, as vhost-user wants them recorded in memory that
 * outlives this process ("Inflight I/O tracking", for a split virtqueue).
 *
 * We complete requests in the order in which they were made available, but the
 * memory may come from a backend that did not.  So what it says was in flight
 * is done first, in the order of its counters.
 */
#ifndef VRNGD_INFLIGHT_H
#define VRNGD_INFLIGHT_H

#include <stdbool.h>
#include <stdint.h>

struct inflight_region;

struct inflight {
	struct inflight_region *region; /* NULL: not recorded */
	uint16_t num;			/* entries */
	uint64_t counter;		/* of the next request */
	uint16_t resubmit;		/* requests to be done first */
	uint64_t from_counter;		/* which have this one */
	uint16_t from_head;		/* and this head, or more */
};

/* Bytes of memory for a queue of `num` entries. */
uint64_t inflight_size(uint16_t num);

/*
 * Uses `size` bytes at `start` for a queue of `num` entries.  Returns -1 if
 * they are too few or not aligned.
 */
int inflight_attach(struct inflight *, void *start, uint64_t size,
    uint16_t num);

/*
 * Finds out what is in flight when the ring starts, used.idx being `used_idx`.
 * Returns how many requests, which have been read from the avail ring already.
 */
uint16_t inflight_start(struct inflight *, uint16_t used_idx);

/* The next request that was in flight at the start: its head, or -1. */
int inflight_resubmit(struct inflight *);

/* The ring was stopped for good: nothing is in flight. */
void inflight_stop(struct inflight *);

/* A request was read from the avail ring. */
void inflight_begin(struct inflight *, uint32_t head);

/* A request was put into the used ring, not yet visibly. */
void inflight_push(struct inflight *, uint32_t head);

/* What was pushed is visible: used.idx is now `used_idx`. */
void inflight_publish(struct inflight *, uint16_t used_idx);

#endif
