/*
 * The daemon's state: its pools with their classes, its guests and services,
 * and how to make, find and end them.
 */
#ifndef VRNGD_DAEMON_H
#define VRNGD_DAEMON_H

#include <sys/queue.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "parent/config/config.h"
#include "parent/endpoint/guest.h"
#include "parent/endpoint/listeners.h"
#include "parent/endpoint/service.h"
#include "parent/host/passed.h"
#include "parent/host/process.h"
#include "parent/host/store.h"
#include "parent/host/timer.h"
#include "parent/pool/pool.h"

#define REMOVAL_TIME (100 * NS_PER_MS) /* for a child to end by itself */

struct daemon;

struct daemon_class {
	TAILQ_ENTRY(daemon_class) entry;
	char name[CONFIG_NAME_SIZE];
	struct alloc_node node;
	struct config_terms terms; /* of guests that are added to it */
	bool kept;	  /* by the configuration that is being applied */
	uint32_t nguests; /* for the status, which counts them */
};

TAILQ_HEAD(daemon_classes, daemon_class);

struct daemon_pool {
	TAILQ_ENTRY(daemon_pool) entry;
	char name[CONFIG_NAME_SIZE];
	struct daemon *daemon;
	struct pool pool;
	struct daemon_classes classes; /* each after the one it is in */
	struct config_terms terms;     /* of guests that are added to it */
	bool kept;
};

TAILQ_HEAD(daemon_pools, daemon_pool);
TAILQ_HEAD(guests, guest);
RB_HEAD(guests_by_name, guest);

struct daemon_ops {
	/* All pools have been ready, once. */
	void (*ready)(void *arg);
	/* A pool cannot be set up at all. */
	void (*failed)(void *arg);
	/* A consumer of a pool has to wait because of its limits. */
	void (*throttled)(struct pool *, struct consumer *, void *arg);
	/* A pool is not idle any more: see pool_active(). */
	void (*active)(struct pool *, void *arg);
};

struct daemon {
	struct process_env *env;
	const struct daemon_ops *ops;
	void *arg;
	struct daemon_pools pools;
	struct guests guests; /* in the order in which they came */
	struct guests_by_name by_name;
	struct services services; /* but guests' EGD sockets */
	struct listeners listeners;
	size_t nguests;
	uint64_t applied;     /* configurations so far */
	struct guest *cursor; /* the next in the status; never a freed one */
	struct passed passed; /* what systemd passed and is not in use */
	struct store store;
	struct timer orphans; /* to end sessions of no guest */
	bool ready;
};

/* Serves nothing; nothing was passed, and there is no store. */
void daemon_init(struct daemon *, struct process_env *,
    const struct daemon_ops *, void *arg);

/* Ends all children by the deadline (ns), and all else. */
void daemon_stop(struct daemon *, uint64_t deadline);

/* Logs the state of all guests and services. */
void daemon_report(struct daemon *);

/* What was allocated; ends the process if that is nothing. */
void *daemon_must(void *);

/* By name; NULL if there is none. */
struct daemon_pool *daemon_find_pool(struct daemon *, const char *);
struct daemon_class *daemon_find_class(struct daemon_pool *, const char *);
struct guest *daemon_find_guest(struct daemon *, const char *);
struct service *daemon_find_service(struct daemon *, enum config_service_kind,
    const char *);

/* The class that a node of the tree is; NULL for the pool and for guests. */
struct daemon_class *daemon_class_of(struct daemon_pool *,
    const struct alloc_node *);

/* Where a guest is that has no share of its own. */
struct daemon_place {
	struct pool *pool;
	struct alloc_node *parent;
	const char *class; /* that is; NULL: the pool itself */
	const struct config_terms *terms;
	struct alloc_share share;
};

/* The share of a guest that has none of its own. */
struct alloc_share daemon_plain_share(const struct config_terms *);

/*
 * The place in a class ("": the pool itself) of a pool ("": the one that a
 * configuration would mean).  Returns 0; or -1 with the reason.
 */
int daemon_find_place(struct daemon *, const char *pool, const char *class,
    struct daemon_place *, const char **why);

/*
 * A pool that is in no list yet, without classes; NULL after logging why its
 * sources cannot be opened.  Ends one that is in no list any more, by the
 * deadline (ns).
 */
struct daemon_pool *daemon_pool_new(struct daemon *,
    const struct config_pool *);
void daemon_pool_free(struct daemon_pool *, uint64_t deadline);

/* Removes a class, which has nothing below it, from its pool. */
void daemon_class_free(struct daemon_pool *, struct daemon_class *);

/*
 * Adds a guest, which resumes its session if one was stored; ends it by the
 * deadline (ns): its places have no owner then.
 */
struct guest *daemon_guest_new(struct daemon *, const char *name, struct pool *,
    struct alloc_node *parent, const struct alloc_share *,
    const struct config_terms *);
void daemon_guest_free(struct daemon *, struct guest *, uint64_t deadline);

/*
 * Resumes the session of a service if one was stored, as of which the last
 * report is taken to be.
 */
void daemon_resume(struct daemon *, struct service *, struct totals *reported);

/* The same as of guests for a service. */
struct service *daemon_service_new(struct daemon *,
    const struct config_service *, struct pool *, struct alloc_node *parent);
void daemon_service_free(struct daemon *, struct service *, uint64_t deadline);

#endif
