/*
 * A random tree of the allocator, and a model of it that knows only what leaves
 * want and hold, and what may be handed out.
 */
#ifndef ALLOC_GAME_H
#define ALLOC_GAME_H

#include "unit/unit.h"

#include <stdbool.h>
#include <string.h>

#include "parent/alloc/alloc.h"
#include "common/clock.h"

#define NODES 24
#define START (1000 * NS_PER_SEC)

__extension__ typedef unsigned __int128 wide;

/*
 * The bound of a node, as a bucket of its own: it starts full, and handing on
 * what is not in it breaks burst + ceil * t in some window.
 */
struct bound {
	wide level; /* bytes * period */
	uint64_t at;
};

struct member {
	union {
		struct alloc_node node;
		struct alloc_class class;
	};
	struct member *parent;
	struct alloc_share share;
	struct bound bound;
	bool used;
	bool leaf;
	uint64_t held;	/* of a leaf: granted and not handed on */
	uint64_t since; /* ns, of the oldest of these */
	uint64_t total; /* granted, to all leaves below */
};

struct game {
	uint64_t rnd;
	jmp_buf over;
	const char *why; /* it is over */
	unsigned int step;
	uint64_t now;
	struct alloc a;
	struct bound bound; /* of the root */
	struct alloc_share share;
	struct member members[NODES];
	uint64_t stock;
	bool dry; /* for as long as the game lasts */
	uint64_t granted;
};

static inline void
show(const struct game *g)
{
	print_error("# root: ceil %ju/%ju burst %ju; stock %ju\n",
	    (uintmax_t)g->share.ceil.bytes, (uintmax_t)g->share.ceil.period,
	    (uintmax_t)g->share.burst, (uintmax_t)g->stock);
	for (int i = 0; i < NODES; i++) {
		const struct member *m = &g->members[i];

		if (m->used)
			print_error("# %d below %d: rate %ju/%ju ceil %ju/%ju "
				    "burst %ju weight %u priority %u%s, "
				    "needs %ju, holds %ju\n",
			    i,
			    m->parent == NULL ? -1
					      : (int)(m->parent - g->members),
			    (uintmax_t)m->share.rate.bytes,
			    (uintmax_t)m->share.rate.period,
			    (uintmax_t)m->share.ceil.bytes,
			    (uintmax_t)m->share.ceil.period,
			    (uintmax_t)m->share.burst, m->share.weight,
			    m->share.priority,
			    m->share.generated ? " generated" : "",
			    (uintmax_t)(m->node.need - m->node.granted),
			    (uintmax_t)m->held);
	}
}

/* Ends the game unless this holds. */
#define HOLDS(g, expr) \
	do { \
		if (!(expr)) { \
			(g)->why = #expr; \
			longjmp((g)->over, 1); \
		} \
	} while (0)

static inline bool
limited(const struct alloc_share *s)
{
	return s->ceil.bytes != 0;
}

static inline void
bound_init(struct bound *b, const struct alloc_share *s, uint64_t now)
{
	b->level = (wide)s->burst * s->ceil.period;
	b->at = now;
}

/* Whether so many bytes may be handed on now. */
static inline bool
bound_take(struct bound *b, const struct alloc_share *s, uint64_t now,
    uint64_t bytes)
{
	wide full = (wide)s->burst * s->ceil.period;

	if (now > b->at) {
		b->level += (wide)(now - b->at) * s->ceil.bytes;
		b->level = b->level > full ? full : b->level;
		b->at = now;
	}
	if (b->level < (wide)bytes * s->ceil.period)
		return false;
	b->level -= (wide)bytes * s->ceil.period;
	return true;
}

/* The bytes that leaves hold below a member, or all of them. */
static inline uint64_t
held_below(const struct game *g, const struct member *m)
{
	uint64_t held = 0;

	for (int i = 0; i < NODES; i++) {
		const struct member *n = &g->members[i];

		while (n != NULL && n != m)
			n = n->parent;
		held += n == m ? g->members[i].held : 0;
	}
	return held;
}

/*
 * Whether a bucket has `least` bytes for a grant: what may be handed on now is
 * what leaves hold and what they may still be granted.
 */
static inline bool
has_tokens(struct game *g, struct bound *b, const struct alloc_share *s,
    uint64_t held, uint64_t least)
{
	if (!limited(s))
		return true;
	bound_take(b, s, g->now, 0);
	return b->level / s->ceil.period >= held + least;
}

/* Whether a leaf's request could be served, if there were no others. */
static inline bool
may_have(struct game *g, struct member *leaf)
{
	uint64_t least = GRANT_MIN;

	if (!leaf->used || !leaf->leaf || leaf->node.need <= leaf->node.granted)
		return false;
	/* One who is to have more than is left keeps his turn. */
	if (!leaf->share.generated && g->stock < GRANT_MIN)
		return false;
	/* A bucket gives no less than it, or a smaller one above, can hold. */
	if (limited(&g->share) && g->share.burst < least)
		least = g->share.burst;
	if (!has_tokens(g, &g->bound, &g->share, held_below(g, NULL), least))
		return false;
	for (struct member *top = NULL, *m; top != leaf; top = m) {
		for (m = leaf; m->parent != top;)
			m = m->parent;
		if ((limited(&m->share) || m->share.rate.bytes != 0) &&
		    m->share.burst < least)
			least = m->share.burst;
		if (!has_tokens(g, &m->bound, &m->share, held_below(g, m),
			least))
			return false;
	}
	return true;
}

#endif
