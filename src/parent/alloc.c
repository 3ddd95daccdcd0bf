#include <stddef.h>

#include "alloc_node.h"

#define ROOM_TRIES 8  /* leaves looked at before none is said to have room */
#define VTIME_BITS 16 /* of a virtual time, behind the point */

/*
 * Bytes that have been handed on leave room in the buckets from now on: until
 * now they were as full as they were.
 */
static void
set_outstanding(struct alloc_node *leaf, uint64_t now, uint64_t outstanding)
{
	node_refill_path(leaf, now);
	if (outstanding < leaf->outstanding)
		node_add_outstanding(leaf,
		    -(int64_t)(leaf->outstanding - outstanding));
}

void
alloc_want(struct alloc *a, struct alloc_node *leaf, uint64_t now,
    uint64_t need, uint64_t room, uint64_t outstanding)
{
	set_outstanding(leaf, now, outstanding);
	leaf->need = need;
	leaf->room = room;
	node_demand(a, leaf);
}

void
alloc_restart(struct alloc *a, struct alloc_node *leaf, uint64_t now,
    uint64_t outstanding)
{
	set_outstanding(leaf, now, outstanding);
	leaf->granted = leaf->need = leaf->room = 0;
	node_demand(a, leaf);
}

void
alloc_void(struct alloc *a, struct alloc_node *leaf, uint64_t now,
    uint64_t bytes)
{
	set_outstanding(leaf, now,
	    leaf->outstanding - alloc_min(leaf->outstanding, bytes));
	leaf->granted -= bytes;
	node_demand(a, leaf);
}

struct alloc_node *
alloc_hoarder(struct alloc *a)
{
	struct alloc_node *leaf = TAILQ_FIRST(&a->hoarders);

	if (leaf != NULL) {
		TAILQ_REMOVE(&a->hoarders, leaf, hoarder_entry);
		leaf->is_hoarder = false;
	}
	return leaf;
}

/* The smallest burst that a grant to this node has to fit; 0: there is none. */
static uint64_t
path_burst(const struct alloc_node *n)
{
	uint64_t burst = UINT64_MAX;

	for (; n != NULL; n = n->parent)
		if (node_has_ceil(n))
			burst = alloc_min(burst, n->share.burst);
	return burst == UINT64_MAX ? 0 : burst;
}

uint32_t
alloc_window(const struct alloc_node *leaf)
{
	uint64_t window = ALLOC_WINDOW_MAX, burst = path_burst(leaf);

	if (burst != 0)
		window = alloc_min(window, burst / 8);
	return window < ALLOC_WINDOW_MIN ? 0 : (uint32_t)window;
}

uint32_t
alloc_request_min(const struct alloc_node *leaf)
{
	if (path_burst(leaf) == 0)
		return ALLOC_GRANT_MAX;
	return alloc_window(leaf) == 0 ? 1 : GRANT_MIN;
}

uint32_t
alloc_request_max(const struct alloc_node *leaf)
{
	uint64_t burst = path_burst(leaf);

	return burst == 0 ? ALLOC_GRANT_MAX
			  : (uint32_t)alloc_min(burst, ALLOC_GRANT_MAX);
}

void
alloc_stock(struct alloc *a, uint64_t available, uint64_t capacity)
{
	a->stock = available;
	a->reserve = capacity / 2;
}

/*
 * Who lends to a leaf: the lowest node on its way that has something left of
 * what it is guaranteed, or the root, that has all.
 */
static struct alloc_node *
lender_of(struct alloc_node *n)
{
	while (n->parent != NULL && !node_has_own(n))
		n = n->parent;
	return n;
}

/* Counts a grant among the siblings of `n`, whose turn it was. */
static void
take_turn(struct alloc_node *n, uint64_t bytes)
{
	alloc_vtime grant = (alloc_vtime)bytes << VTIME_BITS;

	if (n->borrows || !node_has_rate(n)) {
		n->parent->now_by_weight = n->served_by_weight;
		n->served_by_weight += grant / n->share.weight;
	} else {
		n->parent->now_by_rate = n->served_by_rate;
		n->served_by_rate +=
		    grant * n->share.rate.period / n->share.rate.bytes;
	}
}

static struct alloc_node *
charge(struct alloc *a, struct alloc_node *leaf,
    const struct alloc_node *lender, uint64_t now, uint64_t bytes)
{
	bool lends = false;

	for (struct alloc_node *n = leaf; n != NULL; n = n->parent) {
		lends = lends || n == lender;
		node_withdraw(n);
		if (lends && node_has_rate(n))
			n->own.tokens -= (int64_t)bytes;
		if (node_has_ceil(n))
			n->cap.tokens -= (int64_t)bytes;
		meter_add(&n->meter, now, bytes);
		if (n->parent != NULL)
			take_turn(n, bytes);
	}
	node_add_outstanding(leaf, (int64_t)bytes);
	a->stock -= bytes;
	leaf->granted += bytes;
	node_demand(a, leaf);
	return leaf;
}

/* How much of `missing` bytes every bucket between a leaf and the root has. */
static uint64_t
affordable(const struct alloc_node *leaf, uint64_t missing)
{
	uint64_t bytes = alloc_min(missing, ALLOC_GRANT_MAX);

	for (const struct alloc_node *n = leaf; n != NULL; n = n->parent)
		if (node_has_ceil(n))
			bytes = alloc_min(bytes,
			    n->cap.tokens < 0 ? 0 : (uint64_t)n->cap.tokens);
	return bytes;
}

/* A grant to the leaf whose request is the next to be served. */
static struct alloc_node *
grant_need(struct alloc *a, uint64_t now, uint64_t *bytes)
{
	struct alloc_node *n = &a->root, *lender;
	uint64_t missing;

	if (n->waiting == 0 || node_is_capped(n))
		return NULL;
	while (!node_is_leaf(n))
		if ((n = node_first_ready(n)) == NULL)
			return NULL;
	if (n->parent == NULL)
		return NULL;
	node_refill_path(n, now);
	missing = n->need - n->granted;
	lender = lender_of(n);
	*bytes = alloc_min(affordable(n, missing), a->stock);
	if (lender->parent != NULL)
		*bytes = alloc_min(*bytes, (uint64_t)lender->own.tokens);
	if (*bytes < alloc_min(missing, n->threshold))
		return NULL;
	return charge(a, n, lender, now, *bytes);
}

/*
 * How much of a leaf's window may be filled: out of plenty only, so that no
 * request of another guest will find the stock or a bucket emptied for it.
 */
static uint64_t
room_of(const struct alloc *a, const struct alloc_node *leaf)
{
	uint64_t missing = leaf->room - leaf->granted, bytes;

	if (a->stock <= a->reserve)
		return 0;
	bytes = alloc_min(affordable(leaf, missing), a->stock - a->reserve);
	for (const struct alloc_node *n = leaf; n != NULL; n = n->parent)
		if (node_has_ceil(n))
			bytes = alloc_min(bytes,
			    n->share.burst / 2 -
				alloc_min(n->share.burst / 2, n->outstanding));
	return bytes < alloc_min(missing, leaf->threshold) ? 0 : bytes;
}

static struct alloc_node *
grant_room(struct alloc *a, uint64_t now, uint64_t *bytes)
{
	struct alloc_node *leaf;

	for (int i = 0; i < ROOM_TRIES; i++) {
		if ((leaf = TAILQ_FIRST(&a->rooms)) == NULL)
			return NULL;
		node_refill_path(leaf, now);
		*bytes = room_of(a, leaf);
		TAILQ_REMOVE(&a->rooms, leaf, room_entry);
		TAILQ_INSERT_TAIL(&a->rooms, leaf, room_entry);
		if (*bytes > 0)
			return charge(a, leaf, lender_of(leaf), now, *bytes);
	}
	return NULL;
}

static void
forget_below(struct alloc *a, struct alloc_node *n, uint64_t now)
{
	struct alloc_node *child;

	node_refill(n, now);
	TAILQ_FOREACH(child, &n->children, siblings)
		forget_below(a, child, now);
	if (node_is_leaf(n) && n->outstanding > 0) {
		n->need = n->room = n->granted;
		if (!n->is_hoarder)
			TAILQ_INSERT_TAIL(&a->hoarders, n, hoarder_entry);
		n->is_hoarder = true;
		node_demand(a, n);
	}
	n->outstanding = 0;
}

/*
 * Keeps workers that never hand on what they were granted from starving the
 * others below the same node: such bytes now count as handed on, and what the
 * workers want more is not asked for until they tell.
 */
static void
forget_hoards(struct alloc *a, struct alloc_node *n, uint64_t now)
{
	node_refill_path(n, now);
	node_add_outstanding(n->parent, -(int64_t)n->outstanding);
	forget_below(a, n, now);
	node_update_below(a, n);
}

/* Brings up to date what has changed by the passing of time. */
static void
run_events(struct alloc *a, uint64_t now)
{
	struct alloc_node *n;

	while ((n = node_first_event(a)) != NULL && n->event <= now) {
		node_refill(n, now);
		if (n->hoarded != 0)
			forget_hoards(a, n, now);
		node_update_path(a, n);
	}
}

struct alloc_node *
alloc_next(struct alloc *a, uint64_t now, uint64_t *bytes)
{
	struct alloc_node *leaf;

	run_events(a, now);
	if (a->stock == 0)
		return NULL;
	if ((leaf = grant_need(a, now, bytes)) != NULL)
		return leaf;
	return grant_room(a, now, bytes);
}

/* When a leaf's window could be filled, if nothing but time changes. */
static uint64_t
room_time(const struct alloc *a, const struct alloc_node *leaf)
{
	uint64_t wanted, wait, at = 0;

	wanted = alloc_min(leaf->room - leaf->granted, leaf->threshold);
	if (a->stock < a->reserve + wanted)
		return ALLOC_NEVER;
	for (const struct alloc_node *n = leaf; n != NULL; n = n->parent) {
		if (!node_has_ceil(n))
			continue;
		if (n->waiting > 0 ||
		    n->outstanding + wanted > n->share.burst / 2)
			return ALLOC_NEVER;
		wait = bucket_wait(&n->cap, (int64_t)wanted);
		if (wait > 0 && node_later(n, wait) > at)
			at = node_later(n, wait);
	}
	return at == 0 ? ALLOC_NEVER : at;
}

uint64_t
alloc_deadline(const struct alloc *a)
{
	const struct alloc_node *n = node_first_event(a);
	uint64_t at = n == NULL ? ALLOC_NEVER : n->event;
	int tries = ROOM_TRIES;

	if (a->stock == 0)
		return ALLOC_NEVER;
	TAILQ_FOREACH(n, &a->rooms, room_entry)
		if (tries-- > 0)
			at = alloc_min(at, room_time(a, n));
		else
			break;
	return at;
}
