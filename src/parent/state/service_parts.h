/*
 * The parts of a service, between service_parts.c, which makes, finds and ends
 * them, and service.c, which does so in the right order.
 */
#ifndef VRNGD_SERVICE_PARTS_H
#define VRNGD_SERVICE_PARTS_H

#include "parent/state/daemon.h"

/* Where a guest that has no part of its own is. */
struct service_place {
	struct pool *pool;
	struct alloc_node *parent;
	const char *class; /* that is; NULL: the pool itself */
	const struct config_terms *terms;
	struct alloc_share share;
};

/* The share of a guest that has no part of its own. */
struct alloc_share service_plain_share(const struct config_terms *);

/*
 * The place in a class ("": the pool itself) of a pool ("": the one that a
 * configuration would mean).  Returns 0; or -1 with the reason.
 */
int service_find_place(struct service *, const char *pool, const char *class,
    struct service_place *, const char **why);

/*
 * A pool that is in no list yet, without classes; NULL after logging why its
 * sources cannot be had.
 */
struct service_pool *service_pool_new(struct service *,
    const struct config_pool *);

/* Ends what is no more in any list, by the deadline (ns). */
void service_pool_free(struct service_pool *, uint64_t deadline);

/* Takes a class, which has nothing below it, out of its pool. */
void service_class_free(struct service_pool *, struct service_class *);

/* Adds a guest to the service, or ends it by the deadline (ns). */
struct guest *service_guest_new(struct service *, const char *name,
    struct pool *, struct alloc_node *parent, const struct alloc_share *,
    const struct config_terms *);
void service_guest_free(struct service *, struct guest *, uint64_t deadline);

/* Gives up a guest's listener if that was passed, in the store too. */
void service_unpass(struct service *, struct guest *);

/* Gives a guest another one's listener, if that was passed. */
void service_pass_on(struct guest *from, struct guest *to);

/* Adds an outlet of its own to the service, or ends it by the deadline (ns). */
struct outlet *service_outlet_new(struct service *,
    const struct config_outlet *, struct pool *, struct alloc_node *parent);
void service_outlet_free(struct service *, struct outlet *, uint64_t deadline);

#endif
