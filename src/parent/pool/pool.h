/*
 * A pool: sources, the entropy process that reads them, and the allocator that
 * shares their bytes among the consumers.
 */
#ifndef VRNGD_POOL_H
#define VRNGD_POOL_H

#include "parent/pool/consumer.h"
#include "parent/pool/pool_state.h"

/* A pool with a share, but without sources and consumers. */
void pool_init(struct pool *, const char *name, struct process_env *,
    const struct alloc_share *, const struct pool_ops *, void *arg);

/*
 * Replaces the sources by the created ones, read by a new entropy process at
 * once; the old process is killed if it does not end.
 */
void pool_set_sources(struct pool *, struct pool_setup *);

/*
 * Starts the entropy process.  Returns 0, or -1 after logging the error.
 */
int pool_start(struct pool *);

/* Ends the entropy process by the deadline (ns), and frees the sources. */
void pool_stop(struct pool *, uint64_t deadline);

#endif
