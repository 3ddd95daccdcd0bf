/*
 * The entropy device (virtio 1.2, 5.4): fills the requests of a virtqueue from
 * a window of bytes that were granted, and asks the parent for more.
 */
#ifndef VRNGD_RNG_H
#define VRNGD_RNG_H

#include <stdbool.h>
#include <stdint.h>

#include "vhost/device/inflight.h"
#include "common/log.h"
#include "common/counters.h"
#include "vhost/device/queue.h"
#include "common/window.h"

#define PENDING_MAX 64 /* requests read ahead of their completion */

struct rng {
	struct queue *queue;
	struct inflight *inflight;
	bool held_back;	  /* a request waits for its memory */
	uint64_t waiting; /* ns, since when; 0: no request waits */
	struct counters *counters;
	struct log_limit log_limit; /* of refused requests */
	uint32_t first;		    /* of pending, a ring */
	uint32_t npending;
	struct window window;
	/* Behind it: an idle guest's worker has no page for either of them. */
	struct request pending[PENDING_MAX];
};

/* How rng_run() left the queue. */
enum rng_state {
	RNG_WAITING, /* a kick or bytes will come */
	RNG_MORE,    /* it goes on, after a look at other things */
	RNG_BROKEN,  /* the avail ring makes no sense */
};

/* A device without bytes and without demand, which counts what it does. */
void rng_init(struct rng *, struct queue *, struct inflight *,
    struct counters *);

/*
 * Completes what can be completed, on a mapped queue, but no more than a few
 * hundred requests at once.  `*call` is set if the
 * driver wants to be called.
 */
enum rng_state rng_run(struct rng *, bool *call);

/*
 * Gives up the requests read ahead: they are in the avail ring still, at
 * queue->next.
 */
void rng_rewind(struct rng *);

/* The avail entry that is to be read next after rng_rewind(). */
uint16_t rng_next(const struct rng *);

/* Tells the parent what is wanted, if that is news to it. */
void rng_want(struct rng *);

#endif
