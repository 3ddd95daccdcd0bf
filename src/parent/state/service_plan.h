/*
 * What applying a configuration has to make first, since it can fail: until
 * then, all is as it was.
 */
#ifndef VRNGD_SERVICE_PLAN_H
#define VRNGD_SERVICE_PLAN_H

#include "parent/state/service_parts.h"

/* Other sources for a pool that there is. */
struct plan_setup {
	TAILQ_ENTRY(plan_setup) entry;
	struct pool *pool;
	struct pool_setup setup;
};

struct plan {
	struct service_pools pools; /* new ones, that run */
	TAILQ_HEAD(, plan_setup) setups;
	/*
	 * For each guest of the configuration, its EGD socket, each outlet; fd
	 * -1: it has none, it is there already, or has to be given up first.
	 */
	struct listener *listeners;
	size_t nlisteners;
	struct listener *egds;
	size_t negds;
	struct listener *outlets;
	size_t noutlets;
};

/*
 * Makes what the configuration needs and the service does not have.  Returns
 * 0, or -1 after logging why not.  Either way, plan_drop() is to follow, which
 * ends what has not been taken out of the plan.
 */
int plan_make(struct service *, const struct config *, struct plan *);
void plan_drop(struct service *, struct plan *);

/* A guest's EGD socket as an outlet: what strings it has are the guest's. */
void plan_egd(struct config_outlet *, const struct config_guest *);

/* The listener of a guest of the configuration, whose path must outlive it. */
int plan_listener(struct listener *, const struct config_guest *);

/* The outlet of the configuration that one may go on as, or NULL. */
const struct config_outlet *plan_successor(const struct config *,
    const struct outlet *);

#endif
