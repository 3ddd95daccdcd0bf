/*
 * The entropy device (virtio 1.2, 5.4): fills the requests of a virtqueue from
 * a window of granted bytes, and sends its demand to the parent.
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
	bool held_back;	    /* a request waits for its memory */
	uint64_t waiting;   /* ns, start of the wait; 0: no request waits */
	uint64_t short_due; /* ns: see rng_short_due() */
	struct counters *counters;
	struct log_limit log_limit; /* for malformed requests */
	uint32_t first;		    /* of pending, a ring */
	uint32_t npending;
	struct window window;
	/* Last: the worker of an idle guest does not use these pages. */
	struct request pending[PENDING_MAX];
};

/* The state of the queue after rng_run(). */
enum rng_state {
	RNG_WAITING, /* wait for a kick or bytes */
	RNG_MORE,    /* call it again, after other events */
	RNG_BROKEN,  /* the avail ring is invalid */
};

/* Initializes a device without bytes and demand. */
void rng_init(struct rng *, struct queue *, struct inflight *,
    struct counters *);

/*
 * Completes requests of a mapped queue, at most a few hundred at once.  Sets
 * `*call` if the driver wants a call.
 */
enum rng_state rng_run(struct rng *, bool *call);

/*
 * Drops the requests that were read ahead: they are still in the avail ring, at
 * queue->next.
 */
void rng_rewind(struct rng *);

/* The avail entry to read next after rng_rewind(). */
uint16_t rng_next(const struct rng *);

/*
 * The time (ns) at which the first request can be completed with the bytes that
 * have arrived for it, though they are too few: call rng_run() then.  0: none
 * have.
 */
uint64_t rng_short_due(const struct rng *);

/*
 * Sends the demand to the parent, if it has changed.  Returns whether it was
 * sent.
 */
bool rng_want(struct rng *);

#endif
