/*
 * The members of a pool: their demand, what they are granted, and the byte
 * channels on which they are given it.
 */
#ifndef VRNGD_MEMBER_H
#define VRNGD_MEMBER_H

#include <sys/queue.h>

#include <stdbool.h>
#include <stdint.h>

#include "alloc.h"
#include "channel.h"

struct pool;

/* Whoever takes bytes from a pool: a guest. */
struct member {
	TAILQ_ENTRY(member) entry;
	TAILQ_ENTRY(member) unsent_entry;
	struct alloc_node leaf;
	struct proto_delivery delivery;
	uint32_t consumer;	/* its worker's; 0: none */
	bool connected;		/* the entropy process knows it */
	struct proto_want want; /* the last one */
	uint64_t told;		/* bytes granted in all, in GRANT frames */
	uint64_t voided;	/* and of these void, as in VOID frames */
	bool blocked;		/* it cannot be given any now */
	bool unsent;		/* has a grant to be told */
};

TAILQ_HEAD(members, member);

/*
 * Makes a member of the pool below a node of its tree, changes its place,
 * share and way of delivery, or takes it out.
 */
void member_init(struct pool *, struct member *, struct alloc_node *parent,
    const struct alloc_share *, const struct proto_delivery *);
void member_change(struct pool *, struct member *, struct alloc_node *parent,
    const struct alloc_share *, const struct proto_delivery *);
void member_remove(struct pool *, struct member *);

/*
 * The member has a worker, consumer number `consumer`.  Returns the fd that
 * the worker reads its bytes from, or -1 after logging why.
 */
int member_join(struct pool *, struct member *, uint32_t consumer);

/* The member's worker is gone; what it was granted is void. */
void member_leave(struct pool *, struct member *);

/*
 * Takes a demand out of a frame.  Returns -1 if it makes no sense.
 */
int member_want(struct pool *, struct member *, const struct frame *);

/*
 * For the pool: the entropy process says what it could not give, is about to
 * be replaced, has been; or can be told of grants again.
 */
int member_void(struct pool *, const struct frame *);
void member_end_all(struct pool *);
void member_connect_all(struct pool *);
void member_send_grants(struct pool *);

/*
 * Makes every grant that can be made now; called whenever something about the
 * pool has changed.
 */
void member_grant(struct pool *);

#endif
