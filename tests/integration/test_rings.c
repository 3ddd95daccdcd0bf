/*
 * The virtqueue: sizes, segments, indirect tables, notifications both ways,
 * and rings that stop, move and start again.
 */
#include <sys/eventfd.h>

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "integration/suite.h"

#define QUIET_MS 150

/* Submit n requests of len bytes side by side, and wait for all of them. */
static void
batch(struct fe *fe, unsigned int n, uint32_t len)
{
	struct fe_used_elem elem;
	unsigned int i;

	fe_mem_fill(fe, FE_BUF_GPA, 0, (size_t)n * len);
	for (i = 0; i < n; i++)
		assert_int_not_equal(
		    fe_add_one(fe, FE_BUF_GPA + (uint64_t)i * len, len), -1);
	fe_kick(fe);
	CHECK(fe_wait(fe, n, FE_TIMEOUT_MS));
	for (i = 0; i < n; i++) {
		assert_int_equal(fe_pop(fe, &elem), 1);
		assert_int_equal(elem.len, len);
	}
	assert_int_equal(fe_pending(fe), 0);
	if ((size_t)n * len >= 128)
		suite_unique(fe_ptr(fe, FE_BUF_GPA, (size_t)n * len),
		    (size_t)n * len);
}

/* Whether an eventfd stays silent for a while. */
static bool
quiet(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	return poll(&pfd, 1, QUIET_MS) == 0;
}

static void
queue_size(struct suite *s, uint32_t size, uint64_t features)
{
	int i;

	suite_up(s, &s->fe, "vm0", size, features, QEMU_PFEATURES);
	for (i = 0; i < 100; i++)
		suite_served(&s->fe);
	for (i = 0; i < 3; i++)
		batch(&s->fe, size, 16);
	suite_served(&s->fe);
	fe_close(&s->fe);
}

static void
test_queue_sizes(void **state)
{
	const uint32_t sizes[] = { 1, 2, 4, 256, 1024, 32768 };
	struct suite *s = *state;
	size_t i;

	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		queue_size(s, sizes[i], QEMU_FEATURES);
		queue_size(s, sizes[i], PLAIN_FEATURES);
	}
	suite_pass(s);
}

/* After a request: segments hold random bytes, nothing else has changed. */
static void
check_segments(struct fe *fe, const struct fe_seg *segs, size_t n,
    uint64_t from, uint64_t to)
{
	uint8_t buf[8192];
	uint64_t gpa;
	size_t i;
	bool inside;

	for (gpa = from; gpa < to; gpa++) {
		for (i = 0, inside = false; i < n && !inside; i++)
			inside = gpa >= segs[i].gpa &&
			    gpa < segs[i].gpa + segs[i].len;
		if (!inside)
			assert_int_equal(*(uint8_t *)fe_ptr(fe, gpa, 1), 0xaa);
	}
	for (i = 0; i < n; i++) {
		if (segs[i].len < 16)
			continue;
		CHECK(fe_mem_read(fe, segs[i].gpa, buf, segs[i].len));
		suite_random(buf, segs[i].len);
	}
}

static void
run_segments(struct fe *fe, const struct fe_seg *segs, size_t n, bool indirect,
    uint64_t from, uint64_t to)
{
	struct fe_used_elem elem;
	uint32_t total = 0;
	size_t i;
	int head;

	for (i = 0; i < n; i++)
		total += segs[i].len;
	CHECK(fe_mem_fill(fe, from, 0xaa, to - from));
	head = indirect ? fe_add_indirect(fe, FE_TABLE_GPA, segs, n)
			: fe_add(fe, segs, n);
	assert_int_not_equal(head, -1);
	fe_kick(fe);
	CHECK(fe_wait(fe, 1, FE_TIMEOUT_MS));
	assert_int_equal(fe_pop(fe, &elem), 1);
	assert_int_equal(elem.id, head);
	assert_int_equal(elem.len, total);
	check_segments(fe, segs, n, from, to);
}

static const struct fe_seg segments[] = { { FE_BUF_GPA + 0x3000, 100 },
	{ FE_BUF_GPA + 1, 1 }, { FE_BUF_GPA + 0x101, 63 },
	{ FE_BUF_GPA + 0x0ff8, 4096 }, { FE_BUF_GPA + 0x2800, 7 } };

static void
test_segments(void **state)
{
	struct suite *s = *state;
	size_t i, n;

	suite_up_qemu(s, &s->fe, "vm0");
	for (i = 0; i < 40; i++) {
		n = i % 5 + 1;
		run_segments(&s->fe, segments, n, false, FE_BUF_GPA,
		    FE_BUF_GPA + 0x4000);
		run_segments(&s->fe, segments, n, true, FE_BUF_GPA,
		    FE_BUF_GPA + 0x4000);
	}
	suite_pass(s);
}

/* As many segments as the queue has entries. */
static void
test_full_chain(void **state)
{
	struct suite *s = *state;
	struct fe_seg segs[64];
	size_t i;

	for (i = 0; i < 64; i++)
		segs[i] = (struct fe_seg){ FE_BUF_GPA + i * 100, 33 };
	suite_up_qemu(s, &s->fe, "vm0");
	for (i = 0; i < 4; i++) {
		run_segments(&s->fe, segs, 64, false, FE_BUF_GPA,
		    FE_BUF_GPA + 6400);
		run_segments(&s->fe, segs, 64, true, FE_BUF_GPA,
		    FE_BUF_GPA + 6400);
	}
	suite_pass(s);
}

/* A buffer, and an indirect table, that lie in two regions. */
static void
test_straddle(void **state)
{
	struct suite *s = *state;
	struct fe_seg segs[] = { { FE_SPLIT_GPA - 30, 64 },
		{ FE_SPLIT_GPA - 2000, 1900 } };
	struct fe_desc *table;

	suite_up_qemu(s, &s->fe, "vm0");
	run_segments(&s->fe, segs, 2, false, FE_SPLIT_GPA - FE_PAGE,
	    FE_SPLIT_GPA + FE_PAGE);
	run_segments(&s->fe, segs, 2, true, FE_SPLIT_GPA - FE_PAGE,
	    FE_SPLIT_GPA + FE_PAGE);

	table = fe_ptr(&s->fe, FE_SPLIT_GPA - 16, 16);
	*table =
	    fe_entry(&s->fe, FE_BUF_GPA, 40, FE_DESC_WRITE | FE_DESC_NEXT, 1);
	table = fe_ptr(&s->fe, FE_SPLIT_GPA, 16);
	*table = fe_entry(&s->fe, FE_BUF_GPA + 100, 50, FE_DESC_WRITE, 0);
	fe_desc_set(&s->fe, s->fe.ring.free_head, FE_SPLIT_GPA - 16, 32,
	    FE_DESC_INDIRECT, 0);
	fe_publish(&s->fe, (uint16_t)s->fe.ring.free_head);
	fe_kick(&s->fe);
	CHECK(fe_wait(&s->fe, 1, FE_TIMEOUT_MS));
	suite_pass(s);
}

/* More than 64 KiB is served short, and nothing beyond is touched. */
static void
test_large(void **state)
{
	struct suite *s = *state;
	uint8_t *buf;
	uint32_t i;
	int n;

	suite_up_qemu(s, &s->fe, "vm0");
	buf = fe_ptr(&s->fe, FE_BUF_GPA, 300000);
	memset(buf, 0xaa, 300000);
	n = fe_read(&s->fe, NULL, 300000, FE_TIMEOUT_MS);
	assert_in_range(n, 1, 65536);
	suite_random(buf, (size_t)n);
	for (i = (uint32_t)n; i < 300000; i++)
		assert_int_equal(buf[i], 0xaa);
	n = fe_read(&s->fe, NULL, 65536, FE_TIMEOUT_MS);
	assert_in_range(n, 1, 65536);
	suite_unique(buf, (size_t)n);
	suite_pass(s);
}

/* Indices that start just below the wrap and go through it. */
static void
test_index_wrap(void **state)
{
	struct suite *s = *state;
	struct fe *fe = &s->fe;
	int i, k;

	for (k = 0; k < 2; k++) {
		fe_init(fe);
		CHECK(fe_connect(fe, daemon_path(&s->d, "vm0.sock")));
		CHECK(fe_mem_default(fe));
		CHECK(fe_ring_init(fe, 64, FE_RING_GPA));
		fe_ring_set_idx(fe, 65500);
		CHECK(fe_handshake(fe, k ? QEMU_FEATURES : PLAIN_FEATURES,
		    QEMU_PFEATURES));
		CHECK(fe_start(fe));
		for (i = 0; i < 20; i++)
			batch(fe, (unsigned int)i % 7 + 1, 64);
		for (i = 0; i < 10; i++)
			batch(fe, 64, 64);
		assert_true(fe->ring.used_idx < 2000);
		assert_int_equal(fe_stop(fe), fe_next(fe));
		fe_close(fe);
	}
	suite_pass(s);
}

/* No interrupt before used_event, one at it. */
static void
test_used_event(void **state)
{
	struct suite *s = *state;
	struct fe *fe = &s->fe;
	struct fe_used_elem elem;
	uint64_t calls;
	int i;

	suite_up_qemu(s, fe, "vm0");
	suite_served(fe);
	for (i = 0; i < 3; i++) {
		fe_used_event_set(fe, (uint16_t)(fe->ring.used_idx + 8));
		fe_drain_call(fe);
		fe_add_one(fe, FE_BUF_GPA, 64);
		fe_add_one(fe, FE_BUF_GPA + 64, 64);
		fe_kick(fe);
		CHECK(fe_wait_polling(fe, 2, FE_TIMEOUT_MS));
		assert_true(quiet(fe->call));
		assert_int_equal(fe_pop(fe, &elem), 1);
		assert_int_equal(fe_pop(fe, &elem), 1);
		calls = fe->ring.calls;
		batch(fe, 40, 64);
		fe_drain_call(fe);
		assert_in_range(fe->ring.calls - calls, 1, 4);
	}
	suite_pass(s);
}

/* After each request the backend asks for a kick at the next one. */
static void
test_avail_event(void **state)
{
	struct suite *s = *state;
	struct fe *fe = &s->fe;
	uint64_t deadline;
	int i;

	suite_up_qemu(s, fe, "vm0");
	for (i = 0; i < 200; i++) {
		suite_served(fe);
		deadline = fe_now() + FE_TIMEOUT_MS;
		while (fe_avail_event(fe) != fe->ring.avail_idx &&
		    fe_now() < deadline)
			usleep(100);
		assert_int_equal(fe_avail_event(fe), fe->ring.avail_idx);
	}
	suite_pass(s);
}

static void
test_no_interrupt(void **state)
{
	struct suite *s = *state;
	struct fe *fe = &s->fe;
	struct fe_used_elem elem;

	suite_up(s, fe, "vm0", 64, PLAIN_FEATURES, QEMU_PFEATURES);
	suite_served(fe);
	fe_avail_flags_set(fe, FE_AVAIL_NO_INTERRUPT);
	fe_drain_call(fe);
	fe_add_one(fe, FE_BUF_GPA, 64);
	fe_kick(fe);
	CHECK(fe_wait_polling(fe, 1, FE_TIMEOUT_MS));
	assert_true(quiet(fe->call));
	assert_int_equal(fe_pop(fe, &elem), 1);
	fe_avail_flags_set(fe, 0);
	suite_served(fe);
	suite_pass(s);
}

/* Requests made while the ring is disabled are seen when it is enabled. */
static void
test_enable(void **state)
{
	struct suite *s = *state;
	struct fe *fe = &s->fe;
	struct fe_used_elem elem;
	int i;

	suite_up_qemu(s, fe, "vm0");
	for (i = 0; i < 3; i++) {
		suite_served(fe);
		CHECK(fe_set_state(fe, FE_SET_VRING_ENABLE, 0));
		fe_add_one(fe, FE_BUF_GPA, 64);
		fe_kick_always(fe);
		assert_int_equal(fe_wait(fe, 1, QUIET_MS), -1);
		CHECK(fe_set_state(fe, FE_SET_VRING_ENABLE, 1));
		CHECK(fe_wait(fe, 1, FE_TIMEOUT_MS));
		assert_int_equal(fe_pop(fe, &elem), 1);
	}
	suite_pass(s);
}

/* As QEMU may: the request is there before the ring is. */
static void
test_request_before_start(void **state)
{
	struct suite *s = *state;
	struct fe *fe = &s->fe;

	fe_init(fe);
	CHECK(fe_connect(fe, daemon_path(&s->d, "vm0.sock")));
	CHECK(fe_mem_default(fe));
	CHECK(fe_ring_init(fe, 64, FE_RING_GPA));
	CHECK(fe_handshake(fe, QEMU_FEATURES, QEMU_PFEATURES));
	fe_add_one(fe, FE_BUF_GPA, 64);
	fe_kick_always(fe);
	CHECK(fe_start(fe));
	CHECK(fe_wait(fe, 1, FE_TIMEOUT_MS));
	suite_pass(s);
}

/*
 * IN_ORDER (virtio 1.2, 6): buffers are used as they were made available, large
 * ones, chains and those with a fault among them.
 */
static void
test_in_order(void **state)
{
	const struct fe_seg chain[] = { { FE_BUF_GPA, 7 },
		{ FE_BUF_GPA + FE_PAGE, 100 } };
	struct suite *s = *state;
	struct fe *fe = &s->fe;
	struct fe_used_elem elem;
	int heads[16];

	suite_up(s, fe, "vm0", 64, QEMU_FEATURES | FE_F_IN_ORDER,
	    QEMU_PFEATURES);
	for (int i = 0; i < 30; i++) {
		for (int n = 0; n < 16; n++) {
			heads[n] = n % 4 == 3 ? fe_add(fe, chain, 2)
			    : n % 4 == 2      ? fe_add_one(fe, FE_MEM_END, 64)
					      : fe_add_one(fe, FE_BUF_GPA,
						    n % 4 == 1 ? 60000 : 64);
			assert_int_not_equal(heads[n], -1);
		}
		fe_kick(fe);
		CHECK(fe_wait(fe, 16, FE_TIMEOUT_MS));
		for (int n = 0; n < 16; n++) {
			assert_int_equal(fe_pop(fe, &elem), 1);
			assert_int_equal(elem.id, heads[n]);
		}
	}
	suite_pass(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { SUITE_TEST(test_queue_sizes),
		SUITE_TEST(test_segments), SUITE_TEST(test_full_chain),
		SUITE_TEST(test_straddle), SUITE_TEST(test_large),
		SUITE_TEST(test_index_wrap), SUITE_TEST(test_used_event),
		SUITE_TEST(test_avail_event), SUITE_TEST(test_no_interrupt),
		SUITE_TEST(test_enable), SUITE_TEST(test_request_before_start),
		SUITE_TEST(test_in_order), SUITE_PACKED(test_queue_sizes),
		SUITE_PACKED(test_segments), SUITE_PACKED(test_full_chain),
		SUITE_PACKED(test_straddle), SUITE_PACKED(test_large),
		SUITE_PACKED(test_index_wrap), SUITE_PACKED(test_used_event),
		SUITE_PACKED(test_avail_event), SUITE_PACKED(test_no_interrupt),
		SUITE_PACKED(test_enable),
		SUITE_PACKED(test_request_before_start),
		SUITE_PACKED(test_in_order) };

	return SUITE_MAIN("rings", tests);
}
