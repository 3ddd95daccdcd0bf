/*
 * Taps: how a member's worker gets its bytes, that is, a consumer of the
 * entropy process with a byte channel, its demand and what it was granted.  A
 * guest may have two, of its vhost-user connection and of its EGD socket, which
 * draw on the same part of the pool.
 */
#ifndef VRNGD_TAP_H
#define VRNGD_TAP_H

#include <sys/queue.h>

#include <stdbool.h>
#include <stdint.h>

#include "common/channel.h"

struct member;
struct pool;
struct tap;

struct tap_ops {
	/*
	 * The worker is to read from `fd` (now its own) from now on; -1: it
	 * cannot be given bytes any more and must end.
	 */
	void (*rewire)(struct tap *, int fd);
	/* The worker is to tell its demand again. */
	void (*ask)(struct tap *);
	/* The worker is about to get granted bytes.  NULL: nothing to do. */
	void (*granted)(struct tap *);
};

struct tap {
	TAILQ_ENTRY(tap) entry;	       /* of its member, */
	TAILQ_ENTRY(tap) pool_entry;   /* of its pool, */
	TAILQ_ENTRY(tap) unsent_entry; /* with grants to be told */
	struct member *member;
	const struct tap_ops *ops;
	void *arg;
	uint32_t consumer;	/* its worker's number; 0: none */
	bool connected;		/* the entropy process knows it */
	struct proto_want want; /* the last one */
	uint64_t granted;	/* bytes of this generation, but void ones */
	uint64_t given;		/* likewise, of all generations and workers */
	uint64_t outstanding;	/* and not handed on, of any generation */
	uint64_t told;		/* bytes granted in all, in GRANT frames */
	uint64_t voided;	/* and of these void, as in VOID frames */
	bool blocked;		/* it cannot be given any now */
	bool unsent;		/* has a grant to be told */
};

TAILQ_HEAD(taps, tap);

/* A tap without worker; what is passed must outlive it. */
void tap_init(struct tap *, struct member *, const struct tap_ops *, void *arg);

/*
 * It has a worker, consumer number `consumer`.  Returns the fd that the worker
 * reads its bytes from, or -1 after logging why.
 */
int tap_join(struct pool *, struct tap *, uint32_t consumer);

/* Its worker is gone; what it was granted is void.  Without one: nothing. */
void tap_leave(struct pool *, struct tap *);

/* Takes a demand out of a frame.  Returns -1 if it makes no sense. */
int tap_want(struct pool *, struct tap *, const struct frame *);

/* For its member: it is granted so much, or bytes come another way. */
void tap_grant(struct pool *, struct tap *, uint64_t bytes);
void tap_deliver(struct pool *, const struct tap *);

/* Granted bytes that the entropy process has not heard of. */
uint64_t tap_untold(const struct tap *);

/* Bytes that requests wait for, and that could be held ready, not granted. */
uint64_t tap_need(const struct tap *);
uint64_t tap_room(const struct tap *);

/*
 * For the pool: the entropy process says what it could not give, is about to
 * be replaced, has been; or can be told of grants again.
 */
int tap_void(struct pool *, const struct frame *);
void tap_end_all(struct pool *);
void tap_connect_all(struct pool *);
void tap_send_grants(struct pool *);

#endif
