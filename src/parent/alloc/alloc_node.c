/*
 * Keeps the nodes of the tree in order when tokens, demand and outstanding
 * bytes change; pure.  Used by alloc_grant.c and alloc_tree.c.
 */
#include <stddef.h>

#include "parent/alloc/alloc_node.h"

/* The clock of the turns of a rank. */
static enum alloc_clock
clock_of(uint64_t rank)
{
	return rank == 0 ? ALLOC_BY_RATE : ALLOC_BY_WEIGHT;
}

/*
 * The order of turns among the children of a node: first those with unused
 * guaranteed rate, then borrowers by priority; among equals, the one that has
 * received the least for its rate or weight.
 */
static int
turn_cmp(const struct alloc_turn *a, const struct alloc_turn *b)
{
	enum alloc_clock clock = clock_of(a->rank);

	if (a->rank != b->rank)
		return a->rank < b->rank ? -1 : 1;
	if (a->served[clock] != b->served[clock])
		return a->served[clock] < b->served[clock] ? -1 : 1;
	return a == b ? 0 : (uintptr_t)a < (uintptr_t)b ? -1 : 1;
}

static int
event_cmp(const struct alloc_node *a, const struct alloc_node *b)
{
	if (a->event != b->event)
		return a->event < b->event ? -1 : 1;
	return a == b ? 0 : (uintptr_t)a < (uintptr_t)b ? -1 : 1;
}

RB_PROTOTYPE(alloc_ready, alloc_turn, entry, turn_cmp)
RB_GENERATE(alloc_ready, alloc_turn, entry, turn_cmp)
RB_PROTOTYPE(alloc_events, alloc_node, event_entry, event_cmp)
RB_GENERATE(alloc_events, alloc_node, event_entry, event_cmp)

static struct alloc_turn *
first_turn(struct alloc_node *n, enum alloc_kind kind)
{
	return RB_MIN(alloc_ready, &n->lines[kind].ready);
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
	return stocked->served[c] - n->lines[ALLOC_STOCKED].now[c] <=
		generated->served[c] - n->lines[ALLOC_GENERATED].now[c]
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
		return generated == NULL ? NULL : generated->node;
	if (generated == NULL)
		return stocked->node;
	return lesser_turn(n, stocked, generated)->node;
}

struct alloc_node *
node_first_event(const struct alloc *a, bool generated)
{
	struct alloc_node *n, *other;

	/* RB_MIN() does not change the tree, but lacks const. */
	n = RB_MIN(alloc_events,
	    (struct alloc_events *)(uintptr_t)&a->events[ALLOC_GENERATED]);
	if (generated)
		return n;
	other = RB_MIN(alloc_events,
	    (struct alloc_events *)(uintptr_t)&a->events[ALLOC_STOCKED]);
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
	if (n->hoarded != 0)
		return n->hoarded + ALLOC_HOARD_MAX;
	if (node_is_capped(n))
		wait = bucket_wait(&n->cap, (int64_t)n->threshold);
	if (node_has_rate(n) && !node_has_own(n))
		wait = min64(wait, bucket_wait(&n->own, (int64_t)n->threshold));
	return node_later(n, wait);
}

static void
leave_line(struct alloc_node *n, enum alloc_kind kind)
{
	if ((n->ready & KIND_BIT(kind)) == 0)
		return;
	n->ready &= ~KIND_BIT(kind);
	RB_REMOVE(alloc_ready, &n->parent->lines[kind].ready, &n->turns[kind]);
}

static void
join_line(struct alloc_node *n, enum alloc_kind kind)
{
	n->ready |= KIND_BIT(kind);
	RB_INSERT(alloc_ready, &n->parent->lines[kind].ready, &n->turns[kind]);
}

void
node_withdraw(struct alloc_node *n)
{
	if (n->ready == 0)
		return;
	for (int k = 0; k < ALLOC_KINDS; k++)
		leave_line(n, k);
}

/* Records the time of the next change of a node. */
static void
update_event(struct alloc *a, struct alloc_node *n)
{
	uint64_t event;
	enum alloc_kind kind;

	if (!is_starved(n))
		n->hoarded = 0;
	else if (n->hoarded == 0)
		n->hoarded = n->refilled;
	event = next_event(n);
	kind = n->generating > 0 ? ALLOC_GENERATED : ALLOC_STOCKED;
	if (event == n->event && kind == n->event_kind)
		return;
	if (n->event != ALLOC_NEVER)
		RB_REMOVE(alloc_events, &a->events[n->event_kind], n);
	n->event = event;
	n->event_kind = kind;
	if (n->event != ALLOC_NEVER)
		RB_INSERT(alloc_events, &a->events[kind], n);
}

/*
 * Inserts a node with waiting leaves of one kind into its parent's order for
 * this kind.
 */
static void
update_turn(struct alloc_node *n, enum alloc_kind kind)
{
	const struct alloc_line *line = &n->parent->lines[kind];
	struct alloc_turn *t = &n->turns[kind];
	uint64_t rank = node_has_own(n) ? 0 : 1 + (uint64_t)n->share.priority;

	if (!node_is_leaf(n)) {
		const struct alloc_turn *first = first_turn(n, kind);

		if (first == NULL) {
			leave_line(n, kind);
			return;
		}
		rank = first->rank == 0 ? 0 : rank;
	}
	if ((n->ready & KIND_BIT(kind)) != 0 && t->rank == rank &&
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
		else
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

	TAILQ_FOREACH(child, &n->children, siblings)
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
	uint32_t generating = node_kind(leaf) == ALLOC_GENERATED ? change : 0;
	bool was = leaf->waiting != 0;

	if (waiting == was)
		return;
	for (; leaf != NULL; leaf = leaf->parent) {
		leaf->waiting += change;
		leaf->generating += generating;
	}
}

static void
set_room(struct alloc *a, struct alloc_node *leaf, bool has_room)
{
	struct alloc_nodes *rooms = &a->rooms[node_kind(leaf)];

	if (has_room == leaf->has_room)
		return;
	leaf->has_room = has_room;
	if (has_room)
		TAILQ_INSERT_TAIL(rooms, leaf, room_entry);
	else
		TAILQ_REMOVE(rooms, leaf, room_entry);
}

void
node_count(struct alloc *a, struct alloc_node *leaf)
{
	set_waiting(leaf, leaf->need > leaf->granted);
	set_room(a, leaf, leaf->waiting == 0 && leaf->room > leaf->granted);
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
