/*
 * An outlet: a service of EGD or of raw bytes, with the worker that serves its
 * clients while there are any, all of them together.  A guest's own EGD socket
 * is one too, which draws on the guest's part of the pool.
 *
 * An outlet that listens starts its worker when somebody comes and gives it the
 * listening socket; one that connects gives it the connection.  The worker ends
 * when there is nobody left, and the outlet goes on from the beginning.
 */
#ifndef VRNGD_OUTLET_H
#define VRNGD_OUTLET_H

#include <systemd/sd-event.h>

#include "parent/host/backoff.h"
#include "parent/config/config.h"
#include "parent/endpoint/counted.h"
#include "parent/host/listener.h"
#include "parent/pool/pool.h"
#include "parent/host/process.h"

struct outlet {
	TAILQ_ENTRY(outlet) entry;
	char name[GUEST_NAME_SIZE];
	struct log_subject own_subject;	   /* "egd" or "stream" */
	const struct log_subject *subject; /* that or its guest's */
	bool kept; /* by the configuration that is being applied */
	struct config_outlet config; /* with strings of its own, no pool */
	struct process_env *env;
	struct pool *pool;
	bool accept_writes;
	struct consumer consumer;
	struct totals reported;	  /* of one of its own */
	struct listener listener; /* fd -1: it connects */
	int pending;		  /* a connection on its way; -1: none */
	int failure;		/* errno of the last try to connect; 0: none */
	sd_event_source *io;	/* of the listener or that connection */
	sd_event_source *timer; /* to listen or connect again */
	struct process worker;
	uint64_t connected; /* ns, when the worker was started */
	struct counted counted;
	struct backoff backoff;
	struct log_limit worker_limit; /* of what its workers say */
	struct log_limit log_limit;    /* of their comings and goings */
};

TAILQ_HEAD(outlets, outlet);

/*
 * Prepares an outlet, as it is configured, below a node of the pool's tree.
 * Lines are about `subject`; NULL: about the outlet.  The outlet must not move
 * from now on.
 */
void outlet_init(struct outlet *, const struct config_outlet *,
    struct process_env *, struct pool *, struct alloc_node *parent,
    const struct alloc_share *, const struct proto_delivery *,
    const struct log_subject *);

/*
 * Serves at a socket of outlet_socket_listen(), which is the outlet's from now
 * on, or begins to connect.  Returns 0, or -1 after logging why.
 */
int outlet_start(struct outlet *, struct listener *);

/* Changes what may differ while clients are served: rights, limits, allow. */
void outlet_change(struct outlet *, const struct config_outlet *);

/* The pool takes what clients write, or it is thrown away (the default). */
void outlet_accept_writes(struct outlet *, bool);

/* Its guest's share, or that of its own, has changed. */
void outlet_limit(struct outlet *);

/* What all its workers have done. */
struct counters outlet_counters(struct outlet *);

/* Logs its state, with its worker's counters. */
void outlet_report(struct outlet *);

/* The two steps of the end, as for guests.  The second one frees the rest. */
void outlet_hang_up(struct outlet *);
void outlet_stop(struct outlet *, uint64_t deadline);

#endif
