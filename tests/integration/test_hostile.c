/*
 * A guest whose descriptors and indices are malformed.  Its ring goes on; the
 * other guest and the daemon do not notice.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "integration/hostile.h"
#include "integration/untouched.h"

#define BAD 32 /* descriptors from here on are the tests' own */
#define W   FE_DESC_WRITE
#define N   FE_DESC_NEXT
#define I   FE_DESC_INDIRECT

/*
 * Submit a bad chain: it is completed with its id, and of the guest's memory
 * nothing is written but its buffers; returns the length.
 */
static uint32_t
submit(struct suite *s, uint16_t head)
{
	struct fe_used_elem elem;
	struct untouched u;

	untouched_begin(&u, &s->fe, head);
	fe_publish(&s->fe, head);
	fe_kick(&s->fe);
	CHECK(fe_wait(&s->fe, 1, FE_TIMEOUT_MS));
	assert_int_equal(fe_pop(&s->fe, &elem), 1);
	assert_int_equal(elem.id, head);
	assert_int_equal(fe_pending(&s->fe), 0);
	untouched_end(&u, &s->fe);
	return elem.len;
}

/* A request is served after whatever completions the attack has led to. */
static void
served_after(struct suite *s)
{
	struct fe_used_elem elem = { UINT32_MAX, 0 };
	int head, tries;

	head = fe_add_one(&s->fe, FE_BUF_GPA, 64);
	assert_int_not_equal(head, -1);
	fe_kick_always(&s->fe);
	for (tries = 0; tries < 100 && elem.id != (uint32_t)head; tries++) {
		CHECK(fe_wait(&s->fe, 1, FE_TIMEOUT_MS));
		assert_int_equal(fe_pop(&s->fe, &elem), 1);
	}
	assert_int_equal(elem.id, head);
	assert_int_equal(elem.len, 64);
	suite_served(&s->fe);
}

static void
test_loops(void **state)
{
	struct suite *s = *state;
	struct fe *fe = &s->fe;
	uint16_t i;

	hostile_up(s);
	fe_desc_set(fe, BAD, FE_BUF_GPA, 64, W | N, BAD);
	assert_in_range(submit(s, BAD), 0, 65536);
	suite_served(fe);
	fe_desc_set(fe, BAD, FE_BUF_GPA, 64, W | N, BAD + 1);
	fe_desc_set(fe, BAD + 1, FE_BUF_GPA, 64, W | N, BAD);
	assert_in_range(submit(s, BAD), 0, 65536);
	suite_served(fe);
	fe_desc_set(fe, BAD, FE_BUF_GPA, 0, W | N, BAD + 1);
	fe_desc_set(fe, BAD + 1, FE_BUF_GPA, 0, W | N, BAD);
	assert_int_equal(submit(s, BAD), 0);
	suite_served(fe);
	for (i = 0; i < 64; i++)
		fe_desc_set(fe, i, FE_BUF_GPA, 1, W | N,
		    (uint16_t)((i + 1) % 64));
	assert_in_range(submit(s, 5), 0, 65536);
	suite_served(fe);
	hostile_end(s);
}

static void
test_next_out_of_range(void **state)
{
	const uint16_t bad[] = { 64, 65, 0x7fff, 0xffff };
	struct suite *s = *state;
	size_t i;

	hostile_up(s);
	for (i = 0; i < 4; i++) {
		fe_desc_set(&s->fe, BAD, FE_BUF_GPA, 64, W | N, bad[i]);
		assert_in_range(submit(s, BAD), 0, 64);
		suite_served(&s->fe);
	}
	hostile_end(s);
}

static void
test_head_out_of_range(void **state)
{
	const uint16_t bad[] = { 64, 65, 0x8000, 0xffff };
	struct suite *s = *state;
	size_t i;

	hostile_up(s);
	for (i = 0; i < 4; i++) {
		fe_publish(&s->fe, bad[i]);
		served_after(s);
	}
	hostile_end(s);
}

/* Indirect descriptors that are wrong by themselves: nothing is usable. */
static void
test_indirect_bad(void **state)
{
	const struct fe_desc bad[] = { { FE_TABLE_GPA, 0, I, 0 },
		{ FE_TABLE_GPA, 15, I, 0 }, { FE_TABLE_GPA, 17, I, 0 },
		{ FE_TABLE_GPA, 0xfffffff0, I, 0 }, { FE_MEM_END, 16, I, 0 },
		{ FE_MEM_END - 16, 32, I, 0 }, { UINT64_MAX - 15, 32, I, 0 },
		{ FE_UVA_BASE, 16, I, 0 } };
	struct suite *s = *state;
	struct fe_desc *table;
	size_t i;

	hostile_up(s);
	table = fe_ptr(&s->fe, FE_TABLE_GPA, sizeof(*table));
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		*table = fe_entry(&s->fe, FE_BUF_GPA, 64, W, 0);
		s->fe.ring.desc[BAD] = bad[i];
		assert_in_range(submit(s, BAD), 0, 64);
		suite_served(&s->fe);
	}
	hostile_end(s);
}

/* Tables whose entries are wrong, and flags beside INDIRECT. */
static void
test_indirect_tables(void **state)
{
	struct suite *s = *state;
	struct fe *fe = &s->fe;
	struct fe_desc *t;
	uint32_t i;

	hostile_up(s);
	t = fe_ptr(fe, FE_TABLE_GPA, 4096 * sizeof(*t));
	t[0] = fe_entry(fe, FE_TABLE_GPA, 16, I, 0);
	fe_desc_set(fe, BAD, FE_TABLE_GPA, 16, I, 0);
	assert_int_equal(submit(s, BAD), 0);
	t[0] = fe_entry(fe, FE_BUF_GPA, 64, W | N, 0);
	assert_in_range(submit(s, BAD), 0, 65536);
	t[0] = fe_entry(fe, FE_BUF_GPA, 64, W | N, 1);
	assert_in_range(submit(s, BAD), 0, 64);
	t[0] = fe_entry(fe, FE_BUF_GPA, 64, W | N, 0xffff);
	assert_in_range(submit(s, BAD), 0, 64);

	t[0] = fe_entry(fe, FE_BUF_GPA, 64, W, 0);
	fe_desc_set(fe, BAD, FE_TABLE_GPA, 16, I | N, BAD + 1);
	fe_desc_set(fe, BAD + 1, FE_BUF_GPA, 64, W, 0);
	assert_in_range(submit(s, BAD), 0, 128);
	suite_served(fe);
	/* The device must ignore WRITE here (virtio 1.2, 2.7.5.3.2). */
	fe_desc_set(fe, BAD, FE_TABLE_GPA, 16, I | W, 0);
	assert_int_equal(submit(s, BAD), 64);

	for (i = 0; i < 4096; i++)
		t[i] = fe_entry(fe, FE_BUF_GPA, 1, W | N, (uint16_t)(i + 1));
	t[4095] = fe_entry(fe, FE_BUF_GPA, 1, W, 0);
	fe_desc_set(fe, BAD, FE_TABLE_GPA, 65536, I, 0);
	assert_in_range(submit(s, BAD), 0, 4096);
	suite_served(fe);
	hostile_end(s);
}

static void
test_zero_length(void **state)
{
	struct suite *s = *state;
	struct fe *fe = &s->fe;

	hostile_up(s);
	fe_desc_set(fe, BAD, FE_BUF_GPA, 0, W, 0);
	assert_int_equal(submit(s, BAD), 0);
	fe_desc_set(fe, BAD, FE_BUF_GPA, 0, W | N, BAD + 1);
	fe_desc_set(fe, BAD + 1, FE_BUF_GPA, 64, W | N, BAD + 2);
	fe_desc_set(fe, BAD + 2, FE_MEM_END, 0, W | N, BAD + 3);
	fe_desc_set(fe, BAD + 3, FE_BUF_GPA + 64, 36, W, 0);
	assert_in_range(submit(s, BAD), 64, 100);
	suite_served(fe);
	hostile_end(s);
}

static void
test_readable(void **state)
{
	struct suite *s = *state;
	struct fe *fe = &s->fe;
	uint8_t *p;

	hostile_up(s);
	p = fe_ptr(fe, FE_BUF_GPA, 64);
	memset(p, 0xaa, 64);
	fe_desc_set(fe, BAD, FE_BUF_GPA, 64, 0, 0);
	assert_int_equal(submit(s, BAD), 0);
	fe_desc_set(fe, BAD, FE_BUF_GPA, 64, N, BAD + 1);
	fe_desc_set(fe, BAD + 1, FE_BUF_GPA + 64, 64, W, 0);
	assert_in_range(submit(s, BAD), 0, 64);
	assert_true(p[0] == 0xaa && p[63] == 0xaa);
	suite_served(fe);
	memset(p, 0xaa, 64);
	fe_desc_set(fe, BAD, FE_BUF_GPA + 64, 64, W | N, BAD + 1);
	fe_desc_set(fe, BAD + 1, FE_BUF_GPA, 64, 0, 0);
	assert_int_equal(submit(s, BAD), 64);
	assert_true(p[0] == 0xaa && p[63] == 0xaa);
	hostile_end(s);
}

static void
test_addresses(void **state)
{
	const struct fe_seg bad[] = { { FE_MEM_END, 64 },
		{ FE_MEM_END + 1, 0xffffffff }, { UINT64_MAX, 1 },
		{ UINT64_MAX - 15, 64 }, { UINT64_MAX - 0xfff, 0xffffffff },
		{ FE_UVA_BASE, 64 }, { UINT64_C(1) << 63, 64 } };
	struct suite *s = *state;
	struct fe *fe = &s->fe;
	size_t i;

	hostile_up(s);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		fe_desc_set(fe, BAD, bad[i].gpa, bad[i].len, W, 0);
		assert_int_equal(submit(s, BAD), 0);
		fe_desc_set(fe, BAD, FE_BUF_GPA, 40, W | N, BAD + 1);
		fe_desc_set(fe, BAD + 1, bad[i].gpa, bad[i].len, W, 0);
		assert_int_equal(submit(s, BAD), 40);
		suite_served(fe);
	}
	fe_desc_set(fe, BAD, FE_MEM_END - 32, 64, W, 0);
	assert_in_range(submit(s, BAD), 0, 32);
	fe_desc_set(fe, BAD, FE_MEM_END - 32, 0xffffffff, W, 0);
	assert_in_range(submit(s, BAD), 0, 32);
	suite_served(fe);
	hostile_end(s);
}

/* A chain whose lengths add up to more than 32 bits hold. */
static void
test_sum(void **state)
{
	struct suite *s = *state;
	uint16_t i;

	hostile_up(s);
	for (i = BAD; i < 64; i++)
		fe_desc_set(&s->fe, i, FE_BUF_GPA, 0x100000, W | N,
		    (uint16_t)(i + 1));
	s->fe.ring.desc[63].flags = W;
	assert_in_range(submit(s, BAD), 1, 65536);
	for (i = BAD; i < 64; i++)
		s->fe.ring.desc[i].len = 0xffffffff;
	assert_in_range(submit(s, BAD), 0, 0x180000);
	suite_served(&s->fe);
	hostile_end(s);
}

/* More requests than the ring can hold, at once or backwards. */
static void
test_avail_jump(void **state)
{
	const int jumps[] = { 65, 100, 0x7fff, 0x8000, -1, -64 };
	struct suite *s = *state;
	size_t i;

	for (i = 0; i < sizeof(jumps) / sizeof(jumps[0]); i++) {
		hostile_up(s);
		fe_avail_idx_set(&s->fe,
		    (uint16_t)(s->fe.ring.avail_idx + jumps[i]));
		fe_kick_always(&s->fe);
		hostile_other(s);
		hostile_not_spinning(s, "vm0");
		hostile_closed_or_works(s);
		fe_close(&s->fe);
	}
	hostile_end(s);
}

/* Four gigabytes asked for with every entry, time and again. */
static void
test_huge_buffers(void **state)
{
	struct suite *s = *state;
	struct fe *fe = &s->fe;
	struct fe_used_elem elem;
	int i, k;

	fe_init(fe);
	CHECK(fe_connect(fe, daemon_path(&s->d, "vm0.sock")));
	CHECK(fe_mem_default(fe));
	CHECK(fe_mem_add(fe, FE_MEM_END, 64 << 20, 0));
	CHECK(fe_ring_init(fe, 256, FE_RING_GPA));
	CHECK(fe_handshake(fe, QEMU_FEATURES, QEMU_PFEATURES));
	CHECK(fe_start(fe));
	for (k = 0; k < 3; k++) {
		for (i = 0; i < 256; i++)
			fe_add_one(fe, FE_MEM_END, 64 << 20);
		fe_kick(fe);
		hostile_other(s);
		CHECK(fe_wait(fe, 256, 2 * FE_TIMEOUT_MS));
		for (i = 0; i < 256; i++) {
			assert_int_equal(fe_pop(fe, &elem), 1);
			assert_in_range(elem.len, 1, 65536);
		}
	}
	hostile_end(s);
}

/* Random descriptors, indices and flags; the ring is left as it is. */
static void
test_ring_fuzz(void **state)
{
	struct suite *s = *state;
	struct fe *fe = &s->fe;
	uint64_t first = program_seed(), seed;
	uint32_t i, k;

	for (seed = first; seed < first + 30; seed++) {
		uint64_t x = seed;

		suite_up_qemu(s, fe, "vm0");
		for (k = 0; k < 20; k++) {
			for (i = 0; i < 64; i++)
				fe_desc_set(fe, i,
				    hostile_rand(&x) % (FE_MEM_END + 8192) &
					~UINT64_C(0xff) & 0x3fffff,
				    hostile_rand(&x) >> hostile_rand(&x) % 32,
				    hostile_rand(&x) % 8,
				    (uint16_t)(hostile_rand(&x) % 70));
			for (i = 0; i < 16; i++)
				fe_publish(fe,
				    (uint16_t)(hostile_rand(&x) % 66));
			fe_kick_always(fe);
			usleep(500);
		}
		hostile_closed_or_works(s);
		fe_close(fe);
	}
	hostile_end(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { HOSTILE_TEST(test_loops),
		HOSTILE_TEST(test_next_out_of_range),
		HOSTILE_TEST(test_head_out_of_range),
		HOSTILE_TEST(test_indirect_bad),
		HOSTILE_TEST(test_indirect_tables),
		HOSTILE_TEST(test_zero_length), HOSTILE_TEST(test_readable),
		HOSTILE_TEST(test_addresses), HOSTILE_TEST(test_sum),
		HOSTILE_TEST(test_avail_jump), HOSTILE_TEST(test_huge_buffers),
		HOSTILE_TEST(test_ring_fuzz), HOSTILE_PACKED(test_loops),
		HOSTILE_PACKED(test_next_out_of_range),
		HOSTILE_PACKED(test_head_out_of_range),
		HOSTILE_PACKED(test_indirect_bad),
		HOSTILE_PACKED(test_indirect_tables),
		HOSTILE_PACKED(test_zero_length), HOSTILE_PACKED(test_readable),
		HOSTILE_PACKED(test_addresses), HOSTILE_PACKED(test_sum),
		HOSTILE_PACKED(test_avail_jump),
		HOSTILE_PACKED(test_huge_buffers),
		HOSTILE_PACKED(test_ring_fuzz) };

	return SUITE_MAIN("hostile", tests);
}
