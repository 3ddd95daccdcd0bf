/*
 * What changes while a guest runs: notification fds, the ring's place, stop
 * and restart, dirty logging, and requests kept across connections.
 */
#include <sys/eventfd.h>
#include <sys/mman.h>

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "integration/suite.h"

/* Per-queue part of the inflight area of a split ring, as specified. */
struct inflight_desc {
	uint8_t inflight;
	uint8_t padding[5];
	uint16_t next;
	uint64_t counter;
};

struct inflight_queue {
	uint64_t features;
	uint16_t version;
	uint16_t desc_num;
	uint16_t last_batch_head;
	uint16_t used_idx;
	struct inflight_desc desc[];
};

static void
swap_fd(int *fd)
{
	close(*fd);
	*fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	assert_int_not_equal(*fd, -1);
}

static void
test_switch_call(void **state)
{
	struct suite *s = *state;
	int i;

	suite_up_qemu(s, &s->fe, "vm0");
	for (i = 0; i < 10; i++) {
		suite_served(&s->fe);
		swap_fd(&s->fe.call);
		CHECK(fe_set_fd(&s->fe, FE_SET_VRING_CALL, s->fe.call));
		suite_served(&s->fe);
	}
	suite_pass(s);
}

/* Requests completed without a call fd are notified to the next one. */
static void
test_no_call(void **state)
{
	struct suite *s = *state;
	struct pollfd pfd = { .events = POLLIN };

	suite_up_qemu(s, &s->fe, "vm0");
	suite_served(&s->fe);
	CHECK(fe_set_fd(&s->fe, FE_SET_VRING_CALL, -1));
	fe_drain_call(&s->fe);
	fe_add_one(&s->fe, FE_BUF_GPA, 64);
	fe_kick(&s->fe);
	CHECK(fe_wait_polling(&s->fe, 1, FE_TIMEOUT_MS));
	CHECK(fe_set_fd(&s->fe, FE_SET_VRING_CALL, s->fe.call));
	pfd.fd = s->fe.call;
	assert_int_equal(poll(&pfd, 1, FE_TIMEOUT_MS), 1);
	suite_pass(s);
}

static void
test_switch_kick(void **state)
{
	struct suite *s = *state;
	int i;

	suite_up_qemu(s, &s->fe, "vm0");
	for (i = 0; i < 10; i++) {
		suite_served(&s->fe);
		swap_fd(&s->fe.kick);
		CHECK(fe_set_fd(&s->fe, FE_SET_VRING_KICK, s->fe.kick));
		suite_served(&s->fe);
	}
	suite_pass(s);
}

/* Without a kick fd the backend has to look at the ring by itself. */
static void
test_no_kick(void **state)
{
	struct suite *s = *state;
	struct fe_used_elem elem;
	int i;

	suite_up_qemu(s, &s->fe, "vm0");
	suite_served(&s->fe);
	CHECK(fe_set_fd(&s->fe, FE_SET_VRING_KICK, -1));
	for (i = 0; i < 5; i++) {
		fe_add_one(&s->fe, FE_BUF_GPA, 64);
		CHECK(fe_wait(&s->fe, 1, FE_TIMEOUT_MS));
		assert_int_equal(fe_pop(&s->fe, &elem), 1);
	}
	CHECK(fe_set_fd(&s->fe, FE_SET_VRING_KICK, s->fe.kick));
	suite_served(&s->fe);
	suite_pass(s);
}

static void
test_stop_restart(void **state)
{
	struct suite *s = *state;
	struct fe *fe = &s->fe;
	struct fe_used_elem elem;
	int i, k, n = 0;

	suite_up_qemu(s, fe, "vm0");
	for (i = 0; i < 5; i++) {
		for (k = 0; k < 10; k++, n++)
			suite_served(fe);
		assert_int_equal(fe_stop(fe), n);
		for (k = 0; k < 3; k++, n++)
			fe_add_one(fe, FE_BUF_GPA, 64);
		fe_kick_always(fe);
		assert_int_equal(fe_wait(fe, 1, 100), -1);
		CHECK(fe_start(fe));
		CHECK(fe_wait(fe, 3, FE_TIMEOUT_MS));
		for (k = 0; k < 3; k++)
			assert_int_equal(fe_pop(fe, &elem), 1);
	}
	suite_pass(s);
}

/* Stopped in the middle of many requests, each is served exactly once. */
static void
test_stop_busy(void **state)
{
	struct suite *s = *state;
	struct fe *fe = &s->fe;
	struct fe_used_elem elem;
	unsigned int i, k;
	int base;

	suite_up(s, fe, "vm0", 256, QEMU_FEATURES, QEMU_PFEATURES);
	for (i = 0; i < 20; i++) {
		for (k = 0; k < 256; k++)
			fe_add_one(fe, FE_BUF_GPA + k * 4096, 4096);
		fe_kick(fe);
		base = fe_stop(fe);
		assert_int_not_equal(base, -1);
		assert_int_equal(fe_used_idx(fe), base);
		CHECK(fe_start(fe));
		CHECK(fe_wait(fe, 256, FE_TIMEOUT_MS));
		for (k = 0; k < 256; k++) {
			assert_int_equal(fe_pop(fe, &elem), 1);
			assert_in_range(elem.len, 1, 4096);
		}
		assert_int_equal(fe->ring.nfree, 256);
	}
	suite_pass(s);
}

static void
test_move_ring(void **state)
{
	const uint64_t places[] = { FE_RING_GPA + 0x8000, 0x300000,
		FE_RING_GPA };
	struct suite *s = *state;
	struct fe *fe = &s->fe;
	size_t i;

	suite_up_qemu(s, fe, "vm0");
	for (i = 0; i < 3; i++) {
		suite_served(fe);
		CHECK(fe_ring_move(fe, places[i]));
		CHECK(fe_send_addr(fe));
		suite_served(fe);
		suite_served(fe);
	}
	suite_pass(s);
}

static void
test_dirty_log(void **state)
{
	struct suite *s = *state;
	struct fe *fe = &s->fe;
	struct fe_seg segs[] = { { FE_BUF_GPA + 4000, 5000 },
		{ FE_SPLIT_GPA - 30, 60 } };

	suite_up_qemu(s, fe, "vm0");
	suite_served(fe);
	CHECK(fe_log_start(fe));
	fe->addr_flags = FE_ADDR_LOG;
	fe->features |= FE_F_LOG_ALL;
	CHECK(fe_set_u64(fe, FE_SET_FEATURES, fe->features));
	CHECK(fe_send_addr(fe));
	fe_log_clear(fe);
	assert_int_not_equal(fe_add_indirect(fe, FE_TABLE_GPA, segs, 2), -1);
	fe_kick(fe);
	CHECK(fe_wait(fe, 1, FE_TIMEOUT_MS));
	fe->ring.used_idx++;
	assert_int_equal(fe_get_base(fe), 2);
	assert_true(fe_log_dirty(fe, FE_BUF_GPA));
	assert_true(fe_log_dirty(fe, FE_BUF_GPA + FE_PAGE));
	assert_true(fe_log_dirty(fe, FE_BUF_GPA + 2 * FE_PAGE));
	assert_true(fe_log_dirty(fe, FE_SPLIT_GPA - 1));
	assert_true(fe_log_dirty(fe, FE_SPLIT_GPA));
	assert_true(fe_log_dirty(fe, fe->ring.used_gpa));
	assert_int_equal(fe_log_count(fe), 6);

	fe->features &= ~FE_F_LOG_ALL;
	fe->addr_flags = 0;
	CHECK(fe_start(fe));
	fe_log_clear(fe);
	suite_served(fe);
	assert_int_equal(fe_log_count(fe), 0);
	suite_pass(s);
}

/* Exactly the pages that were written: a short answer dirties no more. */
static void
test_dirty_short(void **state)
{
	struct suite *s = *state;
	struct fe *fe = &s->fe;
	int n;

	suite_up_qemu(s, fe, "vm0");
	CHECK(fe_log_start(fe));
	fe->features |= FE_F_LOG_ALL;
	CHECK(fe_set_u64(fe, FE_SET_FEATURES, fe->features));
	n = fe_read(fe, NULL, 300000, FE_TIMEOUT_MS);
	assert_in_range(n, 1, 65536);
	assert_int_not_equal(fe_get_base(fe), -1);
	assert_int_equal(fe_log_count(fe), (n + FE_PAGE - 1) / FE_PAGE);
	suite_pass(s);
}

/* Ask for the inflight area and map its one queue. */
static struct inflight_queue *
get_inflight(struct fe *fe, struct fe_inflight *area, int *fd, size_t size)
{
	struct fe_msg msg;
	void *p;

	*area = (struct fe_inflight){ .num_queues = 1, .queue_size = 64 };
	CHECK(fe_ask(fe, FE_GET_INFLIGHT_FD, area, size, &msg));
	assert_int_equal(msg.nfds, 1);
	assert_true(msg.hdr.size >= 20);
	memcpy(area, msg.payload, 20);
	*fd = msg.fds[0];
	assert_true(area->size >=
	    sizeof(struct inflight_queue) + 64 * sizeof(struct inflight_desc));
	area->num_queues = 1;
	area->queue_size = 64;
	p = mmap(NULL, area->size, PROT_READ | PROT_WRITE, MAP_SHARED, *fd,
	    (off_t)area->offset);
	assert_ptr_not_equal(p, MAP_FAILED);
	return p;
}

static void
test_inflight(void **state)
{
	struct suite *s = *state;
	struct fe *fe = &s->fe;
	struct fe_inflight area;
	struct inflight_queue *q;
	size_t i, size;
	int fd;

	for (size = 20; size <= 24; size += 4) {
		fe_init(fe);
		CHECK(fe_connect(fe, daemon_path(&s->d, "vm0.sock")));
		CHECK(fe_mem_default(fe));
		CHECK(fe_ring_init(fe, 64, FE_RING_GPA));
		CHECK(fe_handshake(fe, QEMU_FEATURES, QEMU_PFEATURES));
		q = get_inflight(fe, &area, &fd, size);
		CHECK(fe_set(fe, FE_SET_INFLIGHT_FD, &area, size, &fd, 1));
		CHECK(fe_start(fe));
		for (i = 0; i < 100; i++)
			suite_served(fe);
		assert_int_equal(fe_stop(fe), 100);
		assert_int_equal(q->desc_num, 64);
		assert_int_equal(q->version, 1);
		assert_int_equal(q->used_idx, 100);
		for (i = 0; i < 64; i++)
			assert_int_equal(q->desc[i].inflight, 0);
		munmap(q, area.size);
		close(fd);
		fe_close(fe);
	}
	suite_pass(s);
}

/*
 * A backend died with three requests taken and one answered: the next one
 * answers the other two, whatever the order was in which the first worked.
 */
static void
resubmit(struct suite *s, uint16_t done)
{
	const struct fe_used_elem used = { done, 64 };
	struct fe *fe = &s->fe;
	struct fe_inflight area;
	struct fe_used_elem elem;
	struct inflight_queue *q;
	uint16_t i;
	int fd;

	fe_init(fe);
	CHECK(fe_connect(fe, daemon_path(&s->d, "vm0.sock")));
	CHECK(fe_mem_default(fe));
	CHECK(fe_ring_init(fe, 64, FE_RING_GPA));
	for (i = 0; i < 3; i++)
		assert_int_equal(fe_add_one(fe, FE_BUF_GPA, 64), i);
	memcpy(fe->ring.used + 4, &used, sizeof(used));
	fe->ring.used[2] = 1;
	fe->ring.used_idx = fe->ring.base = 1;
	CHECK(fe_handshake(fe, QEMU_FEATURES, QEMU_PFEATURES));
	q = get_inflight(fe, &area, &fd, sizeof(area));
	q->version = 1;
	q->desc_num = 64;
	q->used_idx = 1;
	q->last_batch_head = done;
	for (i = 0; i < 3; i++) {
		q->desc[i].inflight = i != done;
		q->desc[i].counter = i;
	}
	CHECK(fe_set(fe, FE_SET_INFLIGHT_FD, &area, sizeof(area), &fd, 1));
	CHECK(fe_start(fe));
	CHECK(fe_wait(fe, 2, FE_TIMEOUT_MS));
	for (i = 0; i < 3; i++) {
		if (i == done)
			continue;
		assert_int_equal(fe_pop(fe, &elem), 1);
		assert_int_equal(elem.id, i);
		assert_int_equal(elem.len, 64);
	}
	assert_int_equal(fe_wait(fe, 1, 100), -1);
	suite_served(fe);
	munmap(q, area.size);
	close(fd);
}

static void
test_inflight_resubmit(void **state)
{
	resubmit(*state, 0);
	suite_pass(*state);
}

static void
test_inflight_out_of_order(void **state)
{
	resubmit(*state, 1);
	suite_pass(*state);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { SUITE_TEST(test_switch_call),
		SUITE_TEST(test_no_call), SUITE_TEST(test_switch_kick),
		SUITE_TEST(test_no_kick), SUITE_TEST(test_stop_restart),
		SUITE_TEST(test_stop_busy), SUITE_TEST(test_move_ring),
		SUITE_TEST(test_dirty_log), SUITE_TEST(test_dirty_short),
		SUITE_TEST(test_inflight), SUITE_TEST(test_inflight_resubmit),
		SUITE_TEST(test_inflight_out_of_order) };

	return SUITE_MAIN("running", tests);
}
