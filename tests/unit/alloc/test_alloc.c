/*
 * The allocator: a model with random demands and clocks against the bound that
 * it promises, then each promise by itself.
 */
#include "unit/alloc/alloc_model.h"

#define GAMES 1000
#define STEPS 1000

static void
test_bound(void **state)
{
	const uint64_t bursts[] = { 1, 2, 63, 64, 65, 500, 4096, 100000,
		UINT64_C(1) << 40, INT64_MAX };
	const uint64_t periods[] = { NS_PER_MS, 1000003, NS_PER_SEC,
		65536 * NS_PER_MS, UINT32_MAX * NS_PER_MS };
	uint64_t seed = program_seed(), game, burst;
	struct model m;

	(void)state;
	for (unsigned int i = 0; i < GAMES; i++) {
		game = seed + i;
		burst = bursts[unit_below(&game, 10)];
		model_init(&m, 1 + unit_below(&game, LEAVES), burst,
		    periods[unit_below(&game, 5)]);
		m.game = seed + i;
		m.seed = game;
		m.dry = i % 3 == 0;
		for (size_t k = 0; k < m.n; k++)
			generate(&m, &m.guests[k], below(&m, 2) == 0);
		for (m.step = 0; m.step < STEPS; m.step++) {
			step(&m);
			invariants(&m);
		}
	}
}

/*
 * Time during which the bucket was full of outstanding bytes adds nothing when
 * these are handed on.
 */
static void
test_held_bytes_fill_bucket(void **state)
{
	struct model m;
	uint64_t bytes;

	(void)state;
	model_init(&m, 1, 1000, NS_PER_SEC);
	ask(&m, &m.guests[0], 1000, 0);
	assert_non_null(grant(&m, &bytes));
	assert_int_equal(bytes, 1000);
	m.now += 10 * NS_PER_SEC;
	hand_on(&m, &m.guests[0], 1000);
	ask(&m, &m.guests[0], 1000, 0);
	assert_null(grant(&m, &bytes));
	m.now += NS_PER_SEC;
	assert_non_null(grant(&m, &bytes));
	assert_int_equal(bytes, 1000);
}

/* Guests that always want more, served at each deadline, get the same. */
static void
test_equal_shares(void **state)
{
	struct model m;
	uint64_t most = 0, least = UINT64_MAX;

	(void)state;
	model_init(&m, 5, 10000, NS_PER_SEC);
	for (size_t i = 0; i < m.n; i++)
		ask(&m, &m.guests[i], i == 0 ? 64 : NEED_MAX, 0);
	/* The first burst goes to few; the others make up for it. */
	grant_all(&m);
	for (int i = 0; i < 2001; i++) {
		m.now = alloc_deadline(&m.a);
		assert_int_equal(grant_all(&m), GRANT_MIN);
	}
	for (size_t i = 0; i < m.n; i++) {
		uint64_t n = m.guests[i].total;

		most = n > most ? n : most;
		least = n < least ? n : least;
	}
	assert_true(most - least <= GRANT_MIN);
}

/* One guest gets what the idle ones leave, and not what they left before. */
static void
test_lending(void **state)
{
	struct model m;

	(void)state;
	model_init(&m, 4, 10000, NS_PER_SEC);
	m.now += 100 * NS_PER_SEC;
	ask(&m, &m.guests[1], PLENTY, 0);
	assert_int_equal(grant_all(&m), 10000);
	for (int i = 0; i < 100; i++) {
		m.now += NS_PER_SEC / 10;
		assert_int_equal(grant_all(&m), 1000);
	}
	m.now += 3 * NS_PER_SEC;
	assert_int_equal(grant_all(&m), 10000);
	assert_int_equal(m.guests[1].total, 120000);
}

/* One byte a period and many guests: each has its turn. */
static void
test_one_byte(void **state)
{
	struct model m;
	struct guest *g;
	uint64_t bytes, now;

	(void)state;
	model_init(&m, LEAVES, 1, NS_PER_SEC);
	for (size_t i = 0; i < m.n; i++)
		ask(&m, &m.guests[i], 10, 0);
	for (size_t i = 0; i < 3 * m.n; i++) {
		g = grant(&m, &bytes);
		assert_ptr_equal(g, &m.guests[i % m.n]);
		assert_int_equal(bytes, 1);
		hand_on(&m, g, bytes);
		ask(&m, g, 10, 0);
		assert_null(grant(&m, &bytes));
		now = m.now;
		m.now = alloc_deadline(&m.a);
		assert_int_equal(m.now, now + NS_PER_SEC);
	}
}

static void
test_sizes(void **state)
{
	const struct {
		uint64_t burst, capacity;
		uint32_t window, min, max;
	} rows[] = {
		{ 0, 1 << 20, 65536, 65536, 65536 },
		{ 0, 65536, 16384, 65536, 65536 },
		{ 0, 4096, 1024, 65536, 65536 },
		{ 1, 1 << 20, 0, 1, 1 },
		{ 64, 1 << 20, 0, 1, 64 },
		{ 4095, 1 << 20, 0, 1, 4095 },
		{ 4096, 1 << 20, 512, SHORT_MIN, 4096 },
		{ 65535, 1 << 20, 8191, SHORT_MIN, 65535 },
		{ 65535, 4096, 1024, SHORT_MIN, 65535 },
		{ 131072, 1 << 20, 16384, SHORT_MIN, 65536 },
		{ 524287, 1 << 20, 65535, SHORT_MIN, 65536 },
		{ INT64_MAX, 1 << 20, 65536, SHORT_MIN, 65536 },
		{ INT64_MAX, 65536, 16384, SHORT_MIN, 65536 },
	};
	struct alloc_node *leaf;
	struct model m;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		model_init(&m, 1, rows[i].burst, NS_PER_SEC);
		leaf = &m.guests[0].leaf;
		assert_int_equal(alloc_window(leaf, rows[i].capacity),
		    rows[i].window);
		assert_int_equal(alloc_request_min(leaf), rows[i].min);
		assert_int_equal(alloc_request_max(leaf), rows[i].max);
	}
	/* What is generated does not come out of the stock. */
	leaf->generated = true;
	assert_int_equal(alloc_window(leaf, 4096), ALLOC_WINDOW_MAX);
}

/* How often the allocator runs changes nothing but who waits how long. */
static void
test_often_or_seldom(void **state)
{
	const uint64_t pauses[] = { 1000, 3333, NS_PER_MS, NS_PER_SEC / 2 };
	uint64_t end, pause, due;
	struct model m;

	(void)state;
	for (size_t i = 0; i < sizeof(pauses) / sizeof(*pauses); i++) {
		model_init(&m, 1, 3000, NS_PER_SEC);
		ask(&m, &m.guests[0], PLENTY, 0);
		grant_all(&m);
		pause = pauses[i];
		end = m.now + (pause < NS_PER_MS ? 1 : 100) * NS_PER_SEC;
		due = 3000 + 3000 * (end - m.now) / NS_PER_SEC;
		while (m.now < end) {
			m.now += pause;
			m.now = m.now < end ? m.now : end;
			grant_all(&m);
		}
		assert_in_range(m.guests[0].total, due - GRANT_MIN, due);
	}
}

static void
test_unlimited(void **state)
{
	struct model m;
	uint64_t bytes;

	(void)state;
	model_init(&m, 2, 0, NS_PER_SEC);
	assert_null(grant(&m, &bytes));
	ask(&m, &m.guests[0], 200000, 0);
	ask(&m, &m.guests[1], 10, 0);
	assert_ptr_equal(grant(&m, &bytes), &m.guests[0]);
	assert_int_equal(bytes, ALLOC_GRANT_MAX);
	assert_ptr_equal(grant(&m, &bytes), &m.guests[1]);
	assert_int_equal(bytes, 10);
	for (int i = 0; i < 3; i++)
		assert_ptr_equal(grant(&m, &bytes), &m.guests[0]);
	assert_int_equal(bytes, 200000 - 3 * ALLOC_GRANT_MAX);
	assert_null(grant(&m, &bytes));
	assert_int_equal(alloc_deadline(&m.a), ALLOC_NEVER);
}

/* Requests may take all of the stock, windows only what is above half. */
static void
test_stock(void **state)
{
	struct model m;
	uint64_t bytes;

	(void)state;
	model_init(&m, 2, 0, NS_PER_SEC);
	set_stock(&m, 1500, 2000);
	ask(&m, &m.guests[0], 0, 800);
	ask(&m, &m.guests[1], 0, 800);
	assert_non_null(grant(&m, &bytes));
	assert_int_equal(bytes, 500);
	assert_null(grant(&m, &bytes));
	ask(&m, &m.guests[1], 990, 0);
	assert_ptr_equal(grant(&m, &bytes), &m.guests[1]);
	assert_int_equal(bytes, 990);
	/* Ten are left: no grant for one who misses more, but his turn. */
	ask(&m, &m.guests[1], 63, 0);
	assert_null(grant(&m, &bytes));
	assert_int_equal(alloc_deadline(&m.a), ALLOC_NEVER);
	ask(&m, &m.guests[1], 9, 0);
	assert_ptr_equal(grant(&m, &bytes), &m.guests[1]);
	assert_int_equal(bytes, 9);
	set_stock(&m, 65, 130);
	assert_null(grant(&m, &bytes));
}

/* A request goes before every window, which all leave half of the bucket. */
static void
test_windows_last(void **state)
{
	struct model m;
	uint64_t bytes;

	(void)state;
	model_init(&m, 3, 4096, NS_PER_SEC);
	for (size_t i = 0; i < m.n; i++)
		ask(&m, &m.guests[i], i == 2 ? 10 : 0, 1500);
	assert_ptr_equal(grant(&m, &bytes), &m.guests[2]);
	assert_int_equal(bytes, 10);
	assert_non_null(grant(&m, &bytes));
	assert_int_equal(bytes, 1500);
	assert_non_null(grant(&m, &bytes));
	assert_int_equal(bytes, 4096 / 2 - 1510);
	assert_null(grant(&m, &bytes));
	ask(&m, &m.guests[1], 2048, 0);
	assert_ptr_equal(grant(&m, &bytes), &m.guests[1]);
	assert_int_equal(bytes, 2048);
	/* They do not take bytes for which a request waits. */
	for (size_t i = 0; i < m.n; i++) {
		hand_on(&m, &m.guests[i], m.guests[i].held);
		ask(&m, &m.guests[i], i == 1 ? 100 : 0, i == 2 ? 11 : 0);
	}
	m.now += NS_PER_SEC * 60 / 4096;
	assert_null(grant(&m, &bytes));
	m.now = alloc_deadline(&m.a);
	assert_ptr_equal(grant(&m, &bytes), &m.guests[1]);
	assert_int_equal(bytes, GRANT_MIN);
}

/* A new worker has nothing of what the one before it was granted. */
static void
test_restart(void **state)
{
	struct model m;
	struct guest *g = &m.guests[0];
	uint64_t bytes;

	(void)state;
	model_init(&m, 1, 1000, NS_PER_SEC);
	for (int i = 0; i < 10; i++) {
		ask(&m, g, 100, 0);
		assert_ptr_equal(grant(&m, &bytes), g);
		alloc_restart(&m.a, &g->leaf, m.now, i % 2 == 0 ? 0 : g->held);
		g->granted = g->need = g->room = 0;
		assert_null(grant(&m, &bytes));
	}
	ask(&m, g, 100, 0);
	assert_null(grant(&m, &bytes));
	assert_int_equal(m.a.root.node.cap.tokens, 0);
}

/* Who holds what others wait for has it counted as used after a second. */
static void
test_hoard(void **state)
{
	struct model m;
	uint64_t bytes, since;

	(void)state;
	model_init(&m, 2, 1000, NS_PER_SEC);
	ask(&m, &m.guests[0], 1000, 0);
	assert_non_null(grant(&m, &bytes));
	ask(&m, &m.guests[1], 64, 0);
	since = m.now;
	m.now += 10;
	assert_null(grant(&m, &bytes));
	m.now = alloc_deadline(&m.a);
	assert_int_equal(m.now, since + ALLOC_HOARD_MAX);
	m.now--;
	assert_null(grant(&m, &bytes));
	assert_int_equal(m.a.root.node.outstanding, 1000);
	m.now++;
	assert_null(grant(&m, &bytes));
	assert_int_equal(m.a.root.node.outstanding, 0);
	m.now = alloc_deadline(&m.a);
	assert_ptr_equal(grant(&m, &bytes), &m.guests[1]);
	assert_int_equal(bytes, 64);
	/* What the hoarder says of the forgotten bytes counts no more. */
	ask(&m, &m.guests[0], 0, 0);
	assert_int_equal(m.a.root.node.outstanding, 64);
}

/* Grants all that two leaves may have, and returns how much that is. */
static uint64_t
grant_both(struct alloc *a, struct alloc_node *const leaves[2], uint64_t now,
    uint64_t *seed)
{
	struct alloc_node *leaf;
	uint64_t sum = 0, bytes;

	for (int i = 0; i < 2; i++)
		if (leaves[i] != NULL)
			alloc_want(a, leaves[i], now,
			    leaves[i]->granted + unit_below(seed, 3000), 0,
			    unit_below(seed, leaves[i]->outstanding + 1));
	while ((leaf = alloc_next(a, now, &bytes)) != NULL) {
		assert_true(leaf == leaves[0] || leaf == leaves[1]);
		sum += bytes;
	}
	return sum;
}

/*
 * A node that is inserted above a leaf, and extracted again, at any time: the
 * bound is that of one leaf, whatever its sibling gets.
 */
static void
test_insert(void **state)
{
	const struct alloc_share plenty = alloc_no_share(false),
				 none = alloc_no_share(true);
	const struct alloc_share own = { .rate = { 10000, NS_PER_SEC },
		.ceil = { 10000, NS_PER_SEC },
		.burst = 2000,
		.weight = 1,
		.generated = true };
	struct alloc_class class;
	struct alloc_node leaf, other, *leaves[2] = { &leaf, NULL };
	struct alloc_node *top = &leaf;
	uint64_t start = NS_PER_SEC, now = start, sum = 0, was;
	uint64_t seed = program_seed();
	struct alloc a;

	(void)state;
	alloc_init(&a, &plenty, now);
	alloc_add(&a, &leaf, &a.root.node, &own, now);
	for (int i = 0; i < 100000; i++) {
		now += unit_below(&seed, 20 * NS_PER_MS);
		sum += grant_both(&a, leaves, now, &seed);
		assert_true(sum <= 2000 + (now - start) / 100000);
		assert_true(
		    top->cap.tokens + (int64_t)top->outstanding <= 2000);
		assert_int_equal(top->meter.total, sum);
		if (unit_below(&seed, 4) > 0)
			continue;
		was = (uint64_t)top->cap.tokens;
		if (leaves[1] != NULL) {
			alloc_remove(&a, &other, now);
			alloc_extract(&a, &leaf, now);
			leaves[1] = NULL;
			top = &leaf;
		} else {
			alloc_insert(&a, &class, &leaf, now);
			alloc_add(&a, &other, &class.node, &none, now);
			leaves[1] = &other;
			top = &class.node;
		}
		assert_int_equal(top->cap.tokens, was);
		assert_ptr_equal(top->parent, &a.root.node);
	}
	/* Nothing was lost, either, but for what the bucket could not hold. */
	assert_true(sum > (now - start) / 100000 / 2);
}

/* A clock that goes back gives nothing twice; one that leaps, one burst. */
static void
test_clock_jumps(void **state)
{
	struct model m;
	uint64_t bytes;

	(void)state;
	model_init(&m, 1, 1000, NS_PER_SEC);
	ask(&m, &m.guests[0], PLENTY, 0);
	assert_int_equal(grant_all(&m), 1000);
	for (int i = 0; i < 5; i++) {
		m.now -= NS_PER_SEC;
		assert_int_equal(grant_all(&m), 0);
		m.now += NS_PER_SEC;
		assert_int_equal(grant_all(&m), 0);
	}
	m.now = 0;
	assert_null(grant(&m, &bytes));
	m.now = START + NS_PER_SEC / 2;
	assert_int_equal(grant_all(&m), 500);
	m.now = UINT64_MAX - 10 * NS_PER_SEC;
	assert_int_equal(grant_all(&m), 1000);
	m.now = UINT64_MAX - 1;
	assert_int_equal(grant_all(&m), 1000);
	assert_in_range(alloc_deadline(&m.a), m.now, ALLOC_NEVER);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bound),
		cmocka_unit_test(test_held_bytes_fill_bucket),
		cmocka_unit_test(test_equal_shares),
		cmocka_unit_test(test_lending),
		cmocka_unit_test(test_one_byte),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_often_or_seldom),
		cmocka_unit_test(test_unlimited),
		cmocka_unit_test(test_stock),
		cmocka_unit_test(test_windows_last),
		cmocka_unit_test(test_restart),
		cmocka_unit_test(test_hoard),
		cmocka_unit_test(test_insert),
		cmocka_unit_test(test_clock_jumps),
	};

	return UNIT_MAIN("alloc", tests);
}
