/*
 * The state of the daemon: its pools with their classes, its guests and
 * services; creates, finds and ends them.
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
#include "parent/endpoint/vsock.h"
#include "parent/host/listen_fds.h"
#include "parent/host/process.h"
#include "parent/host/store.h"
#include "parent/host/timer.h"
#include "parent/pool/pool.h"
#include "parent/state/tally.h"

#define REMOVAL_TIME (100 * NS_PER_MS) /* for a child to exit */

struct daemon;

struct daemon_class {
	TAILQ_ENTRY(daemon_class) entry;
	char name[CONFIG_NAME_SIZE];
	struct alloc_class alloc;
	struct config_terms terms; /* defaults of added guests */
	uint64_t created;	   /* ns */
	bool kept;		   /* by the configuration being applied */
	uint32_t nguests;	   /* for the status, which counts them */
};

TAILQ_HEAD(daemon_classes, daemon_class);

struct daemon_pool {
	TAILQ_ENTRY(daemon_pool) entry;
	char name[CONFIG_NAME_SIZE];
	struct pool pool;
	struct daemon_classes classes; /* each after its parent */
	struct config_terms terms;     /* defaults of added guests */
	bool kept;
	uint32_t nactive;     /* active members, for the statistics */
	struct totals guests; /* removed ones too; for the status */
};

TAILQ_HEAD(daemon_pools, daemon_pool);
TAILQ_HEAD(guests, guest);
RB_HEAD(guests_by_name, guest);

struct daemon_ops {
	/* All pools are ready for the first time. */
	void (*ready)(void *arg);
	/* A pool cannot be set up. */
	void (*failed)(void *arg);
	/* A consumer of a pool is throttled by its limits. */
	void (*throttled)(struct pool *, struct consumer *, void *arg);
	/* A pool has become active: see pool_active(). */
	void (*active)(struct pool *, void *arg);
};

struct daemon {
	struct process_env *env;
	const struct daemon_ops *ops;
	void *arg;
	struct daemon_pools pools;
	struct guests guests; /* in the order in which they came */
	struct guests_by_name by_name;
	struct services services; /* without guests' EGD sockets */
	struct listeners listeners;
	struct cids cids; /* of guests */
	size_t nguests;
	uint64_t applied; /* number of applied configurations */
	char *running;	  /* the last of them, for a reload: of config_fold() */
	struct guest
	    *cursor; /* the next guest in the status; never a freed one */
	struct listen_fds listen_fds; /* unused descriptors from systemd */
	struct store store;
	struct tally added, removed; /* guests, for the log */
	struct timer orphans;	     /* to close sessions without a guest */
	char why[LOG_TEXT_SIZE];     /* the reason of the last rejection */
	const char *config;	     /* path of the configuration; NULL: none */
	uint64_t started;	     /* ns */
	bool ready;
};

/* Initializes an empty state, without passed descriptors and store. */
void daemon_init(struct daemon *, struct process_env *,
    const struct daemon_ops *, void *arg);

/* Ends all children by the deadline (ns), and frees the state. */
void daemon_stop(struct daemon *, uint64_t deadline);

/* Logs the state of all guests and services. */
void daemon_report(struct daemon *);

/* Returns `p`, or ends the process if an allocation has failed. */
void *daemon_must(void *);

/* Finds by name; NULL: none. */
struct daemon_pool *daemon_find_pool(struct daemon *, const char *);
struct daemon_class *daemon_find_class(struct daemon_pool *, const char *);
struct guest *daemon_find_guest(struct daemon *, const char *);
struct service *daemon_find_service(struct daemon *, enum config_service_kind,
    const char *);

/* The daemon's part of a pool. */
struct daemon_pool *daemon_pool_of(struct pool *);

/* The class of a node of the tree; NULL for the pool and for guests. */
struct daemon_class *daemon_class_of(struct daemon_pool *,
    const struct alloc_node *);

/* The place of a guest in the tree. */
struct daemon_place {
	struct pool *pool;
	struct alloc_node *parent;
	const char *class; /* name of the class; NULL: the pool itself */
	const struct config_terms *terms;
	struct alloc_share share;
};

/*
 * The share of a guest without a configuration, below that node, whose limit is
 * its own.
 */
struct alloc_share daemon_plain_share(const struct config_terms *,
    const struct alloc_node *parent);

/*
 * Finds the place in a class ("": the pool itself) of a pool ("": the default
 * pool).  Returns 0, or -1 with the reason, which names the pools or classes
 * that there are, until the next call.
 */
int daemon_find_place(struct daemon *, const char *pool, const char *class,
    struct daemon_place *, const char **why);

/*
 * Creates a pool without classes, outside of the list; NULL after logging the
 * error, if its sources cannot be opened.  Ends a pool outside of the list by
 * the deadline (ns).
 */
struct daemon_pool *daemon_pool_new(struct daemon *,
    const struct config_pool *);
void daemon_pool_free(struct daemon_pool *, uint64_t deadline);

/* Removes an empty class from its pool. */
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
 * Resumes the session of a service, if one was stored, and sets `reported` to
 * its counters.
 */
void daemon_resume(struct daemon *, struct service *, struct totals *reported);

/* Adds and ends a service, like a guest. */
struct service *daemon_service_new(struct daemon *,
    const struct config_service *, struct pool *, struct alloc_node *parent);
void daemon_service_free(struct daemon *, struct service *, uint64_t deadline);

#endif
