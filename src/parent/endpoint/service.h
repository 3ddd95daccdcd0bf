/*
 * A service, of EGD or of raw bytes, with one worker that serves all of its
 * clients while there are any.  A guest's EGD socket is one too.
 *
 * The connections of clients, accepted or made here, outlive the worker that
 * serves them, and the daemon (clients.h).  The worker ends when there are no
 * clients any more, and the service listens or connects again.
 */
#ifndef VRNGD_PARENT_SERVICE_H
#define VRNGD_PARENT_SERVICE_H

#include "parent/endpoint/clients.h"
#include "parent/endpoint/endpoint.h"

#define SERVICE_PREFIX_SIZE (GUEST_NAME_SIZE + 16)

struct service {
	struct endpoint endpoint;
	TAILQ_ENTRY(service) entry;
	char name[GUEST_NAME_SIZE];
	struct log_subject subject;   /* "egd" or "stream", and the name */
	struct config_service config; /* with strings of its own, no pool */
	bool kept; /* by the configuration that is being applied */
	bool accept_writes;
	int conn;    /* on its way, or datagrams go over it; -1: none */
	int failure; /* errno of the last try to connect; 0: none */
	struct clients clients; /* with connections */
	struct bucket accepts;	/* connections that may be accepted, */
	uint64_t accepted;	/* ns, as of then */
	struct totals reported; /* but of a guest's EGD socket */
};

TAILQ_HEAD(services, service);

/*
 * Prepares a service as it is configured, below a node of the pool's tree.
 * `subject` is what lines are about, or NULL: itself.  It must not move.
 */
void service_init(struct service *, const struct config_service *,
    const struct log_subject *, struct process_env *, struct store *,
    struct pool *, struct alloc_node *parent);

/*
 * Listens at a place, as endpoint_listen() says, or begins to connect (NULL).
 */
int service_start(struct service *, struct place *);

/*
 * Changes what may differ while clients are served: rights, limits, who is
 * allowed, and its place in the tree (NULL: that is left alone).
 */
void service_change(struct service *, const struct config_service *,
    struct alloc_node *parent);

/*
 * Resumes the session that was stored by another vrngd under that number (fd,
 * the service's from now on).  Returns the counters that it had then.  What the
 * store calls it is this prefix and the number.
 */
struct counters service_resume(struct service *, int stored, uint64_t serial);
const char *service_stored_prefix(const struct service *,
    char prefix[SERVICE_PREFIX_SIZE]);

/* The pool takes what clients write, or it is thrown away (the default). */
void service_accept_writes(struct service *, bool);

/* Logs its state, with its worker's counters. */
void service_report(struct service *);

/* Ends it by the deadline (ns), and frees what it has. */
void service_stop(struct service *, uint64_t deadline);

#endif
