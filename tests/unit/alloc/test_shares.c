/*
 * Who gets how much: shares of backlogged guests in trees of the allocator,
 * over simulated time.
 */
#include "unit/alloc/alloc_shares.h"

static void
test_guaranteed(void **state)
{
	struct tree t;

	(void)state;
	tree_init(&t, 1000 * K, 0);
	add(&t, 0, -1, share(700 * K, 1000 * K, 100 * K));
	add(&t, 1, -1, share(200 * K, 1000 * K, 100 * K));
	add(&t, 2, -1, share(0, 1000 * K, 100 * K));
	for (int i = 0; i < 3; i++)
		want(&t, i, 64);
	drain(&t);
	run(&t, 10 * NS_PER_SEC, NS_PER_MS);
	/* Rate that is not guaranteed is lent in equal parts. */
	expect(&t, 0, 10 * (700 * K + 100 * K / 3));
	expect(&t, 1, 10 * (200 * K + 100 * K / 3));
	expect(&t, 2, 10 * (100 * K / 3));
}

/* A crowd without a rate of its own takes nothing of what is guaranteed. */
static void
test_isolated(void **state)
{
	struct tree t;

	(void)state;
	tree_init(&t, 1000 * K, 0);
	add(&t, 0, -1, share(600 * K, 600 * K, 60 * K));
	for (int i = 1; i < NODES; i++) {
		add(&t, i, -1, share(0, 1000 * K, 100 * K));
		want(&t, i, 65536);
	}
	want(&t, 0, 64);
	drain(&t);
	run(&t, 10 * NS_PER_SEC, NS_PER_MS);
	expect(&t, 0, 10 * 600 * K);
}

static void
test_weight(void **state)
{
	struct tree t;
	struct alloc_share s = share(0, 0, 0);

	(void)state;
	tree_init(&t, 900 * K, 0);
	for (uint32_t i = 0; i < 3; i++) {
		s.weight = i == 0 ? 5 : i == 1 ? 3 : 1;
		add(&t, (int)i, -1, s);
		/* Large requests gain nothing over small ones. */
		want(&t, (int)i, i == 2 ? 4096 : 64);
	}
	drain(&t);
	run(&t, 10 * NS_PER_SEC, NS_PER_MS);
	expect(&t, 0, 5000 * K);
	expect(&t, 1, 3000 * K);
	expect(&t, 2, 1000 * K);
}

static void
test_priority(void **state)
{
	struct tree t;
	struct alloc_share s = share(100 * K, 1000 * K, 100 * K);

	(void)state;
	tree_init(&t, 1000 * K, 0);
	add(&t, 0, -1, s);
	s.priority = 1;
	add(&t, 1, -1, s);
	want(&t, 0, 64);
	want(&t, 1, 64);
	drain(&t);
	run(&t, 10 * NS_PER_SEC, NS_PER_MS);
	/* It borrows nothing, but keeps what is its own. */
	expect(&t, 0, 9000 * K);
	expect(&t, 1, 1000 * K);
}

static void
test_ceil(void **state)
{
	struct tree t;

	(void)state;
	tree_init(&t, 1000 * K, 0);
	add(&t, 0, -1, share(0, 300 * K, 30 * K));
	add(&t, 1, 0, share(0, 200 * K, 20 * K));
	add(&t, 2, 0, share(0, 200 * K, 20 * K));
	want(&t, 1, 64);
	drain(&t);
	run(&t, 10 * NS_PER_SEC, NS_PER_MS);
	expect(&t, 1, 2000 * K);
	want(&t, 2, 64);
	drain(&t);
	run(&t, 10 * NS_PER_SEC, NS_PER_MS);
	expect(&t, 1, 1500 * K);
	expect(&t, 2, 1500 * K);
}

/* Classes get their share with any number of guests. */
static void
test_classes(void **state)
{
	struct tree t;

	(void)state;
	tree_init(&t, 1000 * K, 0);
	add(&t, 0, -1, share(750 * K, 0, 75 * K));
	add(&t, 1, -1, share(250 * K, 0, 25 * K));
	add(&t, 2, 0, share(0, 0, 0));
	for (int i = 3; i < NODES; i++)
		add(&t, i, 1, share(0, 0, 0));
	for (int i = 2; i < NODES; i++)
		want(&t, i, 64);
	drain(&t);
	run(&t, 10 * NS_PER_SEC, NS_PER_MS);
	expect(&t, 2, 7500 * K);
	for (int i = 3; i < NODES; i++)
		expect(&t, i, 500 * K);
	/* What one class does not want goes to the other. */
	want(&t, 2, 0);
	drain(&t);
	run(&t, 10 * NS_PER_SEC, NS_PER_MS);
	for (int i = 3; i < NODES; i++)
		expect(&t, i, 2000 * K);
}

/* What is lent comes back when it is wanted. */
static void
test_returns(void **state)
{
	struct tree t;

	(void)state;
	tree_init(&t, 1000 * K, 0);
	add(&t, 0, -1, share(500 * K, 0, 50 * K));
	add(&t, 1, -1, share(500 * K, 0, 50 * K));
	want(&t, 0, 4096);
	drain(&t);
	run(&t, NS_PER_SEC, NS_PER_MS);
	expect(&t, 0, 1000 * K);
	want(&t, 1, 64);
	run(&t, 10 * NS_PER_MS, NS_PER_MS);
	assert_true(t.got[1] >= 4 * K);
	run(&t, 5 * NS_PER_SEC, NS_PER_MS);
	expect(&t, 0, 2500 * K);
	expect(&t, 1, 2500 * K);
}

/* A source that yields less than is guaranteed: in proportion to the rates. */
static void
test_shortage(void **state)
{
	struct tree t;

	(void)state;
	tree_init(&t, 0, 10000);
	add(&t, 0, -1, share(60 * K, 0, 6 * K));
	add(&t, 1, -1, share(40 * K, 0, 4 * K));
	add(&t, 2, 0, share(20 * K, 0, 4 * K));
	add(&t, 3, 0, share(40 * K, 0, 4 * K));
	add(&t, 4, 1, share(0, 0, 0));
	add(&t, 5, 1, share(0, 0, 0));
	for (int i = 2; i < 6; i++)
		want(&t, i, 64);
	run(&t, 200 * NS_PER_SEC, NS_PER_MS);
	expect(&t, 2, 400000);
	expect(&t, 3, 800000);
	expect(&t, 4, 400000);
	expect(&t, 5, 400000);
}

/* The same whether it runs often or seldom. */
static void
test_ticks(void **state)
{
	const uint64_t ticks[] = { NS_PER_MS / 50, NS_PER_MS, 7 * NS_PER_MS,
		20 * NS_PER_MS };
	struct tree t;

	(void)state;
	for (size_t i = 0; i < sizeof(ticks) / sizeof(ticks[0]); i++) {
		tree_init(&t, 1000 * K, 0);
		add(&t, 0, -1, share(700 * K, 0, 70 * K));
		add(&t, 1, -1, share(0, 300 * K, 30 * K));
		want(&t, 0, 64);
		want(&t, 1, 64);
		drain(&t);
		run(&t, 5 * NS_PER_SEC, ticks[i]);
		expect(&t, 0, 4250 * K);
		expect(&t, 1, 750 * K);
	}
}

/* alloc_deadline() is sufficient: calls in between are not needed. */
static void
test_deadlines(void **state)
{
	struct tree t;
	uint64_t end, at;

	(void)state;
	tree_init(&t, 100 * K, 0);
	add(&t, 0, -1, share(70 * K, 0, 7 * K));
	add(&t, 1, -1, share(0, 20 * K, 2 * K));
	want(&t, 0, 64);
	want(&t, 1, 64);
	drain(&t);
	memset(t.got, 0, sizeof(t.got));
	end = t.now + 10 * NS_PER_SEC;
	grant_all(&t);
	while ((at = alloc_deadline(&t.a)) < end) {
		assert_true(at > t.now);
		t.now = at;
		grant_all(&t);
	}
	expect(&t, 0, 850 * K);
	expect(&t, 1, 150 * K);
	/* And none while no leaf waits. */
	want(&t, 0, 0);
	want(&t, 1, 0);
	assert_int_equal(alloc_deadline(&t.a), ALLOC_NEVER);
}

/* A node changed, or moved, is owed what its new place has. */
static void
test_change(void **state)
{
	struct tree t;
	struct alloc_share s = share(0, 50 * K, 5 * K), own = share(0, 0, 0);

	(void)state;
	tree_init(&t, 1000 * K, 0);
	add(&t, 0, -1, share(0, 500 * K, 50 * K));
	add(&t, 1, -1, share(0, 100 * K, 10 * K));
	make_class(&t, 1);
	add(&t, 2, 0, own);
	want(&t, 2, 64);
	drain(&t);
	run(&t, 10 * NS_PER_SEC, NS_PER_MS);
	expect(&t, 2, 5000 * K);
	alloc_change(&t.a, &t.nodes[2].node, &t.nodes[1].node, &own, t.now);
	drain(&t);
	run(&t, 10 * NS_PER_SEC, NS_PER_MS);
	expect(&t, 2, 1000 * K);
	alloc_change(&t.a, &t.nodes[1].node, &t.a.root.node, &s, t.now);
	drain(&t);
	run(&t, 10 * NS_PER_SEC, NS_PER_MS);
	expect(&t, 2, 500 * K);
	/* A change as such brings nothing. */
	memset(t.got, 0, sizeof(t.got));
	for (int i = 0; i < 1000; i++) {
		alloc_change(&t.a, &t.nodes[1].node, &t.a.root.node, &s, t.now);
		alloc_change(&t.a, &t.nodes[2].node, &t.nodes[1].node, &own,
		    t.now);
		grant_all(&t);
	}
	assert_true(t.got[2] <= GRANT_MIN);
	alloc_remove(&t.a, &t.nodes[2].node, t.now);
	alloc_remove(&t.a, &t.nodes[1].node, t.now);
	run(&t, NS_PER_SEC, NS_PER_MS);
	assert_int_equal(t.got[2], 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_guaranteed),
		cmocka_unit_test(test_isolated),
		cmocka_unit_test(test_weight),
		cmocka_unit_test(test_priority),
		cmocka_unit_test(test_ceil),
		cmocka_unit_test(test_classes),
		cmocka_unit_test(test_returns),
		cmocka_unit_test(test_shortage),
		cmocka_unit_test(test_ticks),
		cmocka_unit_test(test_deadlines),
		cmocka_unit_test(test_change),
	};

	return UNIT_MAIN("shares", tests);
}
