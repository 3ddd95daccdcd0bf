#include <stddef.h>

#include "alloc_node.h"

static alloc_vtime
vtime(const struct alloc_node *n)
{
	return n->borrows ? n->served_by_weight : n->served_by_rate;
}

/*
 * The order of turns among the children of a node: first those that have
 * something guaranteed; those that borrow by priority; then whoever has had
 * the least for its rate or weight.
 */
static int
ready_cmp(const struct alloc_node *a, const struct alloc_node *b)
{
	if (a->borrows != b->borrows)
		return a->borrows ? 1 : -1;
	if (a->borrows && a->share.priority != b->share.priority)
		return a->share.priority < b->share.priority ? -1 : 1;
	if (vtime(a) != vtime(b))
		return vtime(a) < vtime(b) ? -1 : 1;
	return a == b ? 0 : (uintptr_t)a < (uintptr_t)b ? -1 : 1;
}

static int
event_cmp(const struct alloc_node *a, const struct alloc_node *b)
{
	if (a->event != b->event)
		return a->event < b->event ? -1 : 1;
	return a == b ? 0 : (uintptr_t)a < (uintptr_t)b ? -1 : 1;
}

RB_PROTOTYPE(alloc_ready, alloc_node, ready_entry, ready_cmp)
RB_GENERATE(alloc_ready, alloc_node, ready_entry, ready_cmp)
RB_PROTOTYPE(alloc_events, alloc_node, event_entry, event_cmp)
RB_GENERATE(alloc_events, alloc_node, event_entry, event_cmp)

struct alloc_node *
node_first_ready(struct alloc_node *n)
{
	return RB_MIN(alloc_ready, &n->ready);
}

struct alloc_node *
node_first_event(const struct alloc *a)
{
	return RB_MIN(alloc_events,
	    (struct alloc_events *)(uintptr_t)&a->events);
}

/* Tokens for the time since the last call; none that a bucket cannot hold. */
void
node_refill(struct alloc_node *n, uint64_t now)
{
	uint64_t elapsed;

	if (now <= n->refilled)
		return;
	elapsed = now - n->refilled;
	n->refilled = now;
	if (node_has_rate(n))
		bucket_refill(&n->own, elapsed, (int64_t)n->share.burst);
	if (node_has_ceil(n))
		bucket_refill(&n->cap, elapsed, (int64_t)node_space(n));
}

void
node_refill_path(struct alloc_node *n, uint64_t now)
{
	for (; n != NULL; n = n->parent)
		node_refill(n, now);
}

/* Whether outstanding bytes leave the bucket no room for any grant. */
static bool
is_starved(const struct alloc_node *n)
{
	return node_has_ceil(n) && n->waiting > 0 &&
	    node_space(n) < n->threshold;
}

/* When something will be another matter for a node whose leaves wait. */
static uint64_t
next_event(const struct alloc_node *n)
{
	uint64_t wait = BUCKET_NEVER;

	if (n->waiting == 0)
		return ALLOC_NEVER;
	if (n->hoarded != 0)
		return n->hoarded + ALLOC_HOARD_MAX;
	if (node_is_capped(n))
		wait = bucket_wait(&n->cap, (int64_t)n->threshold);
	if (node_has_rate(n) && !node_has_own(n))
		wait = alloc_min(wait,
		    bucket_wait(&n->own, (int64_t)n->threshold));
	return node_later(n, wait);
}

/* Takes a node out of its parent's order, so that its place can change. */
void
node_withdraw(struct alloc_node *n)
{
	if (n->is_ready)
		RB_REMOVE(alloc_ready, &n->parent->ready, n);
	n->is_ready = false;
}

/* Puts a node where it belongs, after anything about it has changed. */
static void
update(struct alloc *a, struct alloc_node *n)
{
	struct alloc_node *first = node_first_ready(n);
	uint64_t event;

	if (!is_starved(n))
		n->hoarded = 0;
	else if (n->hoarded == 0)
		n->hoarded = n->refilled;
	event = next_event(n);
	if (event != n->event) {
		if (n->event != ALLOC_NEVER)
			RB_REMOVE(alloc_events, &a->events, n);
		n->event = event;
		if (n->event != ALLOC_NEVER)
			RB_INSERT(alloc_events, &a->events, n);
	}
	if (n->parent == NULL)
		return;
	node_withdraw(n);
	n->borrows = !node_has_own(n) && (first == NULL || first->borrows);
	if (n->waiting == 0 || node_is_capped(n) ||
	    (!node_is_leaf(n) && first == NULL))
		return;
	/* Whoever was away does not catch up on what it did not want. */
	if (n->served_by_rate < n->parent->now_by_rate)
		n->served_by_rate = n->parent->now_by_rate;
	if (n->served_by_weight < n->parent->now_by_weight)
		n->served_by_weight = n->parent->now_by_weight;
	n->is_ready = true;
	RB_INSERT(alloc_ready, &n->parent->ready, n);
}

void
node_update_path(struct alloc *a, struct alloc_node *n)
{
	for (; n != NULL; n = n->parent)
		update(a, n);
}

void
node_add_outstanding(struct alloc_node *n, int64_t bytes)
{
	for (; n != NULL; n = n->parent)
		n->outstanding = (uint64_t)((int64_t)n->outstanding + bytes);
}

static void
set_waiting(struct alloc_node *leaf, bool waiting)
{
	bool was = leaf->waiting != 0;

	if (waiting == was)
		return;
	for (; leaf != NULL; leaf = leaf->parent)
		leaf->waiting += waiting ? 1U : -1U;
}

static void
set_room(struct alloc *a, struct alloc_node *leaf, bool has_room)
{
	if (has_room == leaf->has_room)
		return;
	leaf->has_room = has_room;
	if (has_room)
		TAILQ_INSERT_TAIL(&a->rooms, leaf, room_entry);
	else
		TAILQ_REMOVE(&a->rooms, leaf, room_entry);
}

/* Takes in a changed demand. */
void
node_demand(struct alloc *a, struct alloc_node *leaf)
{
	set_waiting(leaf, leaf->need > leaf->granted);
	set_room(a, leaf, leaf->waiting == 0 && leaf->room > leaf->granted);
	node_update_path(a, leaf);
}

/* A grant needs so much in every bucket on its way. */
static void
set_threshold(struct alloc_node *n)
{
	struct alloc_node *child;

	n->threshold = n->parent == NULL ? GRANT_MIN : n->parent->threshold;
	if (node_has_ceil(n) || node_has_rate(n))
		n->threshold = alloc_min(n->threshold, n->share.burst);
	TAILQ_FOREACH(child, &n->children, siblings)
		set_threshold(child);
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
	RB_INIT(&n->ready);
	bucket_init(&n->own, share->rate, (int64_t)share->burst);
	bucket_init(&n->cap, share->ceil, (int64_t)share->burst);
}

void
alloc_init(struct alloc *a, const struct alloc_share *share, uint64_t now)
{
	*a = (struct alloc){ .stock = 0 };
	init_node(&a->root, share, now);
	a->root.share.rate.bytes = 0;
	set_threshold(&a->root);
	RB_INIT(&a->events);
	TAILQ_INIT(&a->rooms);
	TAILQ_INIT(&a->hoarders);
}

void
alloc_add(struct alloc *a, struct alloc_node *n, struct alloc_node *parent,
    const struct alloc_share *share, uint64_t now)
{
	(void)a;
	init_node(n, share, now);
	n->parent = parent;
	TAILQ_INSERT_TAIL(&parent->children, n, siblings);
	set_threshold(n);
}

/* Takes a node with all below it out of the tree. */
static void
detach(struct alloc *a, struct alloc_node *n)
{
	struct alloc_node *parent = n->parent;

	node_withdraw(n);
	node_add_outstanding(parent, -(int64_t)n->outstanding);
	TAILQ_REMOVE(&parent->children, n, siblings);
	for (struct alloc_node *p = parent; p != NULL; p = p->parent)
		p->waiting -= n->waiting;
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

/* A bucket of another size keeps what it holds; a new one is full. */
static void
resize(struct bucket *b, struct bucket_rate rate, uint64_t most)
{
	if (b->rate.bytes == 0 || b->tokens > (int64_t)most)
		b->tokens = (int64_t)most;
	b->rate = rate;
	b->remainder = 0;
}

void
node_update_below(struct alloc *a, struct alloc_node *n)
{
	struct alloc_node *child;

	TAILQ_FOREACH(child, &n->children, siblings)
		node_update_below(a, child);
	update(a, n);
}

void
alloc_change(struct alloc *a, struct alloc_node *n, struct alloc_node *parent,
    const struct alloc_share *share, uint64_t now)
{
	node_refill_path(n, now);
	if (parent != n->parent) {
		detach(a, n);
		node_refill_path(parent, now);
		n->parent = parent;
		n->served_by_rate = n->served_by_weight = 0;
		TAILQ_INSERT_TAIL(&parent->children, n, siblings);
		node_add_outstanding(parent, (int64_t)n->outstanding);
		for (struct alloc_node *p = parent; p != NULL; p = p->parent)
			p->waiting += n->waiting;
	} else if (parent != NULL)
		node_withdraw(n);
	n->share = *share;
	if (parent == NULL)
		n->share.rate.bytes = 0;
	resize(&n->own, n->share.rate, share->burst);
	resize(&n->cap, share->ceil, node_space(n));
	set_threshold(n);
	node_update_below(a, n);
	node_update_path(a, n->parent);
}
