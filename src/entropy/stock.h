/*
 * The stock of a source: a ring of bytes that its reader fills and the main
 * thread delivers.  The memory is locked and excluded from core dumps, and each
 * byte is wiped after delivery.  Bytes are read and sent in place; the lock
 * guards only the positions.
 */
#ifndef VRNGD_STOCK_H
#define VRNGD_STOCK_H

#include <sys/uio.h>

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct stock {
	uint8_t *bytes;
	size_t capacity; /* bytes */
	size_t kept;	 /* used by the reader: bytes held back */
	pthread_mutex_t lock;
	pthread_cond_t room; /* signalled when bytes are removed */
	size_t start;	     /* guarded: the oldest byte */
	size_t held;	     /* guarded: bytes that can be delivered */
	bool full;	     /* guarded: the reader waits for room */
	size_t most;	     /* guarded: until at most this much is held */
	bool ended;	     /* guarded: the reader must not wait for room */
};

/* Creates an empty stock; ends the process on failure. */
void stock_init(struct stock *, size_t capacity);

/*
 * For the reader: waits until there is room for `want` bytes (at most half the
 * capacity), and returns the position of the first.  `*n` is the number of
 * bytes that fit there in one piece, at most `want`.  Returns NULL if there is
 * no room and the source has ended, see stock_end().
 */
uint8_t *stock_reserve(struct stock *, size_t want, size_t *n);

/* For the reader: whether stock_reserve() would not wait. */
bool stock_has_room(struct stock *, size_t want);

/*
 * For the reader: holds back `n` bytes at the position from stock_reserve();
 * releases all bytes held back; or wipes them.  `next` is the number of bytes
 * that it will reserve next, if known: if they do not fit, the stock is full at
 * once.
 */
void stock_keep(struct stock *, size_t n);
void stock_release(struct stock *, size_t next);
void stock_forget(struct stock *);

/*
 * For the main thread: the source has ended, so the reader waits for room no
 * longer; or it begins.
 */
void stock_end(struct stock *);
void stock_begin(struct stock *);

/* For the main thread: the number of bytes that can be delivered. */
size_t stock_held(struct stock *);

/* For the main thread: whether the reader waits for room, or is going to. */
bool stock_full(struct stock *);

/*
 * For the main thread: finds the oldest `n` bytes, or as many as there are, in
 * one or two pieces.  Returns their number.  They stay until stock_remove().
 */
size_t stock_peek(struct stock *, size_t n, struct iovec iov[2]);

/* For the main thread: wipes and drops the oldest `n` bytes. */
void stock_remove(struct stock *, size_t n);

#endif
