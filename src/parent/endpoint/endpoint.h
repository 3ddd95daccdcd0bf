/*
 * Endpoints: a socket for a guest or clients, the worker that serves them, and
 * its consumer, a leaf of the pool's tree.  A table of functions has the
 * differences between vhost-user (vhost.h) and EGD and streams (service.h).
 */
#ifndef VRNGD_ENDPOINT_H
#define VRNGD_ENDPOINT_H

#include <systemd/sd-event.h>

#include "parent/endpoint/counted.h"
#include "parent/endpoint/listeners.h"
#include "parent/host/backoff.h"
#include "parent/host/process.h"
#include "parent/host/timer.h"
#include "parent/pool/pool.h"

#define ACCEPT_PAUSE NS_PER_SEC /* without descriptors, memory or processes */

struct endpoint;

/* Of two sockets, a guest has the later state. */
enum endpoint_state {
	ENDPOINT_IDLE,	     /* not connected */
	ENDPOINT_PAUSED,     /* its workers died: it listens again soon */
	ENDPOINT_CONNECTING, /* its peer does not listen */
	ENDPOINT_CONNECTED,
	ENDPOINT_WAITING, /* connected, and requests wait for bytes */
};

/* The name of a state, as in the status. */
const char *endpoint_state_text(enum endpoint_state);

/* A limit of the rate of connections. */
struct accepts {
	struct bucket bucket; /* connections that may be accepted */
	uint64_t updated;     /* ns */
};

/* Initializes a limit for so many clients; counts a connection against it. */
void accepts_init(struct accepts *, uint32_t clients);
bool accepts_pass(struct accepts *, uint32_t clients);

struct endpoint_ops {
	/*
	 * The kind of its workers, with endpoint_frame() and endpoint_ended().
	 */
	struct process_ops worker;
	/* The listener is readable. */
	void (*incoming)(struct endpoint *);
	/* The pause of endpoint_pause() is over.  Without session. */
	void (*proceed)(struct endpoint *);
	/*
	 * Sends a new worker its configuration and its byte channel (fd), which
	 * is closed here.  Returns 0, or -1, and the worker is killed.
	 */
	int (*serve)(struct endpoint *, int bytes);
	/*
	 * Handles a frame of this kind of workers.  Returns -1 if unexpected.
	 */
	int (*frame)(struct endpoint *, struct frame *);
	/*
	 * Ends the session, and lets the next begin after a pause (ns): a
	 * worker has ended cleanly or, with a reason, workers cannot go on with
	 * it.
	 */
	void (*end)(struct endpoint *, const char *why, uint64_t pause);
	/* Sets limits of this kind of workers.  NULL: none. */
	void (*limits)(const struct endpoint *, struct proto_limits *);
};

/* What an endpoint needs only from its first connection on. */
struct endpoint_active {
	struct timer timer; /* of the pause, */
	uint64_t paused;    /* ns, until then */
	struct process worker;
	struct consumer_flow flow;
	struct counted counted;
	uint64_t since;		       /* ns, start of the session */
	uint32_t died;		       /* dead workers of this session */
	struct deaths deaths;	       /* limit of their rate */
	struct backoff backoff;	       /* of closed sessions */
	struct log_limit limit;	       /* of log lines caused by the peer */
	struct log_limit worker_limit; /* of log lines of its workers */
};

struct endpoint {
	const struct endpoint_ops *ops;
	const struct log_subject *subject;
	struct process_env *env;
	struct pool *pool;
	struct store *store;
	struct consumer consumer;
	struct place *place; /* where it listens; NULL: nowhere */
	bool shared;	     /* others use its listener: a pause is its own */
	uint64_t created;    /* ns */
	struct endpoint_active *active; /* NULL: never connected */
};

/*
 * Initializes an endpoint without a listener, with a share below a node of the
 * pool's tree.  The arguments must outlive it, and it must not move.
 */
void endpoint_init(struct endpoint *, const struct endpoint_ops *,
    const struct log_subject *, struct process_env *, struct store *,
    struct pool *);
void endpoint_join(struct endpoint *, struct alloc_node *parent,
    const struct alloc_share *, const struct proto_delivery *);

/*
 * Allocates its active part, if it has none: before a connection, and for all
 * services.
 */
struct endpoint_active *endpoint_activate(struct endpoint *);

/* Whether a worker runs. */
bool endpoint_running(const struct endpoint *);

/* The counters of all its workers, and the time (ns) from which they count. */
struct counters endpoint_counters(struct endpoint *);
uint64_t endpoint_counting(const struct endpoint *);

/* Whether a line that the other side can cause at will may be logged. */
bool endpoint_may_log(struct endpoint *);

/*
 * Listens at a place, which is removed from any other endpoint, and leaves its
 * former place.  Returns 0, or -1 after logging the error.
 */
int endpoint_listen(struct endpoint *, struct place *);

/*
 * For a reload: listens again at all places whose socket files are missing or
 * were replaced; sessions continue.  Returns 0, or -1 after logging the errors.
 */
int endpoint_bind_again(struct listeners *);

/* Leaves its place; the current session continues. */
void endpoint_unlisten(struct endpoint *);

/* For listeners_init(): its listener is readable. */
void endpoint_incoming(struct endpoint *);

/*
 * Accepts a connection at its place.  Returns it, or -1, after a pause has begun
 * if there are no descriptors or memory for it.
 */
int endpoint_accept(struct endpoint *);

/* Whether it waits for connections; and whether it is in a pause. */
bool endpoint_listening(const struct endpoint *);
bool endpoint_paused(const struct endpoint *);

/*
 * Stops listening until endpoint_relisten(), or endpoint_proceed(), which ends a
 * pause too; or for a time (ns).
 */
void endpoint_suspend(struct endpoint *);
void endpoint_relisten(struct endpoint *);
void endpoint_proceed(struct endpoint *);
void endpoint_pause(struct endpoint *, uint64_t ns);

/* Begins a session, which continues after the death of a worker. */
void endpoint_begin(struct endpoint *);

/*
 * Starts a worker for the session, which counts in the page of
 * active->counted; after a pause if no process can be started now.
 */
void endpoint_serve(struct endpoint *);

/*
 * The same for a session that another vrngd stored, with its page of counters
 * (fd; -1: none).  Returns the counters that it had then.
 */
struct counters endpoint_resume(struct endpoint *, int page);

/* Fills in the limits of its workers; sends them to the running one. */
void endpoint_set_limits(const struct endpoint *, struct proto_limits *);
void endpoint_limit(struct endpoint *);

/* Sends the worker a descriptor, which is closed here. */
void endpoint_send_fd(struct endpoint *, enum proto_type, int fd);

/* For struct process_ops. */
int endpoint_frame(struct process *, struct frame *);
void endpoint_ended(struct process *, int status);

/* The two steps of its end: request it, and enforce it by the deadline (ns). */
void endpoint_hang_up(struct endpoint *);
void endpoint_stop(struct endpoint *, uint64_t deadline);

/* Frees what is left then: its counters. */
void endpoint_free(struct endpoint *);

#endif
