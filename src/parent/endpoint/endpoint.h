/*
 * Endpoints: a socket at which a guest or clients attach, the worker that
 * serves them, and its consumer, the leaf of the pool's tree.  What vhost-user
 * (vhost.h) differs in from EGD and streams (service.h) is in a table of
 * functions; everything else is the same for both.
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

struct endpoint_ops {
	/* Its workers, with endpoint_frame() and endpoint_ended(). */
	struct process_ops worker;
	/* The listener can be read. */
	void (*incoming)(struct endpoint *);
	/* The pause of endpoint_pause() is over.  Without session. */
	void (*proceed)(struct endpoint *);
	/*
	 * Sends to a worker that was started what it serves, and its byte
	 * channel (fd), which is closed here.  Returns 0, or -1: it is killed.
	 */
	int (*serve)(struct endpoint *, int bytes);
	/* A frame that is not of all workers.  Returns -1 if unexpected. */
	int (*frame)(struct endpoint *, struct frame *);
	/*
	 * Ends the session, and lets the next begin after a pause (ns): a worker
	 * has ended cleanly or, with a reason, workers cannot go on with it.
	 */
	void (*end)(struct endpoint *, const char *why, uint64_t pause);
	/* Sets limits that not all workers have.  NULL: there are none. */
	void (*limits)(const struct endpoint *, struct proto_limits *);
};

struct endpoint {
	const struct endpoint_ops *ops;
	const struct log_subject *subject;
	struct process_env *env;
	struct pool *pool;
	struct store *store;
	struct consumer consumer;
	struct place *place; /* where it listens; NULL: it does not */
	sd_event_source *io; /* of that, or of a connection to come */
	struct timer timer;  /* of the pause */
	struct process worker;
	struct counted counted;
	uint64_t since;		       /* ns, when the session began */
	uint32_t died;		       /* workers of this session */
	struct deaths deaths;	       /* likewise, how many more may */
	struct backoff backoff;	       /* of sessions that were cut off */
	struct log_limit limit;	       /* of lines that the other side causes */
	struct log_limit worker_limit; /* of what its workers log */
};

/*
 * Prepares an endpoint without a listener, with a share below a node of the
 * pool's tree.  All that is passed must outlive it, and it must not move.
 */
void endpoint_init(struct endpoint *, const struct endpoint_ops *,
    const struct log_subject *, struct process_env *, struct store *,
    struct pool *);
void endpoint_join(struct endpoint *, struct alloc_node *parent,
    const struct alloc_share *, const struct proto_delivery *);

/* Whether a line that the other side can cause at will may be logged. */
bool endpoint_may_log(struct endpoint *);

/*
 * Listens at a place, which is taken from any other endpoint, and leaves the
 * one where it did.  Returns 0, or -1 after logging why.
 */
int endpoint_listen(struct endpoint *, struct place *);

/* Leaves its place; what it serves goes on. */
void endpoint_unlisten(struct endpoint *);

/* Whether it waits for connections. */
bool endpoint_listening(const struct endpoint *);

/* Does not listen any more until endpoint_proceed(), or for so many ns. */
void endpoint_suspend(struct endpoint *);
void endpoint_proceed(struct endpoint *);
void endpoint_pause(struct endpoint *, uint64_t ns);

/* A session begins, which goes on when a worker dies. */
void endpoint_begin(struct endpoint *);

/*
 * Has a worker serve the session, which counts in the page of
 * endpoint->counted: now or, if there can be no process, after a pause.
 */
void endpoint_serve(struct endpoint *);

/* Fills in the limits of its workers; sends them to the one that runs. */
void endpoint_set_limits(const struct endpoint *, struct proto_limits *);
void endpoint_limit(struct endpoint *);

/* Sends it a descriptor, which is closed here. */
void endpoint_send_fd(struct endpoint *, enum proto_type, int fd);

/* Of struct process_ops. */
int endpoint_frame(struct process *, struct frame *);
void endpoint_ended(struct process *, int status);

/* The two steps of the end: ask, then make sure by the deadline (ns). */
void endpoint_hang_up(struct endpoint *);
void endpoint_stop(struct endpoint *, uint64_t deadline);

#endif
