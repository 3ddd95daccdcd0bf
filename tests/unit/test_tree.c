/*
 * The allocator on random trees, demands, supplies and clocks, against a model
 * that knows only what must hold.  VRNGD_TEST_STEPS sets how many steps, and
 * VRNGD_TEST_SEED the first seed.
 */
#include "unit.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "clock.h"

#define NODES	   24
#define GAME_STEPS 2000
#define STEPS	   1000000
#define START	   (1000 * NS_PER_SEC)

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
	struct alloc_node node;
	struct member *parent;
	struct alloc_share share;
	struct bound bound;
	bool used;
	bool leaf;
	uint64_t held;	/* of a leaf: granted and not handed on */
	uint64_t since; /* ns, of the oldest of these */
	uint64_t total; /* granted, in all lives */
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
	uint64_t granted;
};

static void
show(const struct game *g)
{
	print_error("# root: ceil %ju/%ju burst %ju; stock %ju\n",
	    (uintmax_t)g->share.ceil.bytes, (uintmax_t)g->share.ceil.period,
	    (uintmax_t)g->share.burst, (uintmax_t)g->stock);
	for (int i = 0; i < NODES; i++) {
		const struct member *m = &g->members[i];

		if (m->used)
			print_error("# %d below %d: rate %ju/%ju ceil %ju/%ju "
				    "burst %ju weight %u priority %u, needs "
				    "%ju, holds %ju\n",
			    i,
			    m->parent == NULL ? -1
					      : (int)(m->parent - g->members),
			    (uintmax_t)m->share.rate.bytes,
			    (uintmax_t)m->share.rate.period,
			    (uintmax_t)m->share.ceil.bytes,
			    (uintmax_t)m->share.ceil.period,
			    (uintmax_t)m->share.burst, m->share.weight,
			    m->share.priority,
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

static bool
limited(const struct alloc_share *s)
{
	return s->ceil.bytes != 0;
}

static void
bound_init(struct bound *b, const struct alloc_share *s, uint64_t now)
{
	b->level = (wide)s->burst * s->ceil.period;
	b->at = now;
}

/* Whether so many bytes may be handed on now. */
static bool
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

static struct member *
member_of(struct alloc_node *n)
{
	return (struct member *)(void *)n;
}

static struct alloc_share
random_share(struct game *g, const struct alloc_share *above)
{
	struct alloc_share s = {
		.rate.period = NS_PER_SEC,
		.ceil.period = NS_PER_SEC,
		.weight = 1 + (uint32_t)unit_below(&g->rnd, 10),
		.priority = (uint32_t)unit_below(&g->rnd, 3),
	};

	if (unit_below(&g->rnd, 3) != 0)
		s.rate.bytes = 1 + unit_below(&g->rnd, 100000);
	s.ceil.bytes = s.rate.bytes + unit_below(&g->rnd, 200000);
	if (unit_below(&g->rnd, 4) == 0)
		s.ceil.bytes = 0;
	s.burst = 1 + unit_below(&g->rnd, 1U << unit_below(&g->rnd, 20));
	if (unit_below(&g->rnd, 8) == 0)
		s.ceil.period = 1 + unit_below(&g->rnd, 5 * NS_PER_SEC);
	(void)above;
	return s;
}

static void
game_init(struct game *g, uint64_t seed, size_t nodes)
{
	size_t n;

	memset(g, 0, sizeof(*g));
	g->rnd = seed;
	g->now = START;
	g->share = random_share(g, NULL);
	g->share.rate.bytes = 0;
	alloc_init(&g->a, &g->share, g->now);
	bound_init(&g->bound, &g->share, g->now);
	n = 1 + (size_t)unit_below(&g->rnd, NODES);
	n = n < nodes ? n : nodes;
	for (size_t i = 0; i < n; i++) {
		struct member *m = &g->members[i];
		size_t k = (size_t)unit_below(&g->rnd, i + 1);

		/* Not deeper than a class in a class in a class. */
		m->used = m->leaf = true;
		m->parent = k == i || i == 0 ? NULL : &g->members[k];
		m->share = random_share(g, NULL);
		if (m->parent != NULL)
			m->parent->leaf = false;
		alloc_add(&g->a, &m->node,
		    m->parent == NULL ? &g->a.root : &m->parent->node,
		    &m->share, g->now);
		bound_init(&m->bound, &m->share, g->now);
	}
}

static void
report(struct game *g, struct member *m)
{
	alloc_want(&g->a, &m->node, g->now, m->node.need, m->node.room,
	    m->held);
}

/* A leaf hands bytes on to its guest: that is what the bounds are about. */
static void
hand_on(struct game *g, struct member *leaf, uint64_t bytes)
{
	leaf->held -= bytes;
	for (struct member *m = leaf; m != NULL; m = m->parent)
		if (limited(&m->share))
			HOLDS(g,
			    bound_take(&m->bound, &m->share, g->now, bytes));
	if (limited(&g->share))
		HOLDS(g, bound_take(&g->bound, &g->share, g->now, bytes));
	report(g, leaf);
}

/* Nothing is left in stock that somebody may have, but for one small grant. */
static void
check_all_given(struct game *g)
{
	if (g->stock < GRANT_MIN)
		return;
	for (int i = 0; i < NODES; i++) {
		struct member *leaf = &g->members[i];
		bool may = leaf->used && leaf->leaf &&
		    leaf->node.need > leaf->node.granted;

		for (struct alloc_node *n = &leaf->node; may && n != NULL;
		     n = n->parent)
			if (n->share.ceil.bytes != 0 &&
			    n->cap.tokens < (int64_t)n->threshold)
				may = false;
		HOLDS(g, !may);
	}
}

static void
run(struct game *g)
{
	struct alloc_node *n;
	struct member *m;
	uint64_t bytes, deadline;
	int grants = 0;

	while ((n = alloc_next(&g->a, g->now, &bytes)) != NULL) {
		m = member_of(n);
		HOLDS(g, m->leaf && bytes > 0 && bytes <= g->stock);
		HOLDS(g, n->granted <= n->room || n->granted <= n->need);
		m->since = m->held == 0 ? g->now : m->since;
		m->held += bytes;
		m->total += bytes;
		g->stock -= bytes;
		g->granted += bytes;
		HOLDS(g, ++grants < 100000);
		if (unit_below(&g->rnd, 2) == 0)
			hand_on(g, m, m->held);
	}
	HOLDS(g, g->a.stock == g->stock);
	check_all_given(g);
	deadline = alloc_deadline(&g->a);
	HOLDS(g, deadline > g->now);
}

static uint64_t
random_time(struct game *g)
{
	switch (unit_below(&g->rnd, 6)) {
	case 0:
		return 0;
	case 1:
		return unit_below(&g->rnd, 1000);
	case 2:
		return unit_below(&g->rnd, 900 * NS_PER_MS);
	default:
		return unit_below(&g->rnd, 20 * NS_PER_MS);
	}
}

static void
step(struct game *g)
{
	struct member *m = &g->members[unit_below(&g->rnd, NODES)];
	uint64_t deadline, later;

	if (unit_below(&g->rnd, 3) == 0) {
		g->stock += unit_below(&g->rnd, 1U << unit_below(&g->rnd, 18));
		alloc_stock(&g->a, g->stock, unit_below(&g->rnd, 1000));
	}
	for (int i = 0; i < NODES; i++)
		if (g->members[i].held > 0 && unit_below(&g->rnd, 3) == 0)
			hand_on(g, &g->members[i],
			    1 + unit_below(&g->rnd, g->members[i].held));
	if (m->used && m->leaf) {
		m->node.need = m->node.granted;
		if (unit_below(&g->rnd, 2) == 0)
			m->node.need += unit_below(&g->rnd, 70000);
		m->node.room = m->node.need +
		    unit_below(&g->rnd, alloc_window(&m->node) + 1);
		report(g, m);
	}
	deadline = alloc_deadline(&g->a);
	later = g->now + random_time(g);
	if (unit_below(&g->rnd, 4) == 0 && deadline != ALLOC_NEVER &&
	    deadline > g->now)
		later = deadline;
	/* Nobody hoards for so long that it would be forgotten. */
	for (int i = 0; i < NODES; i++)
		if (g->members[i].held > 0 &&
		    later - g->members[i].since >= ALLOC_HOARD_MAX)
			hand_on(g, &g->members[i], g->members[i].held);
	g->now = later;
	run(g);
}

/* What is granted is what goes out of stock, at every node. */
static void
check_sums(struct game *g)
{
	uint64_t sums[NODES] = { 0 }, sum = 0;

	for (int i = 0; i < NODES; i++) {
		sum += g->members[i].total;
		for (struct member *m = &g->members[i]; m != NULL;
		     m = m->parent)
			sums[m - g->members] += g->members[i].total;
	}
	HOLDS(g, sum == g->granted && sum == g->a.root.meter.total);
	for (int i = 0; i < NODES; i++)
		HOLDS(g, sums[i] == g->members[i].node.meter.total);
}

/* Plays with at most `nodes` nodes.  Returns what did not hold, or NULL. */
static const char *
play(struct game *g, uint64_t seed, size_t nodes, unsigned int steps)
{
	game_init(g, seed, nodes);
	if (setjmp(g->over) != 0)
		return g->why;
	for (g->step = 0; g->step < steps; g->step++)
		step(g);
	check_sums(g);
	return NULL;
}

/* Tells the smallest tree, cut from the one that failed, that fails too. */
static void
tell_failure(struct game *g, uint64_t seed)
{
	const char *why = NULL;
	size_t nodes = 0;

	while (why == NULL && nodes++ < NODES)
		why = play(g, seed, nodes, GAME_STEPS);
	show(g);
	fail_msg("seed %ju with %zu nodes at most, step %u: %s",
	    (uintmax_t)seed, nodes, g->step, why == NULL ? "?" : why);
}

static void
test_random(void **state)
{
	const char *steps = getenv("VRNGD_TEST_STEPS"),
		   *seed = getenv("VRNGD_TEST_SEED");
	uint64_t left = steps == NULL ? STEPS : strtoull(steps, NULL, 10);
	uint64_t next = seed == NULL ? clock_now() : strtoull(seed, NULL, 10);
	struct game *g = calloc(1, sizeof(*g));

	(void)state;
	assert_non_null(g);
	for (; left >= GAME_STEPS; left -= GAME_STEPS, next++)
		if (play(g, next, NODES, GAME_STEPS) != NULL)
			tell_failure(g, next);
	free(g);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random),
	};

	return UNIT_MAIN("tree", tests);
}
