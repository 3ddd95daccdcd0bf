/*
 * The members of a pool: those that have a part of what it yields, each a leaf
 * of the allocator's tree, and take it by the taps that their workers have.
 */
#ifndef VRNGD_MEMBER_H
#define VRNGD_MEMBER_H

#include <stdint.h>

#include "parent/alloc/alloc.h"
#include "common/counters.h"
#include "common/log.h"
#include "parent/pool/tap.h"
#include "parent/pool/throttle.h"

struct pool;

/* Totals, as they were in the last statistics. */
struct member_told {
	struct counters counters;
	uint64_t granted;   /* bytes */
	uint64_t throttled; /* ns */
};

/* Whoever takes bytes from a pool: a guest or an outlet. */
struct member {
	struct alloc_node leaf;
	const struct log_subject *about; /* that it is; NULL: never mind */
	struct proto_delivery delivery;
	struct throttle throttle;
	const struct alloc_node *limit; /* that had it wait last */
	struct member_told told;
	struct taps taps; /* those that have a worker; next to be given first */
};

/*
 * Makes a member of the pool below a node of its tree, changes its place,
 * share and way of delivery, or takes it out, when its taps have left.
 */
void member_init(struct pool *, struct member *, struct alloc_node *parent,
    const struct alloc_share *, const struct proto_delivery *);
void member_change(struct pool *, struct member *, struct alloc_node *parent,
    const struct alloc_share *, const struct proto_delivery *);
void member_remove(struct pool *, struct member *);

/* Asks the allocator for what the member's taps want together. */
void member_want(struct pool *, struct member *);

/*
 * Makes every grant that can be made now; called whenever something about the
 * pool has changed.
 */
void member_grant(struct pool *);

#endif
