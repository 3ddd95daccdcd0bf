/*
 * A worker's window: granted bytes that have come and wait to be handed on, and
 * the demand that it tells the parent (proto.h: BYTES, LIMITS, WANT).
 */
#ifndef VRNGD_WINDOW_H
#define VRNGD_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

#include "common/proto.h"

/* Room for what one request still misses and a whole packet behind it. */
#define WINDOW_SIZE (REQUEST_MAX + BYTES_PACKET_MAX)

struct window {
	int bytes_fd; /* the byte channel; -1: none now */
	uint32_t consumer;
	uint32_t generation;
	uint32_t ready;		/* bytes to hold ready */
	uint32_t request_min;	/* bytes granted are enough for a request */
	uint32_t request_max;	/* bytes; a longer request is cut */
	uint64_t received;	/* running total, this generation */
	struct proto_want told; /* the last WANT */
	bool untold;	/* it is to be told: it could not be, or asked */
	bool fresh;	/* some bytes have just come */
	uint32_t start; /* bytes[start .. start + held) */
	uint32_t held;	/* are there to be used */
	/* Last: its pages cost nothing until they are used. */
	uint8_t bytes[WINDOW_SIZE];
};

/* Without bytes, demand and byte channel. */
void window_init(struct window *);

/* Takes limits. */
void window_limit(struct window *, const struct proto_limits *);

/*
 * Takes the byte channel of a generation, its first or another: `fd` is the
 * window's from now on.
 */
void window_rewire(struct window *, uint32_t generation, int fd);

/*
 * Reads the bytes that have come, as far as there is room for them; closes a
 * channel that has ended.
 */
void window_receive(struct window *);

/* The bytes held, valid until window_receive(). */
static inline const uint8_t *
window_bytes(const struct window *w)
{
	return w->bytes + w->start;
}

/* Wipes the first `n` of them: they have been handed on. */
void window_drop(struct window *, uint32_t n);

/*
 * Tells the parent the demand, if that is news to it: requests that wait miss
 * `need` more bytes than are held, at most NEED_MAX.  Without any request, no
 * more is kept than is to be ready.  A full channel sets window->untold: it is
 * to be called again when that can be written.
 */
void window_want(struct window *, uint64_t need, bool any_request);

#endif
