/*
 * The entropy device (virtio 1.2, 5.4): fills the requests of a virtqueue from
 * a window of bytes that were granted, and asks the parent for more.
 */
#ifndef VRNGD_RNG_H
#define VRNGD_RNG_H

#include <stdbool.h>
#include <stdint.h>

#include "inflight.h"
#include "log.h"
#include "proto.h"
#include "queue.h"

#define PENDING_MAX 64 /* requests read ahead of their completion */

/* Room for what one request still misses and a whole packet behind it. */
#define WINDOW_SIZE (REQUEST_MAX + BYTES_PACKET_MAX)

struct rng {
	struct queue *queue;
	struct inflight *inflight;
	int bytes_fd; /* the byte channel; -1: none now */
	uint32_t consumer;
	uint32_t generation;
	uint32_t window;	/* bytes to hold ready */
	uint32_t request_min;	/* bytes */
	uint32_t request_max;	/* bytes */
	uint64_t received;	/* running total, this generation */
	struct proto_want told; /* the last WANT */
	bool untold;		/* the channel was full */
	bool held_back;		/* a request waits for its memory */
	uint32_t start;		/* bytes[start .. start + held) */
	uint32_t held;		/* are there to be used */
	bool fresh;		/* some of them have just come */
	uint64_t waiting;	/* ns, since when; 0: no request waits */
	struct proto_stats stats;
	struct log_limit log_limit; /* of refused requests */
	uint32_t first;		    /* of pending, a ring */
	uint32_t npending;
	struct request pending[PENDING_MAX];
	uint8_t bytes[WINDOW_SIZE];
};

/* How rng_run() left the queue. */
enum rng_state {
	RNG_WAITING, /* a kick or bytes will come */
	RNG_MORE,    /* it goes on, after a look at other things */
	RNG_BROKEN,  /* the avail ring makes no sense */
};

/* A device without bytes and without demand. */
void rng_init(struct rng *, struct queue *, struct inflight *);

/* Takes the limits of a START frame, and its byte channel. */
void rng_start(struct rng *, const struct frame_header *,
    const struct proto_limits *, int bytes_fd);

/* Takes other limits. */
void rng_limit(struct rng *, const struct proto_limits *);

/* Takes another byte channel, of a new generation. */
void rng_rewire(struct rng *, uint32_t generation, int bytes_fd);

/*
 * Reads the bytes that have come, as far as there is room for them; closes a
 * channel that has ended.
 */
void rng_receive(struct rng *);

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

/* Tells the parent what is wanted, if that is news to it. */
void rng_want(struct rng *);

/* Sends the figures. */
void rng_send_stats(struct rng *);

#endif
