/*
 * Builds and changes the tree of pool, classes and leaves; pure.  Used by
 * pool.c and consumer.c.
 */
#include <stddef.h>

#include "parent/alloc/alloc_node.h"

/* The tokens that a grant needs in each bucket up to the root. */
static void
set_threshold(struct alloc_node *n)
{
	struct alloc_node *child;

	n->threshold = n->parent == NULL ? GRANT_MIN : n->parent->threshold;
	if (node_has_ceil(n) || node_has_rate(n))
		n->threshold = min64(n->threshold, n->share.burst);
	TAILQ_FOREACH(child, &n->children, siblings)
		set_threshold(child);
}

/* The time to fill a quarter of a node's bucket. */
static void
keep_slack(struct alloc *a, const struct alloc_node *n)
{
	const struct bucket_rate *rate =
	    node_has_ceil(n) ? &n->share.ceil : &n->share.rate;
	double fill;

	if (rate->bytes == 0)
		return;
	fill = (double)n->share.burst / (double)rate->bytes *
	    (double)rate->period / 4;
	if (fill < (double)a->slack)
		a->slack = (uint64_t)fill;
}

uint64_t
alloc_slack(const struct alloc *a)
{
	return a->slack;
}

static void
init_node(struct alloc_node *n, const struct alloc_share *share, uint64_t now)
{
	*n = (struct alloc_node){
		.share = *share,
		.refilled = now,
		.event = ALLOC_NEVER,
	};
	TAILQ_INIT(&n->children);
	for (int k = 0; k < ALLOC_KINDS; k++) {
		n->turns[k].node = n;
		RB_INIT(&n->lines[k].ready);
	}
	bucket_init(&n->own, share->rate, (int64_t)share->burst);
	bucket_init(&n->cap, share->ceil, (int64_t)share->burst);
}

void
alloc_init(struct alloc *a, const struct alloc_share *share, uint64_t now)
{
	*a = (struct alloc){ .slack = ALLOC_SLACK_MAX };
	init_node(&a->root, share, now);
	keep_slack(a, &a->root);
	a->root.share.rate.bytes = 0;
	set_threshold(&a->root);
	for (int k = 0; k < ALLOC_KINDS; k++) {
		RB_INIT(&a->events[k]);
		TAILQ_INIT(&a->rooms[k]);
	}
	TAILQ_INIT(&a->hoarders);
}

/*
 * Adds a node as a child of a parent, with the virtual times of its siblings.
 */
static void
attach(struct alloc_node *n, struct alloc_node *parent)
{
	n->parent = parent;
	TAILQ_INSERT_TAIL(&parent->children, n, siblings);
	for (int k = 0; k < ALLOC_KINDS; k++)
		for (int c = 0; c < ALLOC_CLOCKS; c++)
			n->turns[k].served[c] = parent->lines[k].now[c];
}

void
alloc_add(struct alloc *a, struct alloc_node *n, struct alloc_node *parent,
    const struct alloc_share *share, uint64_t now)
{
	init_node(n, share, now);
	keep_slack(a, n);
	attach(n, parent);
	set_threshold(n);
}

/* Removes a node with its subtree from the tree. */
static void
detach(struct alloc *a, struct alloc_node *n)
{
	struct alloc_node *parent = n->parent;

	node_withdraw(n);
	node_add_outstanding(parent, -(int64_t)n->outstanding);
	TAILQ_REMOVE(&parent->children, n, siblings);
	for (struct alloc_node *p = parent; p != NULL; p = p->parent) {
		p->waiting -= n->waiting;
		p->generating -= n->generating;
	}
	node_update_path(a, parent);
}

void
alloc_remove(struct alloc *a, struct alloc_node *n, uint64_t now)
{
	alloc_restart(a, n, now, 0);
	if (n->is_hoarder)
		TAILQ_REMOVE(&a->hoarders, n, hoarder_entry);
	detach(a, n);
}

/* A bucket of another size keeps its tokens; a new one is full. */
static void
resize(struct bucket *b, struct bucket_rate rate, uint64_t most)
{
	if (b->rate.bytes == 0 || b->tokens > (int64_t)most)
		b->tokens = (int64_t)most;
	if (b->rate.period != rate.period)
		b->remainder = 0;
	b->rate = rate;
}

/* Moves a node with its subtree to another parent. */
static void
move(struct alloc *a, struct alloc_node *n, struct alloc_node *parent,
    uint64_t now)
{
	detach(a, n);
	node_refill_path(parent, now);
	attach(n, parent);
	node_add_outstanding(parent, (int64_t)n->outstanding);
	for (struct alloc_node *p = parent; p != NULL; p = p->parent) {
		p->waiting += n->waiting;
		p->generating += n->generating;
	}
}

void
alloc_change(struct alloc *a, struct alloc_node *n, struct alloc_node *parent,
    const struct alloc_share *share, uint64_t now)
{
	node_refill_path(n, now);
	if (parent != n->parent)
		move(a, n, parent, now);
	else if (parent != NULL)
		node_withdraw(n);
	/* The kind of a leaf may change. */
	if (node_is_leaf(n))
		node_uncount(a, n);
	n->share = *share;
	if (parent == NULL)
		n->share.rate.bytes = 0;
	if (node_is_leaf(n))
		node_count(a, n);
	resize(&n->own, n->share.rate, share->burst);
	resize(&n->cap, share->ceil, node_space(n));
	keep_slack(a, n);
	set_threshold(n);
	node_update_below(a, n);
	node_update_path(a, n->parent);
}

void
alloc_insert(struct alloc *a, struct alloc_node *n, struct alloc_node *leaf,
    uint64_t now)
{
	const struct alloc_share none = alloc_no_share(leaf->share.generated);

	node_refill_path(leaf, now);
	alloc_add(a, n, leaf->parent, &leaf->share, now);
	n->own = leaf->own;
	n->cap = leaf->cap;
	n->meter = leaf->meter;
	alloc_change(a, leaf, n, &none, now);
}

void
alloc_extract(struct alloc *a, struct alloc_node *leaf, uint64_t now)
{
	struct alloc_node *n = leaf->parent;
	struct alloc_share share = n->share;

	share.generated = leaf->share.generated;
	node_refill_path(leaf, now);
	leaf->own = n->own;
	leaf->cap = n->cap;
	leaf->meter = n->meter;
	alloc_change(a, leaf, n->parent, &share, now);
	alloc_remove(a, n, now);
}

const struct alloc_node *
alloc_limit(const struct alloc_node *n)
{
	if (n->waiting == 0)
		return NULL;
	while (n != NULL && !node_is_capped(n))
		n = n->parent;
	return n;
}
