/*
 * Consumers of a pool: each takes bytes through one worker, and is a leaf of
 * the allocator's tree.  A guest with a vhost-user and an EGD socket has two,
 * below a node with the guest's share.
 */
#ifndef VRNGD_CONSUMER_H
#define VRNGD_CONSUMER_H

#include <sys/queue.h>

#include <bsd/sys/tree.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/channel.h"
#include "common/log.h"
#include "parent/alloc/alloc.h"
#include "parent/pool/throttle.h"

struct consumer;
struct pool;

struct consumer_ops {
	/*
	 * Lets the worker read from `fd`, which is closed here; -1: it cannot
	 * receive bytes any more and must end.
	 */
	void (*rewire)(struct consumer *, int fd);
	/* Asks the worker to send its demand again. */
	void (*ask)(struct consumer *);
	/* The worker is about to receive granted bytes.  May be NULL. */
	void (*granted)(struct consumer *);
};

/* What a consumer needs only from its first worker on. */
struct consumer_flow {
	RB_ENTRY(consumer) pool_entry;	    /* of those with a worker */
	TAILQ_ENTRY(consumer) unsent_entry; /* of those with pending grants */
	struct throttle throttle;
	const struct alloc_node *limit; /* that throttled it last */
	uint32_t number;		/* its worker's; 0: none */
	bool connected; /* its channel was sent to the entropy process */
	bool blocked;	/* its byte channel is full */
	bool unsent;	/* has pending grants */
	struct proto_want want; /* the last one */
	uint64_t announced;	/* bytes in GRANT frames of this generation, */
	uint64_t voided;	/* and of these void, as in VOID frames */
};

struct consumer {
	struct alloc_node leaf; /* with the bytes granted in this generation */
	const struct log_subject
	    *about; /* of log lines about it; may be NULL */
	struct proto_delivery delivery;
	const struct consumer_ops *ops;
	void *arg;
	uint64_t given; /* bytes granted, of all generations and workers */
	struct consumer_flow *flow; /* NULL: had no worker */
};

/*
 * Whether its requests wait for bytes: for grants or, with a blocked byte
 * channel, for the entropy process.
 */
static inline bool
consumer_waits(const struct consumer *c)
{
	return c->leaf.waiting > 0 ||
	    (c->flow != NULL && c->flow->blocked &&
		c->flow->want.need > c->leaf.granted);
}

/* ns, total time that its requests have waited for limits. */
uint64_t consumer_throttled_ns(const struct pool *, const struct consumer *);

/*
 * Adds a consumer without worker below a node of the pool's tree; the ops must
 * outlive it.  Changes its place, share and delivery.  Removes a consumer
 * without worker.
 */
void consumer_init(struct pool *, struct consumer *, struct alloc_node *parent,
    const struct alloc_share *, const struct proto_delivery *,
    const struct consumer_ops *, void *arg);
void consumer_change(struct pool *, struct consumer *,
    struct alloc_node *parent, const struct alloc_share *,
    const struct proto_delivery *);
void consumer_remove(struct pool *, struct consumer *);

/* Gives it that part, which must outlive it, before consumer_join(). */
void consumer_activate(struct consumer *, struct consumer_flow *);

/*
 * Inserts a node with the consumer's share above it, below which others can be
 * added; or removes the node when the consumer is alone below it.
 */
void consumer_share(struct pool *, struct consumer *, struct alloc_class *);
void consumer_unshare(struct pool *, struct consumer *);

/*
 * Connects a worker by its number.  Returns the fd from which the worker reads
 * its bytes, or -1 after logging the error.
 */
int consumer_join(struct pool *, struct consumer *, uint32_t number);

/* Disconnects its worker, if any, and voids its grants. */
void consumer_leave(struct pool *, struct consumer *);

/* Handles a WANT frame.  Returns -1 if it is invalid. */
int consumer_want(struct pool *, struct consumer *, const struct frame *);

/*
 * Makes all grants that are possible now; called after any change of the pool.
 */
void pool_grant(struct pool *);

/* The pool's stock, or the part of it that is granted, has changed. */
void pool_update_stock(struct pool *);

/*
 * For the pool: the entropy process reports undelivered bytes, is about to be
 * replaced, has been replaced, or can receive frames again.
 */
int consumer_void(struct pool *, const struct frame *);
void consumer_end_all(struct pool *);
void consumer_connect_all(struct pool *);
void consumer_send_grants(struct pool *);

#endif
