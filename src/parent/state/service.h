/*
 * Making the daemon serve what a configuration says, which may be replaced by
 * another while guests run.
 */
#ifndef VRNGD_SERVICE_H
#define VRNGD_SERVICE_H

#include "parent/state/daemon.h"

/* A service of nothing, to which nothing was passed, and without a store. */
void service_init(struct service *, struct process_env *,
    const struct service_ops *, void *arg);

/*
 * Makes the service what the configuration says, or leaves it as it is.
 * Guests that are in both keep their connection and what they are owed, unless
 * they move to another pool.  Returns, after logging why not all of it.
 */
enum service_result {
	SERVICE_DONE,
	SERVICE_PARTLY,	   /* some sockets could not be made: another may */
	SERVICE_UNCHANGED, /* nothing was done */
};

enum service_result service_apply(struct service *, const struct config *);

/*
 * Adds a guest to a class ("": the pool itself) of a pool ("": the one that a
 * configuration would mean), which stays until it is removed or a configuration
 * has it.  Returns 0, or an errno and in `*why` the reason.
 */
int service_add(struct service *, const char *name, const char *path,
    const char *pool, const char *class, const char **why);

/* Removes a guest, until a configuration brings it back.  -1: there is none. */
int service_remove(struct service *, const char *name);

/* Logs the state of all guests. */
void service_report(struct service *);

/* Ends all children by the deadline (ns), and all else. */
void service_stop(struct service *, uint64_t deadline);

#endif
