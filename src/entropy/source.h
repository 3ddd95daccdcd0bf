/*
 * A source: a kind, a thread of its own that reads it into its stock, and the
 * tests that each byte passes on the way.  A read which blocks or never
 * returns holds up nothing else.
 *
 * The parent opens it.  When it ends, or fails to be read or to pass a test,
 * it is closed and says so, and the parent opens it again, or does not.
 */
#ifndef VRNGD_SOURCE_H
#define VRNGD_SOURCE_H

#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>

#include "entropy/health/health.h"
#include "entropy/kind/kind.h"
#include "common/counters.h"
#include "entropy/stock.h"

/* Bytes asked for in one read: fewer of a slow device, see chunk_next(). */
#define CHUNK_MIN 64
#define CHUNK_MAX 65536

struct source {
	struct device dev; /* the reader's, but for the spec */
	const struct source_kind *kind;
	struct health *health; /* the reader's */
	struct stock stock;
	int event_fd;	/* readable: there is something new */
	uint64_t yield; /* the main thread's: `bytes` when it stalled */
	sem_t started;	/* posted once, by the thread */
	pthread_mutex_t lock;
	pthread_cond_t opened; /* signalled when it may start */
	bool open;	       /* guarded: given, and not closed yet */
	int fd;		       /* guarded: what was given */
	bool condemned;	       /* guarded: to be closed, come what may */
	bool stalled;	       /* guarded: waited for too long */
	uint64_t reading;      /* guarded: ns, since when; 0: it is not */
	struct counters_source *counters; /* the reader's; guarded: alarms */
	struct proto_source_state state;  /* guarded: but for `serving` */
};

/*
 * Makes a source of that kind, which counts in `counters`, with a stock of
 * `capacity` bytes, and starts its thread, without anything to read yet.  `event_fd` is written to when there is
 * something new.  When this returns the thread has made the system calls that
 * starting takes, and may be filtered.  Ends the process if it cannot.
 */
void source_start(struct source *, const struct proto_source *,
    const struct source_kind *, struct counters_source *, size_t capacity,
    int event_fd);

/*
 * Lets a closed source be read; it owns `fd` (-1: it needs none) from now on.
 * Returns -1 if it is open already.
 */
int source_open(struct source *, int fd);

/*
 * Finds it failed by a test that others made, as soon as it can be closed: it
 * is to begin again.
 */
void source_condemn(struct source *, enum proto_test);

/*
 * What it is like at `now`.  What is in the stock of a source that failed is
 * wiped.
 */
void source_state(struct source *, uint64_t now, struct proto_source_state *);

/* When it will have stalled, ns, if nothing comes; UINT64_MAX: never. */
uint64_t source_deadline(struct source *, uint64_t now);

/*
 * How much to read next, given that the last read asked for `chunk` bytes, at
 * most `max`, and took `ns`: a fast source is read in large pieces, of a slow
 * one the bytes are had as they come.  /dev/hwrng fills the whole buffer before
 * it returns.
 */
size_t chunk_next(size_t chunk, size_t max, uint64_t ns);

#endif
