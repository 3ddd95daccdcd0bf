/*
 * A pool with guests for the tests of the allocator, and the bound on what they
 * are handed, kept by other means than the allocator's.
 */
#ifndef ALLOC_MODEL_H
#define ALLOC_MODEL_H

#include <stdbool.h>
#include <string.h>

#include "alloc.h"
#include "clock.h"
#include "unit.h"

#define LEAVES 8
#define START  (1000 * NS_PER_SEC)
#define PLENTY (UINT64_C(1) << 50)

__extension__ typedef unsigned __int128 wide;

/*
 * The bound on what guests are handed, as a bucket of its own: it starts full,
 * and handing on what is not in it breaks burst + rate * t in some window.
 */
struct bound {
	uint64_t burst;
	uint64_t period;
	uint64_t at;
	wide level; /* bytes * period */
};

static inline void
bound_init(struct bound *b, uint64_t burst, uint64_t period, uint64_t now)
{
	*b = (struct bound){ burst, period, now, (wide)burst * period };
}

static inline bool
bound_take(struct bound *b, uint64_t now, uint64_t bytes)
{
	wide full = (wide)b->burst * b->period;

	if (now > b->at) {
		b->level += (wide)(now - b->at) * b->burst;
		if (b->level > full)
			b->level = full;
		b->at = now;
	}
	if (b->level < (wide)bytes * b->period)
		return false;
	b->level -= (wide)bytes * b->period;
	return true;
}

struct guest {
	struct alloc_leaf leaf;
	uint64_t granted; /* total of this life */
	uint64_t need;
	uint64_t room;
	uint64_t held;	  /* granted and not handed on */
	uint64_t written; /* of these, counted as handed on */
	uint64_t total;	  /* of all lives */
};

struct model {
	uint64_t seed;
	uint64_t now;
	struct alloc a;
	struct bound bound;
	struct guest guests[LEAVES];
	size_t n;
	uint32_t era;
	uint64_t stock;
	uint64_t game; /* its seed, to be told */
	unsigned int step;
};

#define HOLDS(m, expr) \
	do { \
		if (!(expr)) \
			fail_msg("seed %ju, step %u: %s", (uintmax_t)(m)->game, \
			    (m)->step, #expr); \
	} while (0)

static inline void
model_init(struct model *m, size_t n, uint64_t burst, uint64_t period)
{
	memset(m, 0, sizeof(*m));
	m->now = START;
	m->n = n;
	m->stock = PLENTY;
	alloc_init(&m->a, burst, period, m->now);
	alloc_stock(&m->a, m->stock, 0);
	bound_init(&m->bound, burst, period, m->now);
	for (size_t i = 0; i < n; i++)
		alloc_leaf_init(&m->guests[i].leaf);
}

static inline void
report(struct model *m, struct guest *g, uint64_t held)
{
	alloc_want(&m->a, &g->leaf, g->need, g->room, held);
}

/* A guest that wants `need` bytes, and to hold `room` more. */
static inline void
ask(struct model *m, struct guest *g, uint64_t need, uint64_t room)
{
	g->need = g->granted + need;
	g->room = g->need + room;
	report(m, g, g->held);
}

static inline void
hand_on(struct model *m, struct guest *g, uint64_t bytes)
{
	uint64_t written = bytes < g->written ? bytes : g->written;

	g->held -= bytes;
	g->written -= written;
	if (m->a.limited)
		HOLDS(m, bound_take(&m->bound, m->now, bytes - written));
}

/* What hoarders hold counts as handed on when it is forgotten. */
static inline void
note_era(struct model *m)
{
	if (m->era == m->a.era)
		return;
	m->era = m->a.era;
	for (size_t i = 0; i < m->n; i++) {
		struct guest *g = &m->guests[i];

		HOLDS(m, bound_take(&m->bound, m->now, g->held - g->written));
		g->written = g->held;
	}
}

/* One grant, checked.  Returns who got it, or NULL. */
static inline struct guest *
grant(struct model *m, uint64_t *bytes)
{
	struct alloc_leaf *leaf;
	struct guest *g;
	uint64_t missing, least = GRANT_MIN;

	bound_take(&m->bound, m->now, 0);
	leaf = alloc_next(&m->a, m->now, bytes);
	note_era(m);
	if (leaf == NULL)
		return NULL;
	g = (struct guest *)(void *)leaf;
	missing = (g->need > g->granted ? g->need : g->room) - g->granted;
	least = missing < least ? missing : least;
	if (m->a.limited && m->a.burst < least)
		least = m->a.burst;
	HOLDS(m, g->granted < g->room);
	HOLDS(m, *bytes >= least && *bytes <= missing);
	HOLDS(m, *bytes <= ALLOC_GRANT_MAX && *bytes <= m->stock);
	g->granted += *bytes;
	g->held += *bytes;
	g->total += *bytes;
	m->stock -= *bytes;
	HOLDS(m, leaf->granted == g->granted);
	return g;
}

/* All grants of now, handed on as they come. */
static inline uint64_t
grant_all(struct model *m)
{
	struct guest *g;
	uint64_t bytes, sum = 0;

	while ((g = grant(m, &bytes)) != NULL) {
		hand_on(m, g, bytes);
		ask(m, g, PLENTY, 0);
		sum += bytes;
	}
	return sum;
}

#endif
