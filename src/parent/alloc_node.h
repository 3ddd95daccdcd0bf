/*
 * The nodes of the allocator's tree, between alloc_node.c, which keeps them in
 * order, and alloc.c, which makes grants.
 */
#ifndef VRNGD_ALLOC_NODE_H
#define VRNGD_ALLOC_NODE_H

#include "alloc.h"

static inline uint64_t
alloc_min(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static inline bool
node_is_leaf(const struct alloc_node *n)
{
	return TAILQ_EMPTY(&n->children);
}

static inline bool
node_has_ceil(const struct alloc_node *n)
{
	return n->share.ceil.bytes != 0;
}

static inline bool
node_has_rate(const struct alloc_node *n)
{
	return n->share.rate.bytes != 0;
}

/* What the bucket of a node with a ceil can hold beside outstanding bytes. */
static inline uint64_t
node_space(const struct alloc_node *n)
{
	return n->share.burst - alloc_min(n->share.burst, n->outstanding);
}

static inline bool
node_is_capped(const struct alloc_node *n)
{
	return node_has_ceil(n) && n->cap.tokens < (int64_t)n->threshold;
}

static inline bool
node_has_own(const struct alloc_node *n)
{
	return node_has_rate(n) && n->own.tokens >= (int64_t)n->threshold;
}

/* The time `wait` after a node's buckets were right. */
static inline uint64_t
node_later(const struct alloc_node *n, uint64_t wait)
{
	return wait >= ALLOC_NEVER - n->refilled ? ALLOC_NEVER
						 : n->refilled + wait;
}

/* Tokens for the time since the last call, in all buckets up to the root. */
void node_refill_path(struct alloc_node *, uint64_t now);
void node_refill(struct alloc_node *, uint64_t now);

/* Takes a node out of its parent's order, so that its place can change. */
void node_withdraw(struct alloc_node *);

/* Puts nodes where they belong after anything about them has changed. */
void node_update_path(struct alloc *, struct alloc_node *);
void node_update_below(struct alloc *, struct alloc_node *);

/* Adds to (or, below 0, takes from) what leaves below have outstanding. */
void node_add_outstanding(struct alloc_node *, int64_t bytes);

/* The child whose turn it is, or NULL. */
struct alloc_node *node_first_ready(struct alloc_node *);

/* The node to which something happens next, or NULL. */
struct alloc_node *node_first_event(const struct alloc *);

/* Takes in a leaf's changed demand. */
void node_demand(struct alloc *, struct alloc_node *leaf);

#endif
