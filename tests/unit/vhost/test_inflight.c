/*
 * Requests in flight: what is recorded, and what another backend makes of it.
 */
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "vhost/device/inflight.h"
#include "common/proto.h"
#include "unit/unit.h"
#include "vhost/protocol/vhost_user.h"

#define NUM   16
#define GAMES 2000
#define STEPS 60

/* "DescStateSplit" and "QueueRegionSplit" of the specification. */
struct record {
	uint8_t inflight;
	uint8_t padding[5];
	uint16_t next;
	uint64_t counter;
};

struct record_region {
	uint64_t features;
	uint16_t version;
	uint16_t desc_num;
	uint16_t last_batch_head;
	uint16_t used_idx;
	struct record desc[NUM];
};

static void
attach(struct inflight *inf, struct record_region *r)
{
	assert_int_equal(inflight_attach(inf, r, sizeof(*r), NUM), 0);
}

/* A formatted region with nothing in flight. */
static void
start_fresh(struct inflight *inf, struct record_region *r, uint16_t used_idx)
{
	memset(r, 0, sizeof(*r));
	attach(inf, r);
	assert_int_equal(inflight_start(inf, used_idx), 0);
}

/* A new backend: these are in flight, in this order, and no others. */
static void
expect_resubmit(struct record_region *r, uint16_t used_idx, const int *heads,
    uint16_t n)
{
	struct inflight inf;

	attach(&inf, r);
	assert_int_equal(inflight_start(&inf, used_idx), n);
	for (uint16_t i = 0; i < n; i++)
		assert_int_equal(inflight_resubmit(&inf), heads[i]);
	assert_int_equal(inflight_resubmit(&inf), -1);
	assert_int_equal(inflight_resubmit(&inf), -1);
}

static void
test_size(void **state)
{
	(void)state;
	assert_int_equal(inflight_size(1), 64);
	assert_int_equal(inflight_size(3), 64);
	assert_int_equal(inflight_size(4), 128);
	assert_int_equal(inflight_size(256), 4160);
	assert_int_equal(inflight_size(32768), 524352);
	assert_true(
	    inflight_size(VHOST_USER_QUEUE_SIZE_MAX) <= INFLIGHT_SIZE_MAX);
}

static void
test_attach(void **state)
{
	_Alignas(64) static uint8_t bytes[sizeof(struct record_region) + 8];
	struct inflight inf = { 0 };
	uint64_t need = 16 + 16 * NUM;

	(void)state;
	assert_int_equal(inflight_attach(&inf, bytes, need - 1, NUM), -1);
	assert_int_equal(inflight_attach(&inf, bytes, 0, NUM), -1);
	assert_int_equal(inflight_attach(&inf, bytes + 4, need, NUM), -1);
	assert_int_equal(inflight_attach(&inf, bytes, need, 0), -1);
	assert_int_equal(inflight_attach(&inf, bytes, UINT64_MAX,
			     VHOST_USER_QUEUE_SIZE_MAX + 1),
	    -1);
	assert_null(inf.region);
	assert_int_equal(inflight_attach(&inf, bytes, need, NUM), 0);
	assert_int_equal(inflight_attach(&inf, bytes + 8, need, NUM), 0);
	assert_non_null(inf.region);
}

/* Without a region nothing is recorded, and nothing goes wrong. */
static void
test_unset(void **state)
{
	struct inflight inf = { 0 };

	(void)state;
	assert_int_equal(inflight_start(&inf, 9), 0);
	inflight_begin(&inf, 1);
	inflight_push(&inf, 1);
	inflight_publish(&inf, 10);
	assert_int_equal(inflight_resubmit(&inf), -1);
	inflight_stop(&inf);
}

/* Memory of unknown contents, or of a queue of another size, is set up. */
static void
test_format(void **state)
{
	const uint16_t versions[] = { 0, 1, 2, 0xa5a5 };
	const uint16_t sizes[] = { NUM, NUM - 1, NUM, NUM };
	struct record_region r;
	struct inflight inf;

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		memset(&r, 0xa5, sizeof(r));
		r.version = versions[i];
		r.desc_num = sizes[i];
		attach(&inf, &r);
		assert_int_equal(inflight_start(&inf, 65535), 0);
		assert_int_equal(r.version, 1);
		assert_int_equal(r.desc_num, NUM);
		assert_int_equal(r.used_idx, 65535);
		for (size_t j = 0; j < NUM; j++)
			assert_int_equal(r.desc[j].inflight, 0);
		inflight_begin(&inf, 3);
		expect_resubmit(&r, 65535, (int[]){ 3 }, 1);
	}
}

static void
test_order(void **state)
{
	struct record_region r;
	struct inflight inf;

	(void)state;
	start_fresh(&inf, &r, 0);
	inflight_begin(&inf, 5);
	inflight_begin(&inf, 0);
	inflight_begin(&inf, NUM - 1);
	inflight_begin(&inf, 2);
	expect_resubmit(&r, 0, (int[]){ 5, 0, NUM - 1, 2 }, 4);
	inflight_push(&inf, 0);
	inflight_push(&inf, 2);
	inflight_publish(&inf, 2);
	expect_resubmit(&r, 2, (int[]){ 5, NUM - 1 }, 2);
	attach(&inf, &r);
	assert_int_equal(inflight_start(&inf, 2), 2);
	inflight_begin(&inf, 1);
	expect_resubmit(&r, 2, (int[]){ 5, NUM - 1, 1 }, 3);
	inflight_stop(&inf);
	expect_resubmit(&r, 2, NULL, 0);
}

/* The guest may have seen the used index that the region does not have yet. */
static void
test_last_batch(void **state)
{
	struct record_region r;
	struct inflight inf;

	(void)state;
	for (uint16_t used = 65533; used != 3; used++) {
		start_fresh(&inf, &r, used);
		for (uint32_t i = 4; i < 8; i++)
			inflight_begin(&inf, i);
		inflight_push(&inf, 6);
		inflight_push(&inf, 4);
		expect_resubmit(&r, used, (int[]){ 4, 5, 6, 7 }, 4);
		expect_resubmit(&r, used + 2, (int[]){ 5, 7 }, 2);
		assert_int_equal(r.used_idx, (uint16_t)(used + 2));
		expect_resubmit(&r, used + 2, (int[]){ 5, 7 }, 2);
	}
}

/* Equal counters: each request is done once all the same. */
static void
test_equal_counters(void **state)
{
	struct record_region r;
	struct inflight inf;

	(void)state;
	start_fresh(&inf, &r, 0);
	for (uint32_t i = 0; i < NUM; i++) {
		inflight_begin(&inf, i);
		r.desc[i].counter = i < NUM / 2 ? 7 : 3;
	}
	attach(&inf, &r);
	assert_int_equal(inflight_start(&inf, 0), NUM);
	for (int i = NUM / 2; i < NUM; i++)
		assert_int_equal(inflight_resubmit(&inf), i);
	for (int i = 0; i < NUM / 2; i++)
		assert_int_equal(inflight_resubmit(&inf), i);
	assert_int_equal(inflight_resubmit(&inf), -1);
}

static void
test_bad_heads(void **state)
{
	struct record_region r, before;
	struct inflight inf;

	(void)state;
	start_fresh(&inf, &r, 0);
	before = r;
	for (uint32_t head = NUM; head != 0; head *= 2) {
		inflight_begin(&inf, head);
		inflight_push(&inf, head);
	}
	assert_memory_equal(&r, &before, sizeof(r));
}

/* Whatever the frontend writes there: an end, and heads in range. */
static void
test_hostile(void **state)
{
	uint64_t seed = program_seed(), game;
	struct record_region r;
	struct inflight inf;
	int head, n;

	(void)state;
	for (unsigned int i = 0; i < GAMES; i++) {
		game = seed + i;
		unit_fill((uint8_t *)&r, sizeof(r), game);
		r.version = 1;
		r.desc_num = NUM;
		attach(&inf, &r);
		n = inflight_start(&inf, (uint16_t)unit_random(&game));
		if (n > NUM)
			fail_msg("seed %ju: %d in flight", (uintmax_t)seed, n);
		while ((head = inflight_resubmit(&inf)) != -1) {
			if (head < 0 || head >= NUM || n-- == 0)
				fail_msg("seed %ju", (uintmax_t)(seed + i));
			inflight_push(&inf, (uint32_t)head);
			if (unit_below(&game, 2) == 0)
				unit_fill((uint8_t *)&r, sizeof(r), game);
			if (unit_below(&game, 2) == 0)
				inflight_publish(&inf, (uint16_t)game);
		}
	}
}

/* A backend that dies again and again, and what the guest has seen. */
struct play {
	struct record_region region;
	struct inflight inf;
	uint64_t seed;
	uint16_t used_idx;
	uint16_t pushed; /* heads, not yet visible */
	int batch[NUM];
	int begun[NUM]; /* heads, in order */
	uint16_t nbegun;
};

static void
drop_begun(struct play *p, int head)
{
	uint16_t kept = 0;

	for (uint16_t i = 0; i < p->nbegun; i++)
		if (p->begun[i] != head)
			p->begun[kept++] = p->begun[i];
	p->nbegun = kept;
}

static bool
is_in(const int *heads, uint16_t n, int head)
{
	for (uint16_t i = 0; i < n; i++)
		if (heads[i] == head)
			return true;
	return false;
}

static void
die(struct play *p)
{
	expect_resubmit(&p->region, p->used_idx, p->begun, p->nbegun);
	attach(&p->inf, &p->region);
	assert_int_equal(inflight_start(&p->inf, p->used_idx), p->nbegun);
	for (uint16_t i = 0; i < p->nbegun; i++)
		assert_int_equal(inflight_resubmit(&p->inf), p->begun[i]);
	p->pushed = 0;
}

static void
play_step(struct play *p)
{
	int head = (int)unit_below(&p->seed, NUM);

	switch (unit_below(&p->seed, 8)) {
	case 0:
		die(p);
		break;
	case 1:
		p->used_idx += p->pushed;
		for (uint16_t i = 0; i < p->pushed; i++)
			drop_begun(p, p->batch[i]);
		p->pushed = 0;
		if (unit_below(&p->seed, 3) == 0)
			die(p);
		else
			inflight_publish(&p->inf, p->used_idx);
		break;
	default:
		if (!is_in(p->begun, p->nbegun, head)) {
			inflight_begin(&p->inf, (uint32_t)head);
			p->begun[p->nbegun++] = head;
		} else if (!is_in(p->batch, p->pushed, head)) {
			inflight_push(&p->inf, (uint32_t)head);
			p->batch[p->pushed++] = head;
		}
	}
}

static void
test_deaths(void **state)
{
	struct play p;

	(void)state;
	for (uint64_t i = 0; i < GAMES; i++) {
		memset(&p, 0, sizeof(p));
		p.seed = i;
		p.used_idx = (uint16_t)(65500 + i);
		start_fresh(&p.inf, &p.region, p.used_idx);
		for (int j = 0; j < STEPS; j++)
			play_step(&p);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_size),
		cmocka_unit_test(test_attach),
		cmocka_unit_test(test_unset),
		cmocka_unit_test(test_format),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_last_batch),
		cmocka_unit_test(test_equal_counters),
		cmocka_unit_test(test_bad_heads),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_deaths),
	};

	return UNIT_MAIN("inflight", tests);
}
