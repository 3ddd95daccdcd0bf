/*
 * The daemon's state: its pools with their classes, its guests and services,
 * and how to find them.
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
#include "parent/endpoint/outlet.h"
#include "parent/host/passed.h"
#include "parent/pool/pool.h"
#include "parent/host/process.h"
#include "parent/host/store.h"

struct service;

struct statistics {
	struct service *service;
	uint64_t interval;	/* ns; 0: nothing is logged */
	uint64_t since;		/* ns, when the period began; 0: none has */
	sd_event_source *timer; /* of its end; NULL: never needed yet */
};

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

/* What was allocated; ends the process if that is nothing. */
void *service_must(void *);

/* By name or, of a listener, by path; NULL if there is none. */
struct service_pool *service_find_pool(struct service *, const char *);
struct service_class *service_find_class(struct service_pool *, const char *);
struct guest *service_find_guest(struct service *, const char *);
struct guest *service_find_listener(struct service *, const char *path);
struct outlet *service_find_outlet(struct service *, enum config_outlet_kind,
    const char *);

/* The class that a node of the tree is; NULL for the pool and for leaves. */
const struct service_class *service_class_of(const struct service_pool *,
    const struct alloc_node *);

/*
 * Whether a guest or an outlet listens there: at a path, or at what
 * config_socket_text() says.
 */
bool service_holds(struct service *, const char *where);

#endif
