/*
 * A guest: its listener, and its session while it is connected, with the vhost
 * worker that serves it (guest_session.h).
 */
#ifndef VRNGD_GUEST_H
#define VRNGD_GUEST_H

#include <systemd/sd-event.h>

#include "parent/host/backoff.h"
#include "parent/host/listener.h"
#include "parent/endpoint/outlet.h"
#include "parent/pool/pool.h"
#include "parent/host/process.h"
#include "parent/host/store.h"

struct guest {
	TAILQ_ENTRY(guest) entry;
	char name[GUEST_NAME_SIZE];
	struct log_subject subject; /* "guest" and the name */
	char *path;   /* of its socket, allocated; NULL: none is known */
	bool kept;    /* by the configuration that is being applied */
	bool added;   /* by vrngctl, not by a configuration */
	bool passed;  /* its listener is systemd's */
	char *stored; /* its name in the store, allocated; NULL: not there */
	struct process_env *env;
	struct pool *pool;
	struct listener listener;
	sd_event_source *listen_io;
	sd_event_source *timer; /* to listen again */
	struct store *store;	/* that also keeps its session */
	int deposit;		/* of its session; -1: not connected */
	struct process worker;
	sd_event_source *retry; /* to start a worker; NULL: not now */
	struct deaths deaths;	/* of its workers */
	struct deaths ends;	/* of its connections, clean ones */
	struct config_polling polling;
	struct consumer consumer; /* its vhost-user connection */
	struct outlet *egd;	  /* its EGD socket, allocated; NULL: none */
	struct alloc_node *node;  /* above both, allocated with that */
	struct totals reported;
	struct counted counted;	       /* of its vhost-user connections */
	uint32_t connections;	       /* so far, this one too */
	struct backoff backoff;	       /* of workers that die */
	struct log_limit log_limit;    /* of comings and goings */
	struct log_limit worker_limit; /* of what its workers say */
	uint64_t connected;	       /* ns, when */
	uint32_t died;		       /* workers of this connection */
};

/*
 * A guest's name made from its socket's: the last part of the path without
 * ".sock", with `_` for what a name may not contain.
 */
void guest_name(char name[GUEST_NAME_SIZE], const char *path);

/* Whether a line that the guest's side can cause at will is to be logged. */
bool guest_may_log(struct guest *);

/* Listens again `ns` from now, if the guest listens at all. */
void guest_listen_after(struct guest *, uint64_t ns);

/*
 * Prepares a guest without listener, with a share below a node of the pool's
 * tree.  The guest must not move from now on.
 */
void guest_init(struct guest *, const char *name, struct process_env *,
    struct store *, struct pool *, struct alloc_node *parent,
    const struct alloc_share *, const struct config_terms *);

/* The node of the pool's tree with the guest's share. */
struct alloc_node *guest_node(struct guest *);

/* For how long its requests have waited because of limits (ns). */
uint64_t guest_throttled(const struct guest *);

/* Gives it an EGD socket, or ends it by the deadline (ns). */
void guest_add_egd(struct guest *, const struct config_outlet *);
void guest_remove_egd(struct guest *, uint64_t deadline);

/* Changes its place in the pool's tree, its share and its terms. */
void guest_change(struct guest *, struct alloc_node *parent,
    const struct alloc_share *, const struct config_terms *);

/*
 * Waits for connections at guest->listener.  A guest may do without, if it has
 * an EGD socket.  Returns 0, or -1 after logging
 * why.
 */
int guest_listen(struct guest *);

/* Stops listening and closes the listener; a connection goes on. */
void guest_unlisten(struct guest *);

/*
 * What all its workers have done, for its connections and at its EGD socket:
 * connections and turned_away are of the latter.
 */
struct counters guest_counters(struct guest *);

/* Logs the guest's state, with the counters of its connection. */
void guest_report(struct guest *);

/*
 * The two steps of the end: ask, then make sure that it has happened by the
 * deadline (ns).  The second one closes.
 */
void guest_hang_up(struct guest *);
void guest_stop(struct guest *, uint64_t deadline);

#endif
