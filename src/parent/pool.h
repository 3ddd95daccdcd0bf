/*
 * A pool: a source, the entropy process that reads it, and the allocator that
 * shares it among the members.
 */
#ifndef VRNGD_POOL_H
#define VRNGD_POOL_H

#include <sys/queue.h>

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "alloc.h"
#include "backoff.h"
#include "process.h"

struct pool;
struct member;

/* What a pool asks of the others. */
struct pool_ops {
	/* The entropy process is set up, for the first time or again. */
	void (*ready)(struct pool *, void *arg);
	/* The entropy process ended before it ever was. */
	void (*failed)(struct pool *, void *arg);
	/*
	 * The member's worker is to read from `fd` (now its own) from now on;
	 * -1: it cannot be given bytes any more and must end.
	 */
	void (*rewire)(struct member *, int fd);
	/* The member's worker is to tell its demand again. */
	void (*ask)(struct member *);
};

/* Whoever takes bytes from a pool: a guest. */
struct member {
	TAILQ_ENTRY(member) entry;
	TAILQ_ENTRY(member) unsent_entry;
	struct alloc_node leaf;
	uint32_t consumer;	/* its worker's; 0: none */
	bool connected;		/* the entropy process knows it */
	struct proto_want want; /* the last one */
	uint64_t told;		/* bytes granted in all, in GRANT frames */
	uint64_t voided;	/* and of these void, as in VOID frames */
	bool blocked;		/* its byte channel is full */
	bool unsent;		/* has a grant to be told */
};

TAILQ_HEAD(members, member);

struct pool {
	struct process_env *env;
	const struct pool_ops *ops;
	void *arg;
	const char *source; /* path */
	struct process entropy;
	uint32_t generation;
	struct alloc alloc;
	uint64_t stock;			/* running total, this */
	uint64_t granted;		/* generation's, likewise */
	uint64_t capacity;		/* of the stock, bytes */
	struct members members;		/* those with a worker */
	struct members unsent;		/* with grants to be told */
	sd_event_source *timer;		/* for the allocator */
	sd_event_source *source_timer;	/* to open it again */
	sd_event_source *entropy_timer; /* to start it again */
	struct log_limit entropy_limit; /* of what that process says */
	struct backoff source_backoff;
	struct backoff entropy_backoff;
	bool source_lost;
	uint32_t losses; /* of the source */
	bool ready;	 /* has been, once */
};

/* A pool with a source (a path) and a share, but without members. */
void pool_init(struct pool *, struct process_env *, const char *source,
    const struct alloc_share *, const struct pool_ops *, void *arg);

/*
 * Opens the source and starts the entropy process.  Returns 0, or -1 after
 * logging why.
 */
int pool_start(struct pool *);

/* Ends the entropy process by the deadline (ns). */
void pool_stop(struct pool *, uint64_t deadline);

/* Opens another source (a path) instead, in another entropy process. */
void pool_set_source(struct pool *, const char *source);

/*
 * Makes a member of the pool below a node of its tree, changes its place and
 * share, or takes it out.
 */
void pool_member_init(struct pool *, struct member *, struct alloc_node *parent,
    const struct alloc_share *);
void pool_member_change(struct pool *, struct member *,
    struct alloc_node *parent, const struct alloc_share *);
void pool_member_remove(struct pool *, struct member *);

/*
 * The member has a worker, consumer number `consumer`.  Returns the fd that
 * the worker reads its bytes from, or -1 after logging why.
 */
int pool_join(struct pool *, struct member *, uint32_t consumer);

/* The member's worker is gone; what it was granted is void. */
void pool_leave(struct pool *, struct member *);

/*
 * Takes a demand out of a frame.  Returns -1 if it makes no sense.
 */
int pool_want(struct pool *, struct member *, const struct frame *);

#endif
