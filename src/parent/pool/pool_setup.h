/*
 * The configured sources of a pool.
 */
#ifndef VRNGD_POOL_SETUP_H
#define VRNGD_POOL_SETUP_H

#include <stdbool.h>

#include "parent/pool/pool_source.h"

struct pool_setup {
	struct pool_sources sources; /* by number */
	struct proto_pool spec;
};

/*
 * Creates the sources of the pool `name` (which must outlive them), for the
 * entropy process.  Sources that `now` also has are not opened a second time.
 * Fails if none of them can be opened; if the pool `may_wait`, only if none of
 * them can be opened later either, when its device appears.  Returns 0, or -1
 * after logging the error.
 */
int pool_setup_make(struct pool_setup *, const char *name,
    const struct config_pool *, const struct pool_setup *now, bool may_wait,
    struct process *entropy, struct process_env *);

void pool_setup_free(struct pool_setup *);

/* Whether the sources of the configuration, or their use, are different. */
bool pool_setup_differs(const struct pool_setup *, const struct config_pool *);

/*
 * Replaces `now` by the result of pool_setup_make(); sources in both keep their
 * state and statistics.
 */
void pool_setup_replace(struct pool_setup *now, struct pool_setup *made);

/* Copies to the sources what does not make a configuration different. */
void pool_setup_describe(struct pool_setup *, const struct config_pool *);

#endif
