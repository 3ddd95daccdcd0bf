/*
 * Requests in flight, as vhost-user wants them recorded in memory that
 * outlives this process ("Inflight I/O tracking", for a split virtqueue).
 *
 * Our requests are completed in the order in which they were made available.
 * What is in flight are therefore always the avail entries from used.idx on,
 * and the next process has only to start there.
 */
#ifndef VRNGD_INFLIGHT_H
#define VRNGD_INFLIGHT_H

#include <stdbool.h>
#include <stdint.h>

struct inflight_region;

struct inflight {
	struct inflight_region	*region;	/* NULL: not recorded */
	uint16_t		 num;		/* entries */
	uint64_t		 counter;
};

/* Bytes of memory for a queue of `num` entries. */
uint64_t inflight_size(uint16_t num);

/*
 * Uses `size` bytes at `start` for a queue of `num` entries.  Returns -1 if
 * they are too few or not aligned.
 */
int	 inflight_attach(struct inflight *, void *start, uint64_t size,
	    uint16_t num);

/*
 * Forgets what was recorded before: everything from `used_idx` on is going to
 * be read from the avail ring again.
 */
void	 inflight_restart(struct inflight *, uint16_t used_idx);

/* A request was read from the avail ring. */
void	 inflight_begin(struct inflight *, uint32_t head);

/* A request was put into the used ring, not yet visibly. */
void	 inflight_push(struct inflight *, uint32_t head);

/* What was pushed is visible: used.idx is now `used_idx`. */
void	 inflight_publish(struct inflight *, uint16_t used_idx);

#endif
