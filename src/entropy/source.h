/*
 * A source: a file descriptor that the parent opened, and a thread of its own
 * that reads it into the stock, so that a read which blocks or never returns
 * holds up nothing else.
 */
#ifndef VRNGD_SOURCE_H
#define VRNGD_SOURCE_H

#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>

#include "stock.h"

/* Bytes asked for in one read: fewer of a slow device, see chunk_next(). */
#define CHUNK_MIN 64
#define CHUNK_MAX 65536

struct source {
	struct stock *stock;
	sem_t started; /* posted once, by the thread */
	pthread_mutex_t lock;
	pthread_cond_t opened; /* signalled when fd is given */
	int fd;		       /* guarded; -1: none */
	int error;	       /* guarded: why it was lost */
	bool lost;	       /* guarded: not yet told the parent */
};

/*
 * Starts the thread, without anything to read yet.  When this returns it has
 * made the system calls that starting takes, and may be filtered.
 */
void source_start(struct source *, struct stock *);

/* Gives it a descriptor to read; the source owns it from now on. */
void source_open(struct source *, int fd);

/*
 * Whether the source was lost since the last call; `*error` is the errno, or 0
 * for end of file.  The stock's event_fd is signalled when that happens.
 */
bool source_take_lost(struct source *, int *error);

/*
 * How much to read next, given that the last read asked for `chunk` bytes and
 * took `ns`: a fast source is read in large pieces, of a slow one the bytes
 * are had as they come.  /dev/hwrng fills the whole buffer before it returns.
 */
size_t chunk_next(size_t chunk, uint64_t ns);

#endif
