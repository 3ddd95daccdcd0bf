/*
 * A source: its kind, a thread that reads it into its stock, and the tests of
 * its bytes.  A read that blocks, even forever, delays only this source.
 *
 * The parent opens it.  When it ends, cannot be read, or fails a test, it is
 * closed and reported, and the parent decides whether to open it again.
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

/* Bytes per read: fewer for a slow device, see chunk_next(). */
#define CHUNK_MIN 64
#define CHUNK_MAX 65536

struct source {
	struct device dev; /* used by the reader, except the spec */
	const struct source_kind *kind;
	struct health *health; /* used by the reader */
	struct stock stock;
	int event_fd;	/* readable: a change of state or stock */
	uint64_t yield; /* used by the main thread: `bytes` when it stalled */
	sem_t started;	/* posted once by the thread */
	pthread_mutex_t lock;
	pthread_cond_t opened; /* signalled when it may start */
	bool open;	       /* guarded: opened, and not closed yet */
	int fd;		       /* guarded: the opened descriptor */
	bool condemned;	       /* guarded: failed by another test, close it */
	bool stalled;	       /* guarded: its timeout has expired */
	uint64_t reading;      /* guarded: ns, start of the wait; 0: none */
	struct counters_source *counters; /* the reader's; guarded: alarms */
	struct proto_source_state state;  /* guarded, except `serving` */
};

/*
 * Initializes a source of that kind, with a stock of `capacity` bytes, and
 * starts its thread without a descriptor.  It counts in `counters`, and writes
 * to `event_fd` on a change of state or stock.  When this returns, the thread
 * has made its start-up system calls, and the filter can be set.  Ends the
 * process on failure.
 */
void source_start(struct source *, const struct proto_source *,
    const struct source_kind *, struct counters_source *, size_t capacity,
    int event_fd);

/*
 * Opens a closed source; it owns `fd` (-1: it needs none) from now on.  Returns
 * -1 if it is already open.
 */
int source_open(struct source *, int fd);

/*
 * It has hung up, as opened for the `opened`th time: it is closed as soon as
 * its reader has no room for more bytes, or has read the last ones.
 */
void source_hang_up(struct source *, uint32_t opened);

/*
 * Fails the source because of a test outside of it, as soon as it can be
 * closed: it must start again.
 */
void source_condemn(struct source *, enum proto_test);

/*
 * Returns the state at `now`.  Wipes the stock of a source that failed.
 */
void source_state(struct source *, uint64_t now, struct proto_source_state *);

/* The time at which it stalls without bytes, ns; UINT64_MAX: never. */
uint64_t source_deadline(struct source *, uint64_t now);

/*
 * The size of the next read, at most `max`, after a read of `chunk` bytes took
 * `ns`: large for a fast source, small for a slow one, so that its bytes arrive
 * early.  /dev/hwrng fills the whole buffer before it returns.
 */
size_t chunk_next(size_t chunk, size_t max, uint64_t ns);

#endif
