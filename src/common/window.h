/*
 * The window of a worker: granted bytes that have arrived, and the demand that
 * it reports to the parent (proto.h: BYTES, LIMITS, WANT).
 */
#ifndef VRNGD_WINDOW_H
#define VRNGD_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

#include "common/proto.h"

/* Room for the missing bytes of one request and a packet after it. */
#define WINDOW_SIZE (REQUEST_MAX + BYTES_PACKET_MAX)

struct window {
	int bytes_fd; /* the byte channel; -1: none now */
	uint32_t consumer;
	uint32_t generation;
	uint32_t ready;		    /* bytes to hold ready */
	uint32_t request_min;	    /* bytes granted are enough for a request */
	uint32_t request_max;	    /* bytes; a longer request is cut */
	uint64_t received;	    /* running total, this generation */
	struct proto_want reported; /* the last WANT */
	bool pending;	/* a WANT is pending: the channel was full, or asked */
	bool fresh;	/* some bytes have just arrived */
	uint32_t start; /* bytes[start .. start + held) */
	uint32_t held;	/* bytes available */
	/* Last: its pages take no memory until they are used. */
	uint8_t bytes[WINDOW_SIZE];
};

/* Initializes a window without bytes, demand and byte channel. */
void window_init(struct window *);

/* Sets the limits. */
void window_limit(struct window *, const struct proto_limits *);

/*
 * Sets the byte channel of a generation; the window owns `fd` from now on.
 */
void window_rewire(struct window *, uint32_t generation, int fd);

/*
 * Reads arrived bytes, as far as there is room for them; closes a channel that
 * has ended.
 */
void window_receive(struct window *);

/* The bytes held, valid until window_receive(). */
static inline const uint8_t *
window_bytes(const struct window *w)
{
	return w->bytes + w->start;
}

/* Wipes the first `n` of them after their delivery. */
void window_drop(struct window *, uint32_t n);

/*
 * Reports the demand to the parent, if it has changed: waiting requests need
 * `need` bytes more than are held, at most NEED_MAX.  Without requests, only
 * the window is kept.  If the channel is full, sets window->pending: call it
 * again when the channel is writable.  Returns whether it was reported now.
 */
bool window_want(struct window *, uint64_t need, bool any_request);

#endif
