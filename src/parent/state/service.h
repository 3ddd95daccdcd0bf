/*
 * What the daemon serves: pools with their classes, and guests, as a
 * configuration says, which may be replaced by another while guests run.
 */
#ifndef VRNGD_SERVICE_H
#define VRNGD_SERVICE_H

#include <sys/queue.h>

#include <stdbool.h>
#include <stddef.h>

#include "parent/config/config.h"
#include "parent/endpoint/guest.h"
#include "parent/endpoint/outlet.h"
#include "parent/host/passed.h"
#include "parent/pool/pool.h"
#include "parent/host/process.h"
#include "parent/state/service_statistics.h"
#include "parent/host/store.h"

struct service;

struct service_class {
	TAILQ_ENTRY(service_class) entry;
	char name[CONFIG_NAME_SIZE];
	struct alloc_node node;
	struct config_terms terms; /* of guests that are added to it */
	bool kept;	  /* by the configuration that is being applied */
	uint32_t nguests; /* for the status, which counts them */
};

TAILQ_HEAD(service_classes, service_class);

struct service_pool {
	TAILQ_ENTRY(service_pool) entry;
	char name[CONFIG_NAME_SIZE];
	struct service *service;
	struct pool pool;
	struct service_classes classes; /* each after the one it is in */
	struct config_terms terms;	/* of guests that are added to it */
	bool kept;
};

TAILQ_HEAD(service_pools, service_pool);
TAILQ_HEAD(guests, guest);

struct service_ops {
	/* All pools have been ready, once. */
	void (*ready)(void *arg);
	/* A pool cannot be set up at all. */
	void (*failed)(void *arg);
};

struct service {
	struct process_env *env;
	const struct service_ops *ops;
	void *arg;
	struct service_pools pools;
	struct guests guests;
	struct outlets outlets; /* of their own */
	struct statistics statistics;
	size_t nguests;
	uint64_t applied;     /* configurations so far */
	struct guest *cursor; /* the next in the status; never a freed one */
	struct passed passed; /* what nobody has taken yet */
	struct store store;
	sd_event_source *orphans; /* to end sessions of no guest */
	bool ready;
};

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
