/*
 * The allocator on random trees, demands, supplies and clocks, against a model
 * that knows only what must hold.  VRNGD_TEST_STEPS sets how many steps.
 */
#include <stdlib.h>

#include "unit/alloc/alloc_game.h"

#define GAME_STEPS 2000
#define RACE_STEPS 3000
#define RACES	   50
#define STEPS	   1000000

static struct member *
member_of(struct alloc_node *n)
{
	return (struct member *)(void *)n;
}

static struct alloc_share
random_share(struct game *g)
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
	s.generated = unit_below(&g->rnd, 2) == 0;
	return s;
}

/* Rates that can be kept, from the leaves to the root. */
static void
set_rates(struct game *g)
{
	struct alloc_share *s;

	for (int i = NODES - 1; i >= -1; i--) {
		s = i == -1 ? &g->share : &g->members[i].share;
		if (i != -1 && g->members[i].leaf)
			s->rate.bytes = unit_below(&g->rnd, 50000);
		else
			s->rate.bytes = 0;
		for (int k = i + 1; k < NODES; k++)
			if (g->members[k].parent ==
			    (i == -1 ? NULL : &g->members[i]))
				s->rate.bytes += g->members[k].share.rate.bytes;
		s->ceil.bytes = 1 + s->rate.bytes + unit_below(&g->rnd, 50000);
		s->ceil.period = NS_PER_SEC;
		s->burst = 4096 + s->ceil.bytes / 8;
	}
}

static void
game_init(struct game *g, uint64_t seed, size_t nodes, bool race)
{
	size_t n;

	memset(g, 0, sizeof(*g));
	g->rnd = seed;
	g->now = START;
	g->dry = unit_below(&g->rnd, 4) == 0;
	g->share = random_share(g);
	n = 1 + (size_t)unit_below(&g->rnd, NODES);
	n = n < nodes ? n : nodes;
	for (size_t i = 0; i < n; i++) {
		struct member *m = &g->members[i];
		size_t k = (size_t)unit_below(&g->rnd, i + 1);

		/* Not deeper than a class in a class in a class. */
		m->used = m->leaf = true;
		m->parent = k == i || i == 0 ? NULL : &g->members[k];
		m->share = random_share(g);
		if (m->parent != NULL)
			m->parent->leaf = false;
	}
	if (race)
		set_rates(g);
	g->share.rate.bytes = 0;
	alloc_init(&g->a, &g->share, g->now);
	bound_init(&g->bound, &g->share, g->now);
	for (size_t i = 0; i < n; i++) {
		struct member *m = &g->members[i];
		struct alloc_node *above = &g->a.root.node;

		if (m->parent != NULL)
			above = &m->parent->node;
		if (m->leaf)
			alloc_add(&g->a, &m->node, above, &m->share, g->now);
		else
			alloc_add_class(&g->a, &m->class, above, &m->share,
			    g->now);
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

/*
 * Whether a grant would be made at `later`: tried, and taken back
 * with all that it has changed, since all nodes are in the game.
 */
static bool
would_grant(struct game *g, uint64_t later)
{
	struct alloc a = g->a;
	struct member members[NODES];
	struct alloc_node *n;
	uint64_t bytes;

	memcpy(members, g->members, sizeof(members));
	n = alloc_next(&g->a, later, &bytes);
	/*
	 * Where leaves that wait for stock find bytes hoarded, there is no
	 * wake-up to forget these, though a window may have room for them.
	 */
	if (n != NULL && g->stock == 0 && n->need < n->granted)
		n = NULL;
	memcpy(g->members, members, sizeof(members));
	g->a = a;
	return n != NULL;
}

/* No grantable bytes are left, now and until the deadline. */
static void
check_all_given(struct game *g)
{
	uint64_t deadline = alloc_deadline(&g->a);
	int rooms[2] = { 0, 0 };
	bool may = g->stock > 0;

	for (int i = 0; i < NODES; i++) {
		struct member *m = &g->members[i];

		HOLDS(g, !may_have(g, m));
		rooms[m->share.generated] += m->node.has_room;
		may = may ||
		    (m->share.generated && m->leaf &&
			m->node.granted < m->node.room);
	}
	HOLDS(g, deadline > g->now);
	HOLDS(g, may || deadline == ALLOC_NEVER);
	/* Of many windows to be filled not all are looked at. */
	if (rooms[0] <= 8 && rooms[1] <= 8 && unit_below(&g->rnd, 4) == 0)
		HOLDS(g,
		    !would_grant(g,
			deadline == ALLOC_NEVER ? START * 1000000
						: deadline - 1));
}

/* What is not generated comes out of stock, and nothing else does. */
static void
take(struct game *g, struct member *m, uint64_t bytes)
{
	m->since = m->held == 0 ? g->now : m->since;
	m->held += bytes;
	g->granted += bytes;
	for (struct member *n = m; n != NULL; n = n->parent)
		n->total += bytes;
	if (!m->share.generated) {
		HOLDS(g, bytes <= g->stock);
		g->stock -= bytes;
	}
	HOLDS(g, g->a.stock == g->stock);
}

static void
run(struct game *g)
{
	struct alloc_node *n;
	struct member *m;
	uint64_t bytes;
	int grants = 0;

	while ((n = alloc_next(&g->a, g->now, &bytes)) != NULL) {
		m = member_of(n);
		HOLDS(g, m->leaf && bytes > 0);
		HOLDS(g, n->granted <= n->room || n->granted <= n->need);
		take(g, m, bytes);
		HOLDS(g, ++grants < 100000);
		if (unit_below(&g->rnd, 2) == 0)
			hand_on(g, m, m->held);
	}
	check_all_given(g);
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

/* A member changes its kind, or a leaf its place. */
static void
change(struct game *g, struct member *m)
{
	struct member *to = &g->members[unit_below(&g->rnd, NODES)];

	if (m->leaf && (!to->used || !to->leaf)) {
		hand_on(g, m, m->held);
		m->parent = to->used ? to : NULL;
	} else {
		m->share.generated = !m->share.generated;
	}
	alloc_change(&g->a, &m->node,
	    m->parent == NULL ? &g->a.root.node : &m->parent->node, &m->share,
	    g->now);
}

static void
step(struct game *g)
{
	struct member *m = &g->members[unit_below(&g->rnd, NODES)];
	uint64_t deadline, later;

	if (unit_below(&g->rnd, 3) == 0 && !g->dry) {
		g->stock += unit_below(&g->rnd, 1U << unit_below(&g->rnd, 18));
		alloc_stock(&g->a, g->stock, unit_below(&g->rnd, 1000));
	}
	for (int i = 0; i < NODES; i++)
		if (g->members[i].held > 0 && unit_below(&g->rnd, 3) == 0)
			hand_on(g, &g->members[i],
			    1 + unit_below(&g->rnd, g->members[i].held));
	if (m->used && unit_below(&g->rnd, 8) == 0)
		change(g, m);
	if (m->used && m->leaf) {
		m->node.need = m->node.granted;
		if (unit_below(&g->rnd, 2) == 0)
			m->node.need += unit_below(&g->rnd, 70000);
		m->node.room = m->node.need +
		    unit_below(&g->rnd,
			alloc_window(&m->node, STOCK_SIZE_MAX) + 1);
		report(g, m);
	}
	deadline = alloc_deadline(&g->a);
	later = g->now + random_time(g);
	if (unit_below(&g->rnd, 4) == 0 && deadline != ALLOC_NEVER &&
	    deadline > g->now)
		later = deadline;
	/* No leaf hoards long enough to be forgotten. */
	for (int i = 0; i < NODES; i++)
		if (g->members[i].held > 0 &&
		    later - g->members[i].since >= ALLOC_HOARD_MAX)
			hand_on(g, &g->members[i], g->members[i].held);
	g->now = later;
	run(g);
}

/* What is granted to leaves is what is counted, at every node. */
static void
check_sums(struct game *g)
{
	HOLDS(g, g->granted == g->a.root.node.meter.total);
	for (int i = 0; i < NODES; i++)
		HOLDS(g, g->members[i].total == g->members[i].node.meter.total);
}

/* Plays with at most `nodes` nodes.  Returns what did not hold, or NULL. */
static const char *
play(struct game *g, uint64_t seed, size_t nodes, unsigned int steps)
{
	game_init(g, seed, nodes, false);
	if (setjmp(g->over) != 0)
		return g->why;
	for (g->step = 0; g->step < steps; g->step++)
		step(g);
	check_sums(g);
	return NULL;
}

/* Prints the smallest part of the failed tree that fails too. */
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
	const char *steps = getenv("VRNGD_TEST_STEPS");
	uint64_t left = steps == NULL ? STEPS : strtoull(steps, NULL, 10);
	uint64_t next = program_seed();
	struct game *g = calloc(1, sizeof(*g));

	(void)state;
	assert_non_null(g);
	for (; left >= GAME_STEPS; left -= GAME_STEPS, next++)
		if (play(g, next, NODES, GAME_STEPS) != NULL)
			tell_failure(g, next);
	free(g);
}

/* All that can be granted is, and handed on at once. */
static void
grant_all(struct game *g)
{
	struct alloc_node *n;
	struct member *m;
	uint64_t bytes;

	while ((n = alloc_next(&g->a, g->now, &bytes)) != NULL) {
		m = member_of(n);
		take(g, m, bytes);
		hand_on(g, m, bytes);
	}
}

/*
 * A leaf without need of stock gets its rate, whatever the others want, and
 * whatever there is in stock for them.
 */
static void
race(struct game *g, uint64_t seed)
{
	struct member *m, *winner;
	uint64_t due;

	game_init(g, seed, NODES, true);
	do
		winner = &g->members[unit_below(&g->rnd, NODES)];
	while (!winner->used || !winner->leaf);
	winner->share.generated = true;
	alloc_change(&g->a, &winner->node, winner->node.parent, &winner->share,
	    g->now);
	for (g->step = 0; g->step < RACE_STEPS; g->step++) {
		if (!g->dry)
			g->stock += unit_below(&g->rnd, 100);
		alloc_stock(&g->a, g->stock, 0);
		m = &g->members[unit_below(&g->rnd, NODES)];
		if (m->used && m->leaf && m != winner)
			m->node.need += unit_below(&g->rnd, 2000);
		winner->node.need = winner->node.granted + 1000;
		for (int i = 0; i < NODES; i++)
			if (g->members[i].used && g->members[i].leaf)
				report(g, &g->members[i]);
		grant_all(g);
		g->now += unit_below(&g->rnd, 2 * NS_PER_MS);
	}
	due = (g->now - START) / 1000 * winner->share.rate.bytes / 1000000;
	if (winner->total + due / 100 + 4096 < due) {
		show(g);
		fail_msg("seed %ju: %td got %ju bytes instead of %ju",
		    (uintmax_t)seed, winner - g->members,
		    (uintmax_t)winner->total, (uintmax_t)due);
	}
}

static void
test_guarantee(void **state)
{
	struct game *g = calloc(1, sizeof(*g));
	uint64_t seed = program_seed();

	(void)state;
	assert_non_null(g);
	if (setjmp(g->over) != 0)
		fail_msg("%s", g->why);
	for (int i = 0; i < RACES; i++)
		race(g, seed + (uint64_t)i);
	free(g);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_guarantee),
	};

	return UNIT_MAIN("tree", tests);
}
