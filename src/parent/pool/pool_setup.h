/*
 * The sources of a pool, as its configuration has them.
 */
#ifndef VRNGD_POOL_SETUP_H
#define VRNGD_POOL_SETUP_H

#include <stdbool.h>

#include "parent/pool/pool_source.h"

struct pool_setup {
	struct pool_sources sources; /* in the order of their numbers */
	struct proto_pool spec;
};

/*
 * Makes the sources of the pool `name` (which must outlive them), to be read by
 * `entropy`.  Those that `now` has
 * as well are not opened a second time.  Some one of them must be there to be
 * opened.  Returns 0, or -1 after logging why not.
 */
int pool_setup_make(struct pool_setup *, const char *name,
    const struct config_pool *, const struct pool_setup *now,
    struct process *entropy, struct process_env *);

void pool_setup_free(struct pool_setup *);

/* Whether the configuration has other sources, or uses them otherwise. */
bool pool_setup_differs(const struct pool_setup *, const struct config_pool *);

/*
 * Puts what pool_setup_make() has made in the place of `now`; sources that are
 * in both stay what they are, with all that is known of them.
 */
void pool_setup_replace(struct pool_setup *now, struct pool_setup *made);

#endif
