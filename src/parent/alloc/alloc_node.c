/*
 * Keeps the nodes of the tree in order when tokens, demand and outstanding
 * bytes change; pure.  Used by alloc_grant.c and alloc_tree.c.
 */
#include <stddef.h>

#include "parent/alloc/alloc_node.h"

/* The clock of the turns of a rank. */
static enum alloc_clock
clock_of(uint8_t rank)
{
	return rank == 0 ? ALLOC_BY_RATE : ALLOC_BY_WEIGHT;
}

/*
 * The order of turns among the children of a node: first those with unused
 * guaranteed rate, then borrowers by priority; among equals, the one that has
 * received the least for its rate or weight.
 */
int
node_turn_cmp(const struct alloc_turn *a, const struct alloc_turn *b)
{
	enum alloc_clock clock = clock_of(a->rank);

	if (a->rank != b->rank)
		return a->rank < b->rank ? -1 : 1;
	if (a->served[clock] != b->served[clock])
		return a->served[clock] < b->served[clock] ? -1 : 1;
	return a == b ? 0 : (uintptr_t)a < (uintptr_t)b ? -1 : 1;
}

static struct alloc_node *
node_of(struct alloc_turn *t)
{
	if (t->other)
		return &((struct alloc_class *)(void *)((char *)t -
			     offsetof(struct alloc_class, other)))
			    ->node;
	return (struct alloc_node *)t; /* its first member */
}

int
node_event_cmp(const struct alloc_node *a, const struct alloc_node *b)
{
	if (a->event != b->event)
		return a->event < b->event ? -1 : 1;
	return a == b ? 0 : (uintptr_t)a < (uintptr_t)b ? -1 : 1;
}

SPLAY_GENERATE(alloc_ready, alloc_turn, entry, node_turn_cmp)
SPLAY_GENERATE(alloc_events, alloc_node, event_entry, node_event_cmp)

/* The first of a tree, which most often is at its root already. */
#define FIRST(type, tree, entry) \
	(!SPLAY_EMPTY(tree) && SPLAY_LEFT(SPLAY_ROOT(tree), entry) != NULL \
		? SPLAY_MIN(type, tree) \
		: SPLAY_ROOT(tree))

static struct alloc_turn *
first_turn(struct alloc_node *n, enum alloc_kind kind)
{
	struct alloc_ready *ready = &node_line(n, kind)->ready;

	return FIRST(alloc_ready, ready, entry);
}

/*
 * The earlier of the first turns of a node's two kinds: each kind has its own
 * clocks, so the distance from the current time of its clock counts.
 */
static struct alloc_turn *
lesser_turn(const struct alloc_node *n, struct alloc_turn *stocked,
    struct alloc_turn *generated)
{
	enum alloc_clock c = clock_of(stocked->rank);

	if (stocked->rank != generated->rank)
		return stocked->rank < generated->rank ? stocked : generated;
	return stocked->served[c] - node_line(n, ALLOC_STOCKED)->now[c] <=
		generated->served[c] - node_line(n, ALLOC_GENERATED)->now[c]
	    ? stocked
	    : generated;
}

struct alloc_node *
node_first_ready(struct alloc_node *n, unsigned int kinds)
{
	struct alloc_turn *stocked = NULL, *generated = NULL;

	if ((kinds & KIND_BIT(ALLOC_STOCKED)) != 0)
		stocked = first_turn(n, ALLOC_STOCKED);
	if ((kinds & KIND_BIT(ALLOC_GENERATED)) != 0)
		generated = first_turn(n, ALLOC_GENERATED);
	if (stocked == NULL)
		return generated == NULL ? NULL : node_of(generated);
	if (generated == NULL)
		return node_of(stocked);
	return node_of(lesser_turn(n, stocked, generated));
}

struct alloc_node *
node_first_event(struct alloc *a, bool generated)
{
	struct alloc_node *n, *other;

	n = FIRST(alloc_events, &a->events[ALLOC_GENERATED], event_entry);
	if (generated)
		return n;
	other = FIRST(alloc_events, &a->events[ALLOC_STOCKED], event_entry);
	return n == NULL || (other != NULL && other->event < n->event) ? other
								       : n;
}

/*
 * Adds tokens for the time since the last call, as far as the bucket holds
 * them.
 */
void
node_refill(struct alloc_node *n, uint64_t now)
{
	uint64_t elapsed;

	if (now <= n->refilled)
		return;
	elapsed = now - n->refilled;
	n->refilled = now;
	if (node_has_rate(n))
		bucket_refill(&n->own, elapsed, (int64_t)n->burst);
	if (node_has_ceil(n))
		bucket_refill(&n->cap, elapsed, (int64_t)node_space(n));
}

void
node_refill_path(struct alloc_node *n, uint64_t now)
{
	for (; n != NULL; n = n->parent)
		node_refill(n, now);
}

/* Whether outstanding bytes leave the bucket without room for a grant. */
static bool
is_starved(const struct alloc_node *n)
{
	return node_has_ceil(n) && n->waiting > 0 &&
	    node_space(n) < n->threshold;
}

/* The time of the next change of a node whose leaves wait. */
static uint64_t
next_event(const struct alloc_node *n)
{
	uint64_t wait = BUCKET_NEVER;

	if (n->waiting == 0)
		return ALLOC_NEVER;
	if (node_is_capped(n))
		wait = bucket_wait(&n->cap, (int64_t)n->threshold);
	if (node_has_rate(n) && !node_has_own(n))
		wait = min64(wait, bucket_wait(&n->own, (int64_t)n->threshold));
	return node_later(n, wait);
}

static void
leave_line(struct alloc_node *n, enum alloc_kind kind)
{
	struct alloc_turn *t = node_turn(n, kind);

	if (!t->ready)
		return;
	t->ready = false;
	(void)SPLAY_REMOVE(alloc_ready, &node_line(n->parent, kind)->ready, t);
}

static void
join_line(struct alloc_node *n, enum alloc_kind kind)
{
	struct alloc_turn *t = node_turn(n, kind);

	t->ready = true;
	(void)SPLAY_INSERT(alloc_ready, &node_line(n->parent, kind)->ready, t);
}

void
node_withdraw(struct alloc_node *n)
{
	leave_line(n, n->is_class ? ALLOC_STOCKED : node_kind(n));
	if (n->is_class)
		leave_line(n, ALLOC_GENERATED);
}

/* Sets the time and kind of the next change of a node. */
static void
set_event(struct alloc *a, struct alloc_node *n, uint64_t event, bool kind)
{
	if (event == n->event && kind == n->event_kind)
		return;
	if (n->event != ALLOC_NEVER)
		(void)SPLAY_REMOVE(alloc_events, &a->events[n->event_kind], n);
	n->event = event;
	n->event_kind = kind;
	if (n->event != ALLOC_NEVER)
		(void)SPLAY_INSERT(alloc_events, &a->events[kind], n);
}

/* Records the time of the next change of a node. */
static void
update_event(struct alloc *a, struct alloc_node *n)
{
	uint64_t event;

	if (!is_starved(n)) {
		n->starved = false;
		event = next_event(n);
	} else {
		event = n->starved ? n->event : n->refilled + ALLOC_HOARD_MAX;
		n->starved = true;
	}
	set_event(a, n, event, n->generating > 0);
}

/*
 * Inserts a node with waiting leaves of one kind into its parent's order for
 * this kind.
 */
static void
update_turn(struct alloc_node *n, enum alloc_kind kind)
{
	const struct alloc_line *line = node_line(n->parent, kind);
	struct alloc_turn *t = node_turn(n, kind);
	uint8_t rank = node_has_own(n) ? 0 : t->borrows;

	if (!node_is_leaf(n)) {
		const struct alloc_turn *first = first_turn(n, kind);

		if (first == NULL) {
			leave_line(n, kind);
			return;
		}
		rank = first->rank == 0 ? 0 : rank;
	}
	if (t->ready && t->rank == rank &&
	    t->served[ALLOC_BY_RATE] >= line->now[ALLOC_BY_RATE] &&
	    t->served[ALLOC_BY_WEIGHT] >= line->now[ALLOC_BY_WEIGHT])
		return;
	leave_line(n, kind);
	/* A node without demand for a time does not catch up. */
	for (int c = 0; c < ALLOC_CLOCKS; c++)
		if (t->served[c] < line->now[c])
			t->served[c] = line->now[c];
	t->rank = rank;
	join_line(n, kind);
}

/* Updates the places of a node after a change. */
static void
update(struct alloc *a, struct alloc_node *n)
{
	update_event(a, n);
	if (n->parent == NULL)
		return;
	if (n->waiting == 0 || node_is_capped(n)) {
		node_withdraw(n);
		return;
	}
	for (int k = 0; k < ALLOC_KINDS; k++)
		if (node_waiting(n, k) > 0)
			update_turn(n, k);
		else if (n->is_class)
			leave_line(n, k);
}

void
node_update_path(struct alloc *a, struct alloc_node *n)
{
	for (; n != NULL; n = n->parent)
		update(a, n);
}

void
node_update_below(struct alloc *a, struct alloc_node *n)
{
	struct alloc_node *child;

	if (n->is_class)
		LIST_FOREACH(child, &class_of(n)->children, siblings)
			node_update_below(a, child);
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
	uint32_t change = waiting ? 1U : -1U;

	if (waiting != (leaf->waiting != 0))
		node_add_waiting(leaf, change,
		    node_kind(leaf) == ALLOC_GENERATED ? change : 0);
}

/* A node is in one list or in the tree of events. */
static void
enlist(struct alloc *a, struct alloc_node *leaf, struct alloc_nodes *list,
    bool enters)
{
	set_event(a, leaf, ALLOC_NEVER, leaf->event_kind);
	if (enters)
		TAILQ_INSERT_TAIL(list, leaf, list_entry);
	else
		TAILQ_REMOVE(list, leaf, list_entry);
}

static void
set_room(struct alloc *a, struct alloc_node *leaf, bool has_room)
{
	if (has_room == leaf->has_room)
		return;
	enlist(a, leaf, &a->rooms[node_kind(leaf)], has_room);
	leaf->has_room = has_room;
}

void
node_set_hoarder(struct alloc *a, struct alloc_node *leaf, bool hoards)
{
	if (hoards == leaf->is_hoarder)
		return;
	enlist(a, leaf, &a->hoarders, hoards);
	leaf->is_hoarder = hoards;
}

void
node_count(struct alloc *a, struct alloc_node *leaf)
{
	bool waits = leaf->need > leaf->granted;
	bool has_room = !waits && leaf->room > leaf->granted;

	if (waits || has_room)
		node_set_hoarder(a, leaf, false);
	set_waiting(leaf, waits);
	set_room(a, leaf, has_room);
}

void
node_uncount(struct alloc *a, struct alloc_node *leaf)
{
	set_waiting(leaf, false);
	set_room(a, leaf, false);
}

void
node_demand(struct alloc *a, struct alloc_node *leaf)
{
	node_count(a, leaf);
	node_update_path(a, leaf);
}
