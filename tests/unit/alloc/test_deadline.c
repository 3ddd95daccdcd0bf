/*
 * When the allocator wants to be asked again: never too late, and not before
 * there is something to grant.
 */
#include "unit/alloc/alloc_model.h"

#define FOREVER (UINT64_C(1) << 62)

/*
 * Whether there would be a grant at `now`: tried, and taken back with all that
 * it has changed, since all nodes are in the model.
 */
static bool
would_grant(struct model *m, uint64_t now)
{
	struct model saved = *m;
	uint64_t bytes;
	bool granted = alloc_next(&m->a, now, &bytes) != NULL;

	*m = saved;
	return granted;
}

static void
check_deadline(struct model *m)
{
	uint64_t at = alloc_deadline(&m->a), bytes;
	struct guest *g;

	if (at == ALLOC_NEVER) {
		HOLDS(m, !would_grant(m, FOREVER));
		return;
	}
	HOLDS(m, at > m->now && at < FOREVER);
	HOLDS(m, !would_grant(m, at - 1));
	HOLDS(m, !would_grant(m, m->now + below(m, at - m->now)));
	m->now = at;
	HOLDS(m, (g = grant(m, &bytes)) != NULL);
	hand_on(m, g, bytes);
	report(m, g, g->held);
}

/* A pool with three guests, of one kind or the other, or of both. */
static void
new_model(struct model *m, uint64_t *seed, bool dry)
{
	const uint64_t bursts[] = { 1, 3, 63, 64, 1000, 4096, 99991, 1 << 20 };

	model_init(m, 3, bursts[unit_below(seed, 8)],
	    1 + unit_below(seed, 10 * NS_PER_SEC));
	m->game = m->seed = *seed;
	for (size_t i = 0; i < m->n; i++)
		generate(m, &m->guests[i], below(m, 2) == 0);
	if (dry)
		set_stock(m, 0, 1000);
}

/* Nothing is granted before the deadline, and something is at it. */
static void
deadlines(uint64_t back, bool windows, bool dry)
{
	struct model m;
	struct guest *g;
	uint64_t seed = program_seed(), bytes;

	for (unsigned int i = 0; i < 4000; i++) {
		if (i % 100 == 0)
			new_model(&m, &seed, dry);
		m.step = i;
		if (below(&m, 3) == 0)
			pass_time(&m);
		g = &m.guests[below(&m, m.n)];
		ask(&m, g, windows ? 0 : below(&m, 2 * m.burst),
		    windows ? below(&m, m.burst) : 0);
		while ((g = grant(&m, &bytes)) != NULL) {
			hand_on(&m, g, bytes);
			report(&m, g, g->held);
		}
		m.now -= below(&m, back);
		assert_null(grant(&m, &bytes));
		check_deadline(&m);
		m.now += back;
	}
}

static void
test_requests(void **state)
{
	(void)state;
	deadlines(0, false, false);
}

static void
test_windows(void **state)
{
	(void)state;
	deadlines(0, true, false);
}

static void
test_clock_back(void **state)
{
	(void)state;
	deadlines(NS_PER_SEC, false, false);
}

static void
test_no_stock(void **state)
{
	(void)state;
	deadlines(0, false, true);
	deadlines(0, true, true);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_requests),
		cmocka_unit_test(test_windows),
		cmocka_unit_test(test_clock_back),
		cmocka_unit_test(test_no_stock),
	};

	return UNIT_MAIN("deadline", tests);
}
