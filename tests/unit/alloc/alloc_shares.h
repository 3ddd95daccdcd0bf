/*
 * A tree of the allocator with backlogged guests, over simulated time, and who
 * got how much.
 */
#ifndef ALLOC_SHARES_H
#define ALLOC_SHARES_H

#include "unit/unit.h"

#include <stdbool.h>
#include <string.h>

#include "parent/alloc/alloc.h"
#include "common/clock.h"

#define NODES  8
#define START  (1000 * NS_PER_SEC)
#define PLENTY (UINT64_C(1) << 50)
#define K      UINT64_C(1024)

/* A tree under test; nodes are identified by their number, -1 is the root. */
struct tree {
	struct alloc a;
	uint64_t now;
	uint64_t seed; /* for what is random */
	uint64_t stock;
	uint64_t supply; /* bytes per second into stock */
	struct alloc_class nodes[NODES];
	uint64_t got[NODES];   /* bytes */
	uint64_t wants[NODES]; /* bytes of a request; 0: none waits */
	uint64_t seen[NODES];  /* ns, of the last grant */
};

static inline struct alloc_share
share(uint64_t rate, uint64_t ceil, uint64_t burst)
{
	return (struct alloc_share){
		.rate = { rate, NS_PER_SEC },
		.ceil = { ceil, NS_PER_SEC },
		.burst = burst,
		.weight = 1,
	};
}

/* That of a leaf which does without stock. */
static inline struct alloc_share
generated(struct alloc_share s)
{
	s.generated = true;
	return s;
}

static inline void
tree_init(struct tree *t, uint64_t ceil, uint64_t supply)
{
	struct alloc_share s = share(0, ceil, ceil / 10);

	memset(t, 0, sizeof(*t));
	t->now = START;
	t->supply = supply;
	t->stock = supply == 0 ? PLENTY : 0;
	alloc_init(&t->a, &s, t->now);
	alloc_stock(&t->a, t->stock, 0);
}

/* From now on there is so much stock, and so much more each second. */
static inline void
supply(struct tree *t, uint64_t stock, uint64_t more)
{
	t->stock = stock;
	t->supply = more;
	alloc_stock(&t->a, t->stock, 0);
}

static inline struct alloc_node *
node(struct tree *t, int i)
{
	return i == -1 ? &t->a.root.node : &t->nodes[i].node;
}

static inline int
number(const struct tree *t, const struct alloc_node *n)
{
	return (int)((const struct alloc_class *)(const void *)n - t->nodes);
}

/* A leaf becomes a class. */
static inline void
make_class(struct tree *t, int i)
{
	const struct alloc_share s = alloc_share_of(node(t, i));
	struct alloc_node *above = node(t, i)->parent;

	alloc_remove(&t->a, node(t, i), t->now);
	alloc_add_class(&t->a, &t->nodes[i], above, &s, t->now);
}

static inline void
add(struct tree *t, int i, int parent, struct alloc_share s)
{
	if (parent >= 0 && !t->nodes[parent].node.is_class)
		make_class(t, parent);
	alloc_add(&t->a, node(t, i), node(t, parent), &s, t->now);
}

/* Keeps a leaf waiting for as much as it wants. */
static inline void
ask(struct tree *t, int i)
{
	struct alloc_node *n = &t->nodes[i].node;

	alloc_want(&t->a, n, t->now, n->granted + t->wants[i],
	    n->granted + t->wants[i], 0);
}

static inline void
want(struct tree *t, int i, uint64_t bytes)
{
	t->wants[i] = bytes;
	ask(t, i);
}

/* All that can be granted now is, and handed on at once. */
static inline void
grant_all(struct tree *t)
{
	struct alloc_node *n;
	uint64_t bytes;
	int i;

	while ((n = alloc_next(&t->a, t->now, &bytes)) != NULL) {
		i = number(t, n);
		t->got[i] += bytes;
		t->seen[i] = t->now;
		if (!n->generated)
			t->stock -= bytes;
		assert_int_equal(t->a.stock, t->stock);
		ask(t, i);
	}
}

/* Lets time pass, in steps of `tick`. */
static inline void
run(struct tree *t, uint64_t ns, uint64_t tick)
{
	uint64_t end = t->now + ns, fed = t->now;

	memset(t->got, 0, sizeof(t->got));
	while (t->now < end) {
		t->now += tick;
		if (t->supply != 0) {
			t->stock += (t->now - fed) / 1000 * t->supply / 1000000;
			/* It is read ahead as far as 16 KiB. */
			t->stock = t->stock > 16 * K ? 16 * K : t->stock;
			fed += (t->now - fed) / 1000 * 1000;
			alloc_stock(&t->a, t->stock, 0);
		}
		grant_all(t);
	}
}

/* Empties the buckets that have filled up. */
static inline void
drain(struct tree *t)
{
	run(t, NS_PER_SEC, NS_PER_MS);
}

/* Within 1 % and a grant or two. */
static inline void
expect(const struct tree *t, int i, uint64_t wanted)
{
	uint64_t slack = wanted / 100 + 8 * K;

	if (t->got[i] + slack < wanted || t->got[i] > wanted + slack)
		fail_msg("node %d got %ju bytes instead of %ju", i,
		    (uintmax_t)t->got[i], (uintmax_t)wanted);
}

#endif
