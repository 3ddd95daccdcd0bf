/*
 * Builds and changes the tree of pool, classes and leaves; pure.  Used by
 * pool.c and consumer.c.
 */
#include <stddef.h>
#include <string.h>

#include "parent/alloc/alloc_node.h"

/* The tokens that a grant needs in each bucket up to the root. */
static void
set_threshold(struct alloc_node *n)
{
	struct alloc_node *child;
	uint64_t least = n->parent == NULL ? GRANT_MIN : n->parent->threshold;

	if (node_has_ceil(n) || node_has_rate(n))
		least = min64(least, n->burst);
	n->threshold = (uint8_t)least;
	if (n->is_class)
		LIST_FOREACH(child, &class_of(n)->children, siblings)
			set_threshold(child);
}

/* The time to fill a quarter of a node's bucket. */
static void
keep_slack(struct alloc *a, const struct alloc_node *n)
{
	const struct bucket_rate *rate =
	    node_has_ceil(n) ? &n->cap.rate : &n->own.rate;
	double fill;

	if (rate->bytes == 0)
		return;
	fill =
	    (double)n->burst / (double)rate->bytes * (double)rate->period / 4;
	if (fill < (double)a->slack)
		a->slack = (uint64_t)fill;
}

uint64_t
alloc_slack(const struct alloc *a)
{
	return a->slack;
}

/* Sets what a node has of its share besides the rates. */
static void
set_share(struct alloc_node *n, const struct alloc_share *share)
{
	n->burst = share->burst;
	n->generated = share->generated;
	for (int k = 0; k < ALLOC_KINDS; k++) {
		node_turn(n, k)->weight = share->weight;
		node_turn(n, k)->borrows =
		    (uint8_t)(1 + min64(share->priority, ALLOC_RANK_MAX - 1));
	}
}

struct alloc_share
alloc_share_of(const struct alloc_node *n)
{
	return (struct alloc_share){
		.rate = n->own.rate,
		.ceil = n->cap.rate,
		.burst = n->burst,
		.weight = n->turn.weight,
		.priority = n->turn.borrows - 1,
		.generated = n->generated,
	};
}

static void
init_node(struct alloc_node *n, const struct alloc_share *share, uint64_t now)
{
	*n = (struct alloc_node){
		.is_class = n->is_class,
		.refilled = now,
		.event = ALLOC_NEVER,
	};
	set_share(n, share);
	bucket_init(&n->own, share->rate, (int64_t)share->burst);
	bucket_init(&n->cap, share->ceil, (int64_t)share->burst);
}

static void
init_class(struct alloc_class *c, const struct alloc_share *share, uint64_t now)
{
	*c = (struct alloc_class){
		.node.is_class = true,
		.other.other = true,
	};
	init_node(&c->node, share, now);
}

void
alloc_init(struct alloc *a, const struct alloc_share *share, uint64_t now)
{
	*a = (struct alloc){ .slack = ALLOC_SLACK_MAX };
	init_class(&a->root, share, now);
	keep_slack(a, &a->root.node);
	a->root.node.own.rate.bytes = 0;
	set_threshold(&a->root.node);
	for (int k = 0; k < ALLOC_KINDS; k++)
		TAILQ_INIT(&a->rooms[k]);
	TAILQ_INIT(&a->hoarders);
}

/*
 * The virtual times of a node's siblings, of which a leaf needs those of its
 * kind.
 */
static void
take_times(struct alloc_node *n)
{
	for (int k = 0; k < ALLOC_KINDS; k++)
		if (n->is_class || node_kind(n) == (enum alloc_kind)k)
			memcpy(node_turn(n, k)->served,
			    node_line(n->parent, k)->now,
			    sizeof(n->turn.served));
}

/* Adds a node as a child of a parent. */
static void
attach(struct alloc_node *n, struct alloc_node *parent)
{
	n->parent = parent;
	LIST_INSERT_HEAD(&class_of(parent)->children, n, siblings);
	take_times(n);
}

static void
add(struct alloc *a, struct alloc_node *n, struct alloc_node *parent)
{
	keep_slack(a, n);
	attach(n, parent);
	set_threshold(n);
}

void
alloc_add(struct alloc *a, struct alloc_node *n, struct alloc_node *parent,
    const struct alloc_share *share, uint64_t now)
{
	n->is_class = false;
	init_node(n, share, now);
	add(a, n, parent);
}

void
alloc_add_class(struct alloc *a, struct alloc_class *c,
    struct alloc_node *parent, const struct alloc_share *share, uint64_t now)
{
	init_class(c, share, now);
	add(a, &c->node, parent);
}

/* Removes a node with its subtree from the tree. */
static void
detach(struct alloc *a, struct alloc_node *n)
{
	struct alloc_node *parent = n->parent;

	node_withdraw(n);
	node_add_outstanding(parent, -(int64_t)n->outstanding);
	LIST_REMOVE(n, siblings);
	node_add_waiting(parent, -(uint32_t)n->waiting,
	    -(uint32_t)n->generating);
	node_update_path(a, parent);
}

void
alloc_remove(struct alloc *a, struct alloc_node *n, uint64_t now)
{
	alloc_restart(a, n, now, 0);
	node_set_hoarder(a, n, false);
	detach(a, n);
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
	node_add_waiting(parent, n->waiting, n->generating);
}

void
alloc_change(struct alloc *a, struct alloc_node *n, struct alloc_node *parent,
    const struct alloc_share *share, uint64_t now)
{
	struct bucket_rate rate = share->rate;
	bool was_generated = n->generated;

	node_refill_path(n, now);
	if (parent != n->parent)
		move(a, n, parent, now);
	else if (parent != NULL)
		node_withdraw(n);
	else
		rate.bytes = 0;
	/* The kind of a leaf may change. */
	if (node_is_leaf(n))
		node_uncount(a, n);
	set_share(n, share);
	if (n->generated != was_generated && !n->is_class)
		take_times(n);
	if (node_is_leaf(n))
		node_count(a, n);
	bucket_change(&n->own, rate, (int64_t)share->burst);
	bucket_change(&n->cap, share->ceil, (int64_t)node_space(n));
	keep_slack(a, n);
	set_threshold(n);
	node_update_below(a, n);
	node_update_path(a, n->parent);
}

/* Copies the buckets and the meter of a node with the same share. */
static void
copy_fill(struct alloc_node *n, const struct alloc_node *from)
{
	n->own = from->own;
	n->cap = from->cap;
	n->meter = from->meter;
}

void
alloc_insert(struct alloc *a, struct alloc_class *c, struct alloc_node *leaf,
    uint64_t now)
{
	const struct alloc_share none = alloc_no_share(leaf->generated);
	const struct alloc_share share = alloc_share_of(leaf);

	node_refill_path(leaf, now);
	alloc_add_class(a, c, leaf->parent, &share, now);
	copy_fill(&c->node, leaf);
	alloc_change(a, leaf, &c->node, &none, now);
}

void
alloc_extract(struct alloc *a, struct alloc_node *leaf, uint64_t now)
{
	struct alloc_node *n = leaf->parent;
	struct alloc_share share = alloc_share_of(n);

	share.generated = leaf->generated;
	node_refill_path(leaf, now);
	copy_fill(leaf, n);
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
