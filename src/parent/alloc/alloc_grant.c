/*
 * Makes grants, and computes the time of the next one; pure.  Used by pool.c
 * and consumer.c, and by the models of the unit tests.
 */
#include <stddef.h>

#include "parent/alloc/alloc_node.h"

#define ROOM_TRIES 8  /* leaves checked for room in their windows */
#define VTIME_BITS 16 /* fraction bits of a virtual time */

__extension__ typedef unsigned __int128 wide;

/*
 * Updates the buckets before delivered bytes make room in them: until now they
 * could not fill further.
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
	    leaf->outstanding - min64(leaf->outstanding, bytes));
	leaf->granted -= bytes;
	node_demand(a, leaf);
}

struct alloc_node *
alloc_hoarder(struct alloc *a)
{
	struct alloc_node *leaf = TAILQ_FIRST(&a->hoarders);

	if (leaf != NULL)
		node_set_hoarder(a, leaf, false);
	return leaf;
}

/* The smallest burst that limits a grant to this node; 0: none. */
static uint64_t
path_burst(const struct alloc_node *n)
{
	uint64_t burst = UINT64_MAX;

	for (; n != NULL; n = n->parent)
		if (node_has_ceil(n))
			burst = min64(burst, n->burst);
	return burst == UINT64_MAX ? 0 : burst;
}

uint32_t
alloc_window(const struct alloc_node *leaf, uint64_t capacity)
{
	uint64_t window = ALLOC_WINDOW_MAX, burst = path_burst(leaf);

	if (!leaf->generated)
		window = min64(window, capacity / 4);
	if (burst != 0)
		window = min64(window, burst / 8);
	return window < ALLOC_WINDOW_MIN ? 0 : (uint32_t)window;
}

uint32_t
alloc_request_min(const struct alloc_node *leaf)
{
	if (path_burst(leaf) == 0)
		return ALLOC_GRANT_MAX;
	return path_burst(leaf) / 8 < ALLOC_WINDOW_MIN ? 1 : SHORT_MIN;
}

uint32_t
alloc_request_max(const struct alloc_node *leaf)
{
	uint64_t burst = path_burst(leaf);

	return burst == 0 ? ALLOC_GRANT_MAX
			  : (uint32_t)min64(burst, ALLOC_GRANT_MAX);
}

void
alloc_stock(struct alloc *a, uint64_t available, uint64_t capacity)
{
	a->stock = available;
	a->reserve = capacity / 2;
}

/*
 * The lender of a leaf: the lowest node above it with unused guaranteed rate,
 * or the root.
 */
static struct alloc_node *
lender_of(struct alloc_node *n)
{
	while (n->parent != NULL && !node_has_own(n))
		n = n->parent;
	return n;
}

/*
 * Charges a grant to the turn of `n` among its siblings.  Virtual time advances
 * for leaves of `both` kinds, or only for the kind that is granted.
 */
static void
take_turn(struct alloc_node *n, enum alloc_kind kind, bool both, bool borrows,
    uint64_t bytes)
{
	enum alloc_clock clock = ALLOC_BY_WEIGHT;
	struct alloc_line *line = node_line(n->parent, kind);
	struct alloc_turn *t = node_turn(n, kind);
	bool in_line = t->ready;
	uint64_t grant = bytes << VTIME_BITS; /* at most ALLOC_GRANT_MAX */
	alloc_vtime cost, passed;

	if (borrows || !node_has_rate(n)) {
		cost = grant / t->weight;
	} else {
		clock = ALLOC_BY_RATE;
		cost = (alloc_vtime)((wide)grant * n->own.rate.period /
		    n->own.rate.bytes);
	}
	node_withdraw(n);
	passed = t->served[clock] - line->now[clock];
	if (passed < 0 && !in_line) {
		/*
		 * Its window is filled after a time without demand: see
		 * update_turn().
		 */
		t->served[clock] -= passed;
		passed = 0;
	}
	line->now[clock] += passed;
	t->served[clock] += cost;
	if (!both)
		return;
	node_line(n->parent, kind_other(kind))->now[clock] += passed;
	if (n->is_class)
		node_turn(n, kind_other(kind))->served[clock] += cost;
}

/*
 * Makes a grant to a leaf while leaves of `kinds` have demand and can be
 * served.  It charges no turn for other kinds.
 */
static struct alloc_node *
charge(struct alloc *a, struct alloc_node *leaf, unsigned int kinds,
    uint64_t now, uint64_t bytes)
{
	const struct alloc_node *lender = lender_of(leaf);
	enum alloc_kind kind = node_kind(leaf);
	bool lends = false, both = (kinds & KIND_BIT(kind_other(kind))) != 0;

	for (struct alloc_node *n = leaf; n != NULL; n = n->parent) {
		lends = lends || n == lender;
		if (lends && node_has_rate(n))
			n->own.tokens -= (int64_t)bytes;
		if (node_has_ceil(n))
			n->cap.tokens -= (int64_t)bytes;
		n->outstanding += bytes;
		meter_add(&n->meter, now, bytes);
		if (n->parent != NULL)
			take_turn(n, kind, both, !lends, bytes);
	}
	if (kind == ALLOC_STOCKED)
		a->stock -= bytes;
	leaf->granted += bytes;
	node_demand(a, leaf);
	return leaf;
}

/* The part of `bytes` that all buckets from a leaf to the root have. */
static uint64_t
affordable(const struct alloc_node *leaf, uint64_t bytes)
{
	for (const struct alloc_node *n = leaf; n != NULL; n = n->parent)
		if (node_has_ceil(n))
			bytes = min64(bytes,
			    n->cap.tokens < 0 ? 0 : (uint64_t)n->cap.tokens);
	return bytes;
}

/* The leaf whose turn it is among those of `kinds`, or NULL. */
static struct alloc_node *
next_waiting(struct alloc *a, unsigned int kinds)
{
	struct alloc_node *n = &a->root.node;

	if (n->waiting == 0 || node_is_capped(n))
		return NULL;
	while (n != NULL && !node_is_leaf(n))
		n = node_first_ready(n, kinds);
	return n == &a->root.node ? NULL : n;
}

/*
 * Makes a grant to the leaf whose request is next.  If it must wait for stock,
 * so must all leaves of its kind, which is removed from `kinds`.
 */
static struct alloc_node *
grant_need(struct alloc *a, uint64_t now, unsigned int *kinds, uint64_t *bytes)
{
	struct alloc_node *leaf, *lender;
	uint64_t missing;

	while ((leaf = next_waiting(a, *kinds)) != NULL) {
		node_refill_path(leaf, now);
		missing = leaf->need - leaf->granted;
		lender = lender_of(leaf);
		*bytes = affordable(leaf, min64(missing, ALLOC_GRANT_MAX));
		if (node_kind(leaf) == ALLOC_STOCKED)
			*bytes = min64(*bytes, a->stock);
		if (lender->parent != NULL)
			*bytes = min64(*bytes, (uint64_t)lender->own.tokens);
		if (*bytes >= min64(missing, leaf->threshold))
			return charge(a, leaf, *kinds, now, *bytes);
		*kinds &= ~KIND_BIT(node_kind(leaf));
	}
	return NULL;
}

/*
 * The tokens that a node's bucket must have for `wanted` bytes of a window
 * below it: waiting requests come first.
 */
static uint64_t
room_price(const struct alloc_node *n, uint64_t wanted)
{
	return n->waiting > 0 && wanted < n->threshold ? n->threshold : wanted;
}

/*
 * How many bytes of a leaf's window can be filled: only from a surplus, so that
 * a window does not empty the stock or a bucket for the requests of others.
 */
static uint64_t
room_of(const struct alloc *a, const struct alloc_node *leaf)
{
	uint64_t missing = leaf->room - leaf->granted, bytes, wanted;

	wanted = min64(missing, leaf->threshold);
	bytes = affordable(leaf, min64(missing, ALLOC_GRANT_MAX));
	if (node_kind(leaf) == ALLOC_STOCKED)
		bytes = min64(bytes, a->stock - min64(a->stock, a->reserve));
	for (const struct alloc_node *n = leaf; n != NULL; n = n->parent) {
		if (!node_has_ceil(n))
			continue;
		if (n->cap.tokens < (int64_t)room_price(n, wanted))
			return 0;
		bytes = min64(bytes,
		    n->burst / 2 - min64(n->burst / 2, n->outstanding));
	}
	return bytes < wanted ? 0 : bytes;
}

/* Checks a few leaves, and moves them to the end of their list. */
static struct alloc_node *
grant_room_of(struct alloc *a, enum alloc_kind kind, uint64_t now,
    uint64_t *bytes)
{
	struct alloc_nodes *rooms = &a->rooms[kind];
	struct alloc_node *leaf;

	if (kind == ALLOC_STOCKED && a->stock <= a->reserve)
		return NULL;
	for (int i = 0; i < ROOM_TRIES; i++) {
		if ((leaf = TAILQ_FIRST(rooms)) == NULL)
			return NULL;
		node_refill_path(leaf, now);
		TAILQ_REMOVE(rooms, leaf, list_entry);
		TAILQ_INSERT_TAIL(rooms, leaf, list_entry);
		if ((*bytes = room_of(a, leaf)) > 0)
			return leaf;
	}
	return NULL;
}

/* Fills windows of both kinds alternately. */
static struct alloc_node *
grant_room(struct alloc *a, uint64_t now, unsigned int kinds, uint64_t *bytes)
{
	struct alloc_node *leaf;

	for (int i = 0; i < ALLOC_KINDS; i++) {
		enum alloc_kind kind = a->next_room;

		a->next_room = kind_other(kind);
		leaf = grant_room_of(a, kind, now, bytes);
		if (leaf != NULL)
			return charge(a, leaf, kinds, now, *bytes);
	}
	return NULL;
}

static void
forget_below(struct alloc *a, struct alloc_node *n, uint64_t now)
{
	struct alloc_node *child;

	node_refill(n, now);
	if (n->is_class)
		LIST_FOREACH(child, &class_of(n)->children, siblings)
			forget_below(a, child, now);
	if (node_is_leaf(n) && n->outstanding > 0) {
		n->need = n->room = n->granted;
		node_demand(a, n);
		node_set_hoarder(a, n, true);
	}
	n->outstanding = 0;
}

/*
 * Prevents workers that do not deliver granted bytes from starving others below
 * the same node: such bytes now count as delivered, and the demand of these
 * workers is ignored until they report it again.
 */
static void
forget_hoards(struct alloc *a, struct alloc_node *n, uint64_t now)
{
	node_refill_path(n, now);
	node_add_outstanding(n->parent, -(int64_t)n->outstanding);
	forget_below(a, n, now);
	node_update_below(a, n);
}

/* Updates the nodes whose state has changed with time. */
static void
run_events(struct alloc *a, uint64_t now)
{
	struct alloc_node *n;

	while ((n = node_first_event(a, false)) != NULL && n->event <= now) {
		node_refill(n, now);
		if (n->starved)
			forget_hoards(a, n, now);
		node_update_path(a, n);
	}
}

struct alloc_node *
alloc_next(struct alloc *a, uint64_t now, uint64_t *bytes)
{
	unsigned int kinds = 0;
	struct alloc_node *leaf;

	run_events(a, now);
	if (a->stock > 0 && node_waiting(&a->root.node, ALLOC_STOCKED) > 0)
		kinds |= KIND_BIT(ALLOC_STOCKED);
	if (node_waiting(&a->root.node, ALLOC_GENERATED) > 0)
		kinds |= KIND_BIT(ALLOC_GENERATED);
	if ((leaf = grant_need(a, now, &kinds, bytes)) != NULL)
		return leaf;
	return grant_room(a, now, kinds, bytes);
}

/* The time at which a leaf's window can be filled, if only time changes. */
static uint64_t
room_time(const struct alloc *a, const struct alloc_node *leaf)
{
	uint64_t wanted, wait, at = 0;

	wanted = min64(leaf->room - leaf->granted, leaf->threshold);
	if (node_kind(leaf) == ALLOC_STOCKED && a->stock < a->reserve + wanted)
		return ALLOC_NEVER;
	for (const struct alloc_node *n = leaf; n != NULL; n = n->parent) {
		if (!node_has_ceil(n))
			continue;
		if (n->outstanding + wanted > n->burst / 2)
			return ALLOC_NEVER;
		wait = bucket_wait(&n->cap, (int64_t)room_price(n, wanted));
		if (wait > 0 && node_later(n, wait) > at)
			at = node_later(n, wait);
	}
	return at == 0 ? ALLOC_NEVER : at;
}

uint64_t
alloc_deadline(struct alloc *a)
{
	struct alloc_node *n = node_first_event(a, a->stock == 0);
	uint64_t at = n == NULL ? ALLOC_NEVER : n->event;

	/* The leaves that alloc_next() checked are at the end now. */
	for (int k = 0; k < ALLOC_KINDS; k++) {
		int tries = ROOM_TRIES;

		TAILQ_FOREACH_REVERSE(n, &a->rooms[k], alloc_nodes, list_entry)
			if (tries-- > 0)
				at = min64(at, room_time(a, n));
			else
				break;
	}
	return at;
}
