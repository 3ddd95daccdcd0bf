/*
 * A pool with guests for the tests of the allocator, and the bound on what they
 * are handed, kept by other means than the allocator's.
 */
#ifndef ALLOC_MODEL_H
#define ALLOC_MODEL_H

#include <stdbool.h>
#include <string.h>

#include "parent/alloc/alloc.h"
#include "common/clock.h"
#include "unit/unit.h"

#define LEAVES 8
#define START  (100000000 * NS_PER_SEC)
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
	struct alloc_node leaf;
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
	uint64_t behind; /* ns, by which its clock went back */
	struct alloc a;
	struct bound bound;
	struct guest guests[LEAVES];
	size_t n;
	uint64_t burst; /* 0: without limit */
	uint64_t period;
	uint64_t stock;
	uint64_t capacity; /* of the stock */
	bool dry;	   /* there will be none */
	uint64_t game;	   /* its seed, for messages */
	unsigned int step;
};

#define HOLDS(m, expr) \
	do { \
		if (!(expr)) \
			fail_msg("seed %ju, step %u: %s", \
			    (uintmax_t)(m)->game, (m)->step, #expr); \
	} while (0)

/* From now on a guest's bytes are generated, or not. */
static inline void
generate(struct model *m, struct guest *g, bool generated)
{
	struct alloc_share share = alloc_share_of(&g->leaf);

	share.generated = generated;
	alloc_change(&m->a, &g->leaf, &m->a.root.node, &share, m->now);
}

static inline void
set_stock(struct model *m, uint64_t stock, uint64_t capacity)
{
	m->stock = stock;
	m->capacity = capacity;
	alloc_stock(&m->a, stock, capacity);
}

static inline void
model_init(struct model *m, size_t n, uint64_t burst, uint64_t period)
{
	const struct alloc_share share = {
		.rate.period = 1,
		.ceil = { burst, period },
		.burst = burst,
		.weight = 1,
	};
	const struct alloc_share equal = {
		.rate.period = 1,
		.ceil.period = 1,
		.weight = 1,
	};

	memset(m, 0, sizeof(*m));
	m->now = START;
	m->n = n;
	m->burst = burst;
	m->period = period;
	alloc_init(&m->a, &share, m->now);
	set_stock(m, PLENTY, 0);
	bound_init(&m->bound, burst, period, m->now);
	for (size_t i = 0; i < n; i++)
		alloc_add(&m->a, &m->guests[i].leaf, &m->a.root.node, &equal,
		    m->now);
}

static inline void
report(struct model *m, struct guest *g, uint64_t held)
{
	alloc_want(&m->a, &g->leaf, m->now, g->need, g->room, held);
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
	if (m->burst != 0)
		HOLDS(m, bound_take(&m->bound, m->now, bytes - written));
}

/* What hoarders hold counts as handed on when it is forgotten. */
static inline void
note_forgotten(struct model *m)
{
	for (size_t i = 0; i < m->n; i++) {
		struct guest *g = &m->guests[i];
		uint64_t counted = g->held - g->written;

		if (counted <= g->leaf.outstanding)
			continue;
		counted -= g->leaf.outstanding;
		HOLDS(m, bound_take(&m->bound, m->now, counted));
		g->written += counted;
	}
}

/* Takes a grant out of stock, unless its bytes are generated. */
static inline void
draw(struct model *m, const struct guest *g, uint64_t bytes)
{
	if (!g->leaf.generated) {
		HOLDS(m, bytes <= m->stock);
		m->stock -= bytes;
	}
	HOLDS(m, m->a.stock == m->stock);
}

/* Whether the pool's bucket has so much beside what is outstanding. */
static inline bool
has_tokens(const struct model *m, uint64_t wanted)
{
	const struct alloc_node *root = &m->a.root.node;

	return m->burst == 0 ||
	    (wanted + root->outstanding <= m->burst &&
		m->now >= root->refilled &&
		bucket_wait(&root->cap, (int64_t)wanted) <=
		    m->now - root->refilled);
}

/*
 * Whether a guest could be granted something, if there were no others.  Windows
 * leave requests that wait alone; one of those that is to have more than is in
 * stock keeps its turn.
 */
static inline bool
may_have(const struct model *m, const struct guest *g)
{
	const struct alloc_node *leaf = &g->leaf;
	uint64_t most = m->burst == 0 ? PLENTY : m->burst;
	uint64_t least = most < GRANT_MIN ? most : GRANT_MIN, wanted;

	if (leaf->need > leaf->granted)
		return has_tokens(m, least) &&
		    (leaf->generated || m->stock >= GRANT_MIN);
	if (leaf->room <= leaf->granted)
		return false;
	wanted = leaf->room - leaf->granted;
	wanted = wanted < least ? wanted : least;
	return has_tokens(m, m->a.root.node.waiting > 0 ? least : wanted) &&
	    m->a.root.node.outstanding + wanted <= most / 2 &&
	    (leaf->generated || m->stock >= m->capacity / 2 + wanted);
}

/* No grantable bytes are left, and all waiting leaves are woken. */
static inline void
check_all_given(struct model *m)
{
	HOLDS(m, alloc_deadline(&m->a) > m->now - m->behind);
	for (size_t i = 0; i < m->n && m->behind == 0; i++)
		HOLDS(m, !may_have(m, &m->guests[i]));
}

/* One grant, checked.  Returns who got it, or NULL. */
static inline struct guest *
grant(struct model *m, uint64_t *bytes)
{
	struct alloc_node *leaf;
	struct guest *g;
	uint64_t missing, least;
	bool waits;

	bound_take(&m->bound, m->now, 0);
	leaf = alloc_next(&m->a, m->now - m->behind, bytes);
	if (leaf == NULL) {
		note_forgotten(m);
		check_all_given(m);
		return NULL;
	}
	g = (struct guest *)(void *)leaf;
	waits = g->need > g->granted;
	missing = (waits ? g->need : g->room) - g->granted;
	least = missing < GRANT_MIN ? missing : GRANT_MIN;
	HOLDS(m, g->granted < g->room && *bytes <= missing);
	HOLDS(m, *bytes >= least || (m->burst != 0 && *bytes == m->burst));
	HOLDS(m, *bytes <= ALLOC_GRANT_MAX);
	HOLDS(m,
	    waits || m->burst == 0 ||
		m->a.root.node.outstanding <= m->burst / 2);
	g->granted += *bytes;
	g->held += *bytes;
	g->total += *bytes;
	draw(m, g, *bytes);
	HOLDS(m, leaf->granted == g->granted);
	note_forgotten(m);
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

static inline uint64_t
below(struct model *m, uint64_t n)
{
	return unit_below(&m->seed, n);
}

static inline void
pass_time(struct model *m)
{
	const uint64_t most[] = { 1, 1000, 64 * m->period / m->burst + 2,
		m->period / 8, 4 * m->period, ALLOC_HOARD_MAX };

	m->now += below(m, most[below(m, 6)]);
}

/* A new worker, which has some of what the one before it had, or nothing. */
static inline void
restart(struct model *m, struct guest *g)
{
	uint64_t kept = below(m, 2) == 0 ? 0 : below(m, g->held + 1);

	hand_on(m, g, g->held - kept);
	alloc_restart(&m->a, &g->leaf, m->now, kept);
	g->granted = g->need = g->room = 0;
}

/* Anything that a guest, its worker or the pool may do. */
static inline void
step(struct model *m)
{
	struct guest *g = &m->guests[below(m, m->n)];
	uint64_t bytes;

	switch (below(m, 17)) {
	case 0:
		restart(m, g);
		break;
	case 1:
		set_stock(m,
		    m->dry		   ? 0
			: below(m, 2) == 0 ? PLENTY
					   : below(m, 1000),
		    below(m, 2000));
		break;
	case 2:
		grant(m, &bytes);
		m->behind = below(m, m->period / 4);
		grant(m, &bytes);
		m->behind = 0;
		break;
	case 3: /* a liar */
		report(m, g, PLENTY);
		break;
	case 4:
		hand_on(m, g, below(m, g->held + 1));
		break;
	case 5:
	case 6:
	case 7:
		hand_on(m, g, below(m, 2) == 0 ? g->held : g->held / 2);
		report(m, g, g->held);
		break;
	case 8:
	case 9:
		ask(m, g, below(m, 3000), below(m, 3000));
		break;
	case 10:
	case 11:
	case 12:
		grant(m, &bytes);
		break;
	case 13:
		generate(m, g, below(m, 2) == 0);
		break;
	default:
		pass_time(m);
	}
}

/* Never more in the bucket and outstanding than the burst. */
static inline void
invariants(struct model *m)
{
	uint64_t outstanding = 0;

	for (size_t i = 0; i < m->n; i++)
		outstanding += m->guests[i].leaf.outstanding;
	HOLDS(m, outstanding == m->a.root.node.outstanding);
	HOLDS(m,
	    m->a.root.node.cap.tokens + (int64_t)outstanding <=
		(int64_t)m->burst);
}

#endif
