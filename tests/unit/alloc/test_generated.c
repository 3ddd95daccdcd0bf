/*
 * Leaves whose bytes are generated among leaves that draw on stock: who gets
 * what while there is plenty of it, little, and none.
 */
#include "unit/alloc/alloc_shares.h"

#define MANY 40

/* One grant at most.  Returns the leaf's number, or -1. */
static int
grant(struct tree *t, uint64_t *bytes)
{
	struct alloc_node *n = alloc_next(&t->a, t->now, bytes);

	if (n == NULL)
		return -1;
	if (!n->share.generated)
		t->stock -= *bytes;
	assert_int_equal(t->a.stock, t->stock);
	return (int)(n - t->nodes);
}

/* Without stock, and who does without it is served and woken, but no others. */
static void
test_no_stock(void **state)
{
	struct tree t;
	uint64_t bytes, at;

	(void)state;
	tree_init(&t, 0, 0);
	add(&t, 0, -1, share(0, 10 * K, 1 * K));
	add(&t, 1, -1, generated(share(0, 10 * K, 1 * K)));
	want(&t, 0, 64);
	want(&t, 1, 64);
	drain(&t);
	supply(&t, 0, 0);
	run(&t, 10 * NS_PER_SEC, NS_PER_MS);
	expect(&t, 1, 100 * K);
	assert_int_equal(t.got[0], 0);
	assert_int_equal(grant(&t, &bytes), -1);
	at = alloc_deadline(&t.a);
	assert_in_range(at, t.now + 1, t.now + NS_PER_SEC / 160);
	t.now = at - 1;
	assert_int_equal(grant(&t, &bytes), -1);
	assert_int_equal(alloc_deadline(&t.a), at);
	t.now = at;
	assert_int_equal(grant(&t, &bytes), 1);
	/* The other's bucket fills up, which is no reason to look. */
	want(&t, 1, 0);
	assert_int_equal(grant(&t, &bytes), -1);
	assert_int_equal(alloc_deadline(&t.a), ALLOC_NEVER);
}

/* Nor does stock that is too little for the one whose turn it is stop them. */
static void
test_little_stock(void **state)
{
	struct tree t;
	uint64_t bytes;

	(void)state;
	tree_init(&t, 0, 0);
	add(&t, 0, -1, share(0, 0, 0));
	add(&t, 1, -1, generated(share(0, 0, 0)));
	supply(&t, 10, 0);
	want(&t, 0, 64);
	for (int i = 0; i < 10; i++) {
		want(&t, 1, 100);
		assert_int_equal(grant(&t, &bytes), 1);
		assert_int_equal(bytes, 100);
		assert_int_equal(grant(&t, &bytes), -1);
		assert_int_equal(alloc_deadline(&t.a), ALLOC_NEVER);
	}
	want(&t, 0, 9);
	assert_int_equal(grant(&t, &bytes), 0);
	assert_int_equal(bytes, 9);
	want(&t, 0, 64);
	assert_int_equal(grant(&t, &bytes), -1);
	supply(&t, 64, 0);
	assert_int_equal(grant(&t, &bytes), 0);
	assert_int_equal(bytes, 64);
}

/* With enough stock it is all the same who is of which kind. */
static void
test_same_turns(void **state)
{
	struct tree t;

	(void)state;
	for (unsigned int kinds = 0; kinds < 32; kinds++) {
		tree_init(&t, 1000 * K, 0);
		add(&t, 5, -1, share(300 * K, 500 * K, 50 * K));
		for (int i = 0; i < 5; i++) {
			struct alloc_share s = share(0, 0, 0);

			if (i == 0)
				s = share(200 * K, 0, 20 * K);
			s.priority = i == 2;
			s.weight = i == 4 ? 3 : 1;
			s.generated = (kinds & 1U << i) != 0;
			add(&t, i, i < 3 ? 5 : -1, s);
			want(&t, i, i == 4 ? 1000 : 64);
		}
		drain(&t);
		run(&t, 10 * NS_PER_SEC, NS_PER_MS);
		/* The class has 300 and a fifth of 700, the first 200 of it. */
		expect(&t, 0, (2000 + 1200) * K);
		expect(&t, 1, 1200 * K);
		expect(&t, 2, 0);
		expect(&t, 3, 1400 * K);
		expect(&t, 4, 4200 * K);
	}
}

/* What is guaranteed is served without stock, whoever else wants bytes. */
static void
test_guaranteed(void **state)
{
	struct tree t;

	(void)state;
	tree_init(&t, 1000 * K, 0);
	add(&t, 0, -1, share(600 * K, 0, 60 * K));
	add(&t, 1, 0, generated(share(500 * K, 600 * K, 50 * K)));
	add(&t, 2, 0, share(100 * K, 0, 10 * K));
	add(&t, 3, -1, share(400 * K, 0, 40 * K));
	for (int i = 4; i < NODES; i++)
		add(&t, i, -1, generated(share(0, 0, 0)));
	supply(&t, 0, 0);
	for (int i = 1; i < NODES; i++)
		want(&t, i, i < 4 ? 64 : 65536);
	drain(&t);
	run(&t, 10 * NS_PER_SEC, NS_PER_MS);
	/* All that is its class's, and what others cannot use is lent. */
	expect(&t, 1, 6000 * K);
	for (int i = 4; i < NODES; i++)
		expect(&t, i, 1000 * K);
}

/* Nobody catches up on what could not be had for want of stock. */
static void
test_after_drought(void **state)
{
	struct tree t;

	(void)state;
	tree_init(&t, 1000 * K, 0);
	add(&t, 0, -1, share(0, 0, 0));
	add(&t, 1, -1, share(0, 0, 0));
	add(&t, 2, 1, share(0, 0, 0));
	add(&t, 3, 1, generated(share(0, 0, 0)));
	add(&t, 4, -1, generated(share(0, 0, 0)));
	supply(&t, 0, 0);
	for (int i = 0; i < 5; i++)
		if (i != 1)
			want(&t, i, 64);
	drain(&t);
	run(&t, 100 * NS_PER_SEC, NS_PER_MS);
	expect(&t, 3, 50000 * K);
	expect(&t, 4, 50000 * K);
	supply(&t, PLENTY, 0);
	run(&t, NS_PER_SEC, NS_PER_MS);
	expect(&t, 0, 1000 * K / 3);
	expect(&t, 2, 1000 * K / 6);
	expect(&t, 3, 1000 * K / 6);
	expect(&t, 4, 1000 * K / 3);
}

/* Little stock is shared by rate, or weight, whatever else is handed out. */
static void
test_shortage(void **state)
{
	const uint64_t limits[] = { 0, 200 * K };
	struct alloc_share heavy = share(0, 0, 0);
	struct tree t;

	(void)state;
	heavy.weight = 3;
	for (size_t i = 0; i < 2; i++) {
		tree_init(&t, limits[i], 10000);
		add(&t, 0, -1, share(60 * K, 0, 6 * K));
		add(&t, 1, -1, share(20 * K, 0, 4 * K));
		add(&t, 2, -1, generated(share(20 * K, 100 * K, 10 * K)));
		for (int k = 0; k < 3; k++)
			want(&t, k, 64);
		run(&t, 200 * NS_PER_SEC, NS_PER_MS);
		expect(&t, 0, 1500000);
		expect(&t, 1, 500000);
		expect(&t, 2, 20000 * K);

		tree_init(&t, limits[i], 10000);
		add(&t, 0, -1, heavy);
		add(&t, 1, -1, share(0, 0, 0));
		add(&t, 2, 1, share(0, 0, 0));
		add(&t, 3, 1, generated(share(0, 100 * K, 10 * K)));
		for (int k = 0; k < 4; k++)
			if (k != 1)
				want(&t, k, 64);
		run(&t, 200 * NS_PER_SEC, NS_PER_MS);
		expect(&t, 0, 1500000);
		expect(&t, 2, 500000);
		expect(&t, 3, 20000 * K);
	}
}

/* How often the allocator runs is no matter without stock either. */
static void
test_ticks(void **state)
{
	const uint64_t ticks[] = { NS_PER_MS / 50, NS_PER_MS, 7 * NS_PER_MS,
		20 * NS_PER_MS };
	struct tree t;

	(void)state;
	for (size_t i = 0; i < sizeof(ticks) / sizeof(ticks[0]); i++) {
		tree_init(&t, 1000 * K, 0);
		add(&t, 0, -1, generated(share(700 * K, 0, 70 * K)));
		add(&t, 1, -1, generated(share(0, 200 * K, 20 * K)));
		add(&t, 2, -1, share(100 * K, 0, 10 * K));
		supply(&t, 0, 50000);
		for (int k = 0; k < 3; k++)
			want(&t, k, 64);
		drain(&t);
		run(&t, 5 * NS_PER_SEC, ticks[i]);
		expect(&t, 0, 3500 * K + (1500 * K - 250000) / 2);
		expect(&t, 1, (1500 * K - 250000) / 2);
		expect(&t, 2, 250000);
	}
}

/* A leaf that is switched keeps its demand, and what it was granted. */
static void
test_switch(void **state)
{
	struct tree t;
	struct alloc_node *n = &t.nodes[1];
	struct alloc_share s = share(0, 0, 0);
	uint64_t bytes;

	(void)state;
	tree_init(&t, 10 * K, 0);
	add(&t, 0, -1, share(0, 10 * K, 1 * K));
	add(&t, 1, 0, s);
	alloc_want(&t.a, n, t.now, 100, 300, 0);
	assert_int_equal(grant(&t, &bytes), 1);
	assert_int_equal(bytes, 100);
	supply(&t, 0, 0);
	alloc_want(&t.a, n, t.now, 200, 300, 100);
	assert_int_equal(grant(&t, &bytes), -1);
	for (int i = 0; i < 3; i++) {
		alloc_change(&t.a, n, n->parent, &s, t.now);
		assert_int_equal(grant(&t, &bytes), -1);
		assert_int_equal(alloc_deadline(&t.a), ALLOC_NEVER);
	}
	s.generated = true;
	alloc_change(&t.a, n, n->parent, &s, t.now);
	assert_int_equal(grant(&t, &bytes), 1);
	assert_int_equal(bytes, 100);
	/* Its window is in another list from now on. */
	s.generated = false;
	alloc_change(&t.a, n, n->parent, &s, t.now);
	assert_int_equal(grant(&t, &bytes), -1);
	s.generated = true;
	alloc_change(&t.a, n, &t.a.root, &s, t.now);
	assert_int_equal(grant(&t, &bytes), 1);
	assert_int_equal(bytes, 100);
	assert_int_equal(n->granted, 300);
	assert_int_equal(t.a.root.outstanding, 300);
	assert_int_equal(t.nodes[0].outstanding, 0);
	alloc_remove(&t.a, n, t.now);
	assert_int_equal(grant(&t, &bytes), -1);
	assert_int_equal(t.a.root.outstanding, 0);
}

/* Leaves beside those of the tree, with limits of their own. */
static void
add_many(struct tree *t, struct alloc_node *many, uint64_t ceil, uint64_t burst)
{
	for (int i = 0; i < MANY; i++) {
		struct alloc_share s = share(0, unit_below(&t->seed, ceil + 1),
		    burst + unit_below(&t->seed, burst));

		s.generated = i % 3 != 0;
		alloc_add(&t->a, &many[i], &t->a.root, &s, t->now);
	}
}

/* Windows of any number of leaves without stock hide no others. */
static void
test_windows(void **state)
{
	struct alloc_node many[MANY], *n;
	struct alloc_share s = share(0, 0, 0);
	struct tree t;
	uint64_t bytes;

	(void)state;
	tree_init(&t, 10 * K, 0);
	for (int i = 0; i < MANY; i++) {
		alloc_add(&t.a, &many[i], &t.a.root, &s, t.now);
		alloc_want(&t.a, &many[i], t.now, 0, 10, 0);
	}
	add(&t, 0, -1, generated(s));
	n = &t.nodes[0];
	alloc_stock(&t.a, 0, 2000);
	alloc_want(&t.a, n, t.now, 0, 100, 0);
	assert_ptr_equal(alloc_next(&t.a, t.now, &bytes), n);
	assert_int_equal(bytes, 100);
	/* They leave half of the bucket, as all do. */
	alloc_stock(&t.a, 1000, 2000);
	alloc_want(&t.a, n, t.now, 100, 1000, 0);
	assert_ptr_equal(alloc_next(&t.a, t.now, &bytes), n);
	assert_int_equal(bytes, 512);
	assert_null(alloc_next(&t.a, t.now, &bytes));
	/* When there is enough of all the kinds take turns. */
	t.now += NS_PER_SEC;
	alloc_want(&t.a, n, t.now, 612, 800, 0);
	alloc_stock(&t.a, 1300, 2000);
	for (int i = 0; i < 2; i++)
		if (alloc_next(&t.a, t.now, &bytes) == n)
			assert_int_equal(bytes, 188);
		else
			assert_int_equal(bytes, 10);
	assert_int_equal(t.a.stock, 1290);
}

/* Whether every window is full that needs no stock. */
static bool
all_full(const struct alloc_node *many)
{
	for (int i = 0; i < MANY; i++)
		if (many[i].share.generated && many[i].granted < many[i].room)
			return false;
	return true;
}

/*
 * However many windows there are to fill, and whatever stops them: the time to
 * ask again is in the future, until all are filled that can be.
 */
static void
test_many_windows(void **state)
{
	struct alloc_node many[MANY], *n;
	struct tree t;
	uint64_t bytes, at;
	int times;

	(void)state;
	tree_init(&t, 0, 0);
	t.seed = program_seed();
	add_many(&t, many, 5 * K, 1 * K);
	for (int i = 0; i < 20000; i++) {
		/* Now and then nothing happens until nothing is left to do. */
		for (times = 0; times < 10 * MANY; times++) {
			while (alloc_next(&t.a, t.now, &bytes) != NULL)
				;
			at = alloc_deadline(&t.a);
			assert_true(at > t.now);
			if (at == ALLOC_NEVER || i % 100 != 0)
				break;
			t.now = at;
		}
		assert_true(times < 10 * MANY);
		assert_true(at != ALLOC_NEVER || all_full(many));
		n = &many[unit_below(&t.seed, MANY)];
		alloc_want(&t.a, n, t.now, n->granted,
		    n->granted + unit_below(&t.seed, 500), 0);
		alloc_stock(&t.a, unit_below(&t.seed, 3) * 2000, 2000);
		t.now += unit_below(&t.seed, NS_PER_MS / 10);
	}
}

/* A window that is filled is no reason to catch up on years of idling. */
static void
test_window_after_idling(void **state)
{
	struct tree t;
	uint64_t bytes;

	(void)state;
	tree_init(&t, 1000 * K, 0);
	for (int i = 0; i < 2; i++)
		add(&t, i, -1, generated(share(0, 0, 0)));
	want(&t, 0, 64);
	drain(&t);
	run(&t, 100 * NS_PER_SEC, NS_PER_MS);
	want(&t, 0, 0);
	t.now += NS_PER_SEC;
	alloc_want(&t.a, &t.nodes[1], t.now, 0, 64, 0);
	assert_int_equal(grant(&t, &bytes), 1);
	want(&t, 1, 64);
	want(&t, 0, 64);
	run(&t, NS_PER_SEC, NS_PER_MS);
	expect(&t, 0, 550 * K);
	expect(&t, 1, 550 * K);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_stock),
		cmocka_unit_test(test_little_stock),
		cmocka_unit_test(test_same_turns),
		cmocka_unit_test(test_guaranteed),
		cmocka_unit_test(test_after_drought),
		cmocka_unit_test(test_shortage),
		cmocka_unit_test(test_ticks),
		cmocka_unit_test(test_switch),
		cmocka_unit_test(test_windows),
		cmocka_unit_test(test_many_windows),
		cmocka_unit_test(test_window_after_idling),
	};

	return UNIT_MAIN("generated", tests);
}
