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
#include "parent/endpoint/vsock.h"

#define SERVICE_PREFIX_SIZE (GUEST_NAME_SIZE + 16)

struct service {
	struct endpoint endpoint;
	TAILQ_ENTRY(service) entry;
	char name[GUEST_NAME_SIZE];
	struct log_subject subject;   /* "egd" or "stream", and the name */
	struct config_service config; /* with its own strings, without pool */
	bool kept;		      /* by the configuration being applied */
	bool accept_writes;
	int conn;	     /* pending, or that of datagrams; -1: none */
	sd_event_source *io; /* of the pending one */
	int failure;	     /* errno of the last attempt to connect; 0: none */
	struct clients clients; /* with connections */
	struct accepts accepts; /* of its clients */
	struct vsock vsock;
	struct totals reported; /* except for a guest's EGD socket */
};

TAILQ_HEAD(services, service);

/*
 * Initializes a service from its configuration, below a node of the pool's
 * tree.  `subject` is the subject of log lines; NULL: the service.  It must not
 * move.  The caller of a service of vsock sets vsock.cids.
 */
void service_init(struct service *, const struct config_service *,
    const struct log_subject *, struct process_env *, struct store *,
    struct pool *, struct alloc_node *parent);

/*
 * Listens at a place like endpoint_listen(), or starts to connect (NULL).
 */
int service_start(struct service *, struct place *);

/*
 * For a service of vsock whose listener is readable: accepts a connection, and
 * hands it to the guest with its CID; if there is none, serves it or rejects it.
 */
void service_incoming_vsock(struct service *);

/*
 * For clients_resume(): shuts down a stored connection of vsock that belongs to
 * another guest now, or to none.
 */
void service_check(void *service, int conn);

/*
 * Changes the settings that can change while clients are served: rights,
 * limits, allowed networks, and its place in the tree (NULL: unchanged).
 */
void service_change(struct service *, const struct config_service *,
    struct alloc_node *parent);

/*
 * Resumes the session that another vrngd stored under that number (fd, owned by
 * the service from now on).  Returns its stored counters.  Its name in the
 * store is this prefix and the number.
 */
struct counters service_resume(struct service *, int stored, uint64_t serial);
const char *service_stored_prefix(const struct service *,
    char prefix[SERVICE_PREFIX_SIZE]);

/*
 * Sets whether the pool accepts clients' writes; by default they are discarded.
 */
void service_accept_writes(struct service *, bool);

enum endpoint_state service_state(const struct service *);

/* Logs its state, with its worker's counters. */
void service_report(struct service *);

/* Ends it by the deadline (ns), and frees its resources. */
void service_stop(struct service *, uint64_t deadline);

#endif
