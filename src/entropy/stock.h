/*
 * The stock of a source: a ring of bytes that its reader fills and the main
 * thread hands out.  The memory is locked and left out of core dumps, and each
 * byte is wiped when it has been handed out.  Bytes are read and sent in place;
 * the lock guards the positions only.
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
	size_t kept;	 /* the reader's: bytes put in and not released */
	pthread_mutex_t lock;
	pthread_cond_t room; /* signalled when bytes are taken */
	size_t start;	     /* guarded: the oldest byte */
	size_t held;	     /* guarded: bytes that may be handed out */
	bool full;	     /* guarded: the reader waits for room, */
	size_t most;	     /* guarded: until no more than this is held */
};

/* Makes an empty stock; ends the process if it cannot. */
void stock_init(struct stock *, size_t capacity);

/*
 * For the reader: waits until `want` bytes (at most half the capacity) fit,
 * and returns where to put the first of them; `*n` tells how many fit there in
 * one piece, at most `want`.
 */
uint8_t *stock_reserve(struct stock *, size_t want, size_t *n);

/* For the reader: whether that would not wait. */
bool stock_has_room(struct stock *, size_t want);

/*
 * For the reader: `n` bytes were put where stock_reserve() said, and are not
 * to be handed out yet; all such bytes may be, from now on; or are wiped.
 * `next` bytes are what it will reserve then, if it is known: the stock is full
 * at once if they do not fit.
 */
void stock_keep(struct stock *, size_t n);
void stock_release(struct stock *, size_t next);
void stock_forget(struct stock *);

/* For the main thread: how many bytes may be handed out. */
size_t stock_held(struct stock *);

/* For the main thread: whether the reader waits for room, or is about to. */
bool stock_full(struct stock *);

/*
 * For the main thread: the oldest `n` bytes, or as many as there are, as one
 * or two pieces.  Returns how many.  They stay until stock_remove().
 */
size_t stock_peek(struct stock *, size_t n, struct iovec iov[2]);

/* For the main thread: wipes and drops the oldest `n` bytes. */
void stock_remove(struct stock *, size_t n);

#endif
