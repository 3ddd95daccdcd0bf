#include <stddef.h>

#include "alloc.h"

__extension__ typedef unsigned __int128 wide;

static uint64_t
min(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

void
alloc_init(struct alloc *a, uint64_t max_bytes, uint64_t period, uint64_t now)
{
	*a = (struct alloc){
		.limited = max_bytes != 0,
		.burst = max_bytes,
		.period = period,
		.tokens = max_bytes,
		.refilled = now,
	};
	TAILQ_INIT(&a->needs);
	TAILQ_INIT(&a->rooms);
}

uint32_t
alloc_window(const struct alloc *a)
{
	uint64_t window = ALLOC_WINDOW_MAX;

	if (a->limited)
		window = min(window, a->burst / 8);
	return window < ALLOC_WINDOW_MIN ? 0 : (uint32_t)window;
}

uint32_t
alloc_request_min(const struct alloc *a)
{
	if (!a->limited)
		return ALLOC_GRANT_MAX;
	return alloc_window(a) == 0 ? 1 : GRANT_MIN;
}

uint32_t
alloc_request_max(const struct alloc *a)
{
	if (!a->limited)
		return ALLOC_GRANT_MAX;
	return (uint32_t)min(a->burst, ALLOC_GRANT_MAX);
}

void
alloc_stock(struct alloc *a, uint64_t available, uint64_t capacity)
{
	a->stock = available;
	a->reserve = capacity / 2;
}

void
alloc_leaf_init(struct alloc_leaf *leaf)
{
	*leaf = (struct alloc_leaf){ .queue = ALLOC_IDLE };
}

static void
enqueue(struct alloc *a, struct alloc_leaf *leaf, enum alloc_queue queue)
{
	if (leaf->queue == queue)
		return;
	if (leaf->queue == ALLOC_NEEDS)
		TAILQ_REMOVE(&a->needs, leaf, entry);
	else if (leaf->queue == ALLOC_ROOM)
		TAILQ_REMOVE(&a->rooms, leaf, entry);
	if (queue == ALLOC_NEEDS)
		TAILQ_INSERT_TAIL(&a->needs, leaf, entry);
	else if (queue == ALLOC_ROOM)
		TAILQ_INSERT_TAIL(&a->rooms, leaf, entry);
	leaf->queue = queue;
}

/* Puts a leaf where its demand belongs; one already there keeps its turn. */
static void
requeue(struct alloc *a, struct alloc_leaf *leaf)
{
	if (leaf->need > leaf->granted)
		enqueue(a, leaf, ALLOC_NEEDS);
	else if (leaf->room > leaf->granted)
		enqueue(a, leaf, ALLOC_ROOM);
	else
		enqueue(a, leaf, ALLOC_IDLE);
}

/* Bytes outstanding from before the era are forgotten. */
static void
enter_era(const struct alloc *a, struct alloc_leaf *leaf)
{
	if (leaf->era == a->era)
		return;
	leaf->era = a->era;
	leaf->outstanding = 0;
}

/* Tokens for the time since the last call; none that the bucket cannot hold. */
static void
refill(struct alloc *a, uint64_t now)
{
	wide gained;
	uint64_t space, elapsed;

	if (!a->limited || now <= a->refilled)
		return;
	elapsed = now - a->refilled;
	a->refilled = now;
	space = a->burst - a->outstanding - a->tokens;
	gained = (wide)elapsed * a->burst + a->remainder;
	if (gained / a->period >= space) {
		a->tokens += space;
		a->remainder = 0;
	} else {
		a->tokens += (uint64_t)(gained / a->period);
		a->remainder = (uint64_t)(gained % a->period);
	}
}

/*
 * Bytes that have been handed on leave room in the bucket from now on: until
 * now it was as full as it was.
 */
static void
set_outstanding(struct alloc *a, struct alloc_leaf *leaf, uint64_t now,
    uint64_t outstanding)
{
	refill(a, now);
	enter_era(a, leaf);
	outstanding = min(outstanding, leaf->outstanding);
	a->outstanding -= leaf->outstanding - outstanding;
	leaf->outstanding = outstanding;
}

void
alloc_want(struct alloc *a, struct alloc_leaf *leaf, uint64_t now,
    uint64_t need, uint64_t room, uint64_t outstanding)
{
	leaf->need = need;
	leaf->room = room;
	set_outstanding(a, leaf, now, outstanding);
	requeue(a, leaf);
}

void
alloc_restart(struct alloc *a, struct alloc_leaf *leaf, uint64_t now,
    uint64_t outstanding)
{
	leaf->granted = leaf->need = leaf->room = 0;
	set_outstanding(a, leaf, now, outstanding);
	requeue(a, leaf);
}

/* The smallest useful grant to a leaf that misses `missing` bytes. */
static uint64_t
least(const struct alloc *a, uint64_t missing)
{
	uint64_t n = min(missing, GRANT_MIN);

	return a->limited ? min(n, a->burst) : n;
}

/* How much of `missing` bytes may be granted now to a waiting request. */
static uint64_t
grant_for_need(const struct alloc *a, uint64_t missing)
{
	uint64_t bytes;

	bytes = min(min(missing, ALLOC_GRANT_MAX), a->stock);
	if (a->limited)
		bytes = min(bytes, a->tokens);
	return bytes < least(a, missing) ? 0 : bytes;
}

/*
 * The same to fill a window: out of plenty only, so that no request of another
 * guest will find the stock or the bucket emptied for it.
 */
static uint64_t
grant_for_room(const struct alloc *a, uint64_t missing)
{
	uint64_t bytes;

	if (a->stock <= a->reserve)
		return 0;
	bytes = min(min(missing, ALLOC_GRANT_MAX), a->stock - a->reserve);
	if (a->limited) {
		if (a->outstanding >= a->burst / 2)
			return 0;
		bytes = min(bytes, a->burst / 2 - a->outstanding);
		bytes = min(bytes, a->tokens);
	}
	return bytes < least(a, missing) ? 0 : bytes;
}

static struct alloc_leaf *
charge(struct alloc *a, struct alloc_leaf *leaf, uint64_t bytes)
{
	if (a->limited)
		a->tokens -= bytes;
	a->stock -= bytes;
	enter_era(a, leaf);
	a->outstanding += bytes;
	leaf->outstanding += bytes;
	leaf->granted += bytes;
	enqueue(a, leaf, ALLOC_IDLE);
	requeue(a, leaf);
	return leaf;
}

/* Whether outstanding bytes leave the bucket no room for the next grant. */
static bool
starved(const struct alloc *a)
{
	const struct alloc_leaf *leaf = TAILQ_FIRST(&a->needs);

	return a->limited && leaf != NULL &&
	    a->burst - a->outstanding < least(a, leaf->need - leaf->granted);
}

/*
 * Keeps a worker that never hands on what it was granted from starving the
 * others: after ALLOC_HOARD_MAX such bytes count as handed on.
 */
static void
forget_hoards(struct alloc *a, uint64_t now)
{
	if (!starved(a))
		a->hoarded = 0;
	else if (a->hoarded == 0)
		a->hoarded = now;
	else if (now >= a->hoarded && now - a->hoarded >= ALLOC_HOARD_MAX) {
		a->era++;
		a->outstanding = 0;
		a->hoarded = 0;
	}
}

struct alloc_leaf *
alloc_next(struct alloc *a, uint64_t now, uint64_t *bytes)
{
	struct alloc_leaf *leaf;

	refill(a, now);
	forget_hoards(a, now);
	leaf = TAILQ_FIRST(&a->needs);
	if (leaf != NULL)
		*bytes = grant_for_need(a, leaf->need - leaf->granted);
	else if ((leaf = TAILQ_FIRST(&a->rooms)) != NULL)
		*bytes = grant_for_room(a, leaf->room - leaf->granted);
	if (leaf == NULL || *bytes == 0)
		return NULL;
	return charge(a, leaf, *bytes);
}

/*
 * How many tokens would make alloc_next() grant something: 0 if tokens are not
 * what it lacks.
 */
static uint64_t
tokens_wanted(const struct alloc *a)
{
	const struct alloc_leaf *leaf;
	uint64_t wanted = 0;

	if ((leaf = TAILQ_FIRST(&a->needs)) != NULL) {
		wanted = least(a, leaf->need - leaf->granted);
		if (a->stock < wanted)
			return 0;
	} else if ((leaf = TAILQ_FIRST(&a->rooms)) != NULL) {
		wanted = least(a, leaf->room - leaf->granted);
		if (a->stock < a->reserve + wanted ||
		    a->outstanding + wanted > a->burst / 2)
			return 0;
	}
	return a->tokens < wanted ? wanted : 0;
}

uint64_t
alloc_deadline(const struct alloc *a, uint64_t now)
{
	wide wait;
	uint64_t wanted;

	if (starved(a))
		return a->hoarded + ALLOC_HOARD_MAX;
	if (!a->limited || (wanted = tokens_wanted(a)) == 0)
		return ALLOC_NEVER;
	/* After the clock went back nothing comes until it is there again. */
	if (now < a->refilled)
		now = a->refilled;
	wait = (wide)(wanted - a->tokens) * a->period - a->remainder;
	wait = (wait + a->burst - 1) / a->burst;
	return wait > ALLOC_NEVER - 1 - now ? ALLOC_NEVER - 1
					    : now + (uint64_t)wait;
}
