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

/* The same of a packed ring. */
struct packed_state {
	uint8_t inflight;
	uint8_t padding;
	uint16_t next;
	uint16_t last;
	uint16_t num;
	uint64_t counter;
	uint16_t id;
	uint16_t flags;
	uint32_t len;
	uint64_t addr;
};

struct packed_queue {
	uint64_t features;
	uint16_t version;
	uint16_t desc_num;
	uint16_t free_head;
	uint16_t old_free_head;
	uint16_t used_idx;
	uint16_t old_used_idx;
	uint8_t used_wrap_counter;
	uint8_t old_used_wrap_counter;
	uint8_t padding[7];
	struct packed_state desc[];
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
	int i, k;

	suite_up_qemu(s, fe, "vm0");
	for (i = 0; i < 5; i++) {
		for (k = 0; k < 10; k++)
			suite_served(fe);
		assert_int_equal(fe_stop(fe), fe_next(fe));
		for (k = 0; k < 3; k++)
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
		assert_int_equal(fe_next(fe), base);
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
	struct fe_used_elem elem;

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
	assert_int_equal(fe_pop(fe, &elem), 1);
	assert_int_equal(fe_get_base(fe), fe_next(fe));
	assert_true(fe_log_dirty(fe, FE_BUF_GPA));
	assert_true(fe_log_dirty(fe, FE_BUF_GPA + FE_PAGE));
	assert_true(fe_log_dirty(fe, FE_BUF_GPA + 2 * FE_PAGE));
	assert_true(fe_log_dirty(fe, FE_SPLIT_GPA - 1));
	assert_true(fe_log_dirty(fe, FE_SPLIT_GPA));
	assert_true(fe_log_dirty(fe, fe->ring.used_gpa));
	/* A packed one has its used descriptors elsewhere. */
	if (fe->ring.packed != NULL)
		assert_true(fe_log_dirty(fe, fe->ring.desc_gpa));
	assert_int_equal(fe_log_count(fe), fe->ring.packed != NULL ? 7 : 6);

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
static void *
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
	    (fe->ring.packed != NULL ? sizeof(struct packed_queue) +
			64 * sizeof(struct packed_state)
				     : sizeof(struct inflight_queue) +
			64 * sizeof(struct inflight_desc)));
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
	fe->ring.used_idx = 1;
	fe->ring.base = 1;
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

/* A frontend that asks for the area when the form of the ring is known. */
static void
connect_packed(struct suite *s)
{
	struct fe *fe = &s->fe;

	if (fe->sock == -1) {
		fe_init(fe);
		CHECK(fe_mem_default(fe));
		CHECK(fe_ring_init(fe, 64, FE_RING_GPA));
	} else
		fe_disconnect(fe);
	CHECK(fe_connect(fe, daemon_path(&s->d, "vm0.sock")));
	CHECK(fe_handshake(fe, QEMU_FEATURES, QEMU_PFEATURES));
	CHECK(fe_set_u64(fe, FE_SET_FEATURES, fe->features));
}

/* The next backend goes on by the record, whatever the base says. */
static void
test_inflight_packed(void **state)
{
	struct suite *s = *state;
	struct fe *fe = &s->fe;
	struct fe_inflight area;
	struct packed_queue *q;
	int fd;

	connect_packed(s);
	q = get_inflight(fe, &area, &fd, sizeof(area));
	for (int i = 0; i < 4; i++) {
		if (i > 0)
			connect_packed(s);
		CHECK(fe_set(fe, FE_SET_INFLIGHT_FD, &area, sizeof(area), &fd,
		    1));
		CHECK(fe_start(fe));
		for (int n = 0; n < 100; n++)
			suite_served(fe);
		assert_int_equal(q->version, 1);
		assert_int_equal(q->desc_num, 64);
		assert_int_equal(q->used_idx, (i + 1) * 100 % 64);
		assert_int_equal(q->used_wrap_counter,
		    ((i + 1) * 100 / 64 + 1) % 2);
		assert_int_equal(q->old_used_idx, q->used_idx);
		assert_int_equal(q->old_free_head, q->free_head);
		for (int n = 0; n < 64; n++)
			assert_int_equal(q->desc[n].inflight, 0);
	}
	/* But if there was one, that counts. */
	assert_int_equal(fe_stop(fe), fe_next(fe));
	assert_int_equal(q->version, 0);
	CHECK(fe_ring_init(fe, 64, FE_RING_GPA));
	CHECK(fe_start(fe));
	suite_served(fe);
	assert_int_equal(q->used_idx, 1);
	munmap(q, area.size);
	close(fd);
	suite_pass(s);
}

/*
 * A backend died that had three requests, one of two descriptors, and had
 * answered the last one, whose used descriptor is in the place of the first.
 * When it died it had, or had not, finished that in its record.
 */
static void
resubmit_packed(struct suite *s, bool finished)
{
	const struct fe_seg segs[] = { { FE_BUF_GPA + 64, 40 },
		{ FE_BUF_GPA + 128, 24 } };
	struct fe *fe = &s->fe;
	struct fe_inflight area;
	struct fe_used_elem elem;
	struct packed_queue *q;
	uint32_t ids[3];
	int fd;

	connect_packed(s);
	q = get_inflight(fe, &area, &fd, sizeof(area));
	ids[0] = (uint32_t)fe_add_one(fe, FE_BUF_GPA, 64);
	ids[1] = (uint32_t)fe_add(fe, segs, 2);
	ids[2] = (uint32_t)fe_add_one(fe, FE_BUF_GPA + 256, 64);
	q->version = 1;
	q->desc_num = 64;
	q->used_wrap_counter = q->old_used_wrap_counter = 1;
	for (uint16_t i = 0; i < 64; i++)
		q->desc[i].next = (uint16_t)(i + 1);
	for (uint16_t i = 0; i < 4; i++) {
		const struct fe_packed_desc *d = &fe->ring.packed->desc[i];

		q->desc[i].addr = d->addr;
		q->desc[i].len = d->len;
		q->desc[i].id = d->id;
		q->desc[i].flags = d->flags;
		q->desc[i].num = q->desc[i].inflight = 1;
		q->desc[i].last = i;
		q->desc[i].counter = i;
	}
	q->desc[1].num = q->desc[1].last = 2;
	q->desc[2].inflight = 0;
	/* The answer. */
	q->desc[3].next = 4;
	q->free_head = 3;
	q->old_free_head = finished ? 3 : 4;
	q->used_idx = 1;
	q->old_used_idx = finished ? 1 : 0;
	q->desc[3].inflight = !finished;
	fe->ring.packed->desc[0].id = (uint16_t)ids[2];
	fe->ring.packed->desc[0].len = 64;
	fe->ring.packed->desc[0].flags =
	    FE_DESC_AVAIL | FE_DESC_USED | FE_DESC_WRITE;
	/* The driver's own count of what is at the places of the others. */
	fe->ring.packed->count[0] = 1;
	fe->ring.packed->count[1] = 1;
	fe->ring.packed->count[2] = 2;
	CHECK(fe_set(fe, FE_SET_INFLIGHT_FD, &area, sizeof(area), &fd, 1));
	CHECK(fe_start(fe));
	CHECK(fe_wait_polling(fe, 3, FE_TIMEOUT_MS));
	for (int i = 0; i < 3; i++) {
		assert_int_equal(fe_pop(fe, &elem), 1);
		assert_int_equal(elem.id, ids[(i + 2) % 3]);
		assert_int_equal(elem.len, 64);
	}
	for (int n = 0; n < 64; n++)
		assert_int_equal(q->desc[n].inflight, 0);
	for (int i = 0; i < 200; i++)
		suite_served(fe);
	munmap(q, area.size);
	close(fd);
}

static void
test_resubmit_packed(void **state)
{
	resubmit_packed(*state, true);
	suite_pass(*state);
}

static void
test_resubmit_unfinished_packed(void **state)
{
	resubmit_packed(*state, false);
	suite_pass(*state);
}

/*
 * GET_VRING_BASE_INFLIGHT: a ring that is stopped while requests wait leaves
 * them on record, and goes on with them; none is served twice or forgotten.
 */
static void
test_base_inflight(void **state)
{
	const char *const args[] = { "-s", "@vm%d.sock", "-c", "1", "-m", "960",
		"-p", "500", NULL };
	struct suite *s = *state;
	struct fe *fe = &s->fe;
	struct fe_inflight area;
	struct fe_used_elem elem;
	unsigned int marked;
	uint8_t *q, *desc;
	size_t size;
	int fd, heads[40];

	suite_start(s, args);
	fe_init(fe);
	CHECK(fe_connect(fe, daemon_path(&s->d, "vm0.sock")));
	CHECK(fe_mem_default(fe));
	CHECK(fe_ring_init(fe, 64, FE_RING_GPA));
	CHECK(fe_handshake(fe, QEMU_FEATURES, FE_P_ALL | FE_P_BASE_INFLIGHT));
	CHECK(fe_set_u64(fe, FE_SET_FEATURES, fe->features));
	q = get_inflight(fe, &area, &fd, sizeof(area));
	CHECK(fe_set(fe, FE_SET_INFLIGHT_FD, &area, sizeof(area), &fd, 1));
	CHECK(fe_start(fe));
	for (int i = 0; i < 40; i++)
		heads[i] = fe_add_one(fe, FE_BUF_GPA + (uint64_t)i * 64, 64);
	fe_kick(fe);
	desc = q +
	    (fe->ring.packed != NULL ? sizeof(struct packed_queue)
				     : sizeof(struct inflight_queue));
	size = fe->ring.packed != NULL ? sizeof(struct packed_state)
				       : sizeof(struct inflight_desc);
	for (unsigned int i = 0; i < 4; i++) {
		CHECK(fe_wait_polling(fe, 5 + 5 * i, FE_TIMEOUT_MS));
		assert_int_equal(fe_stop(fe),
		    fe->ring.packed != NULL ? fe->ring.packed->avail : 40);
		marked = 0;
		for (size_t n = 0; n < 64; n++)
			marked += desc[n * size];
		assert_int_equal(marked, 40 - fe_pending(fe));
		CHECK(fe_start_ring(fe));
	}
	CHECK(fe_wait(fe, 40, FE_TIMEOUT_MS));
	for (int i = 0; i < 40; i++) {
		assert_int_equal(fe_pop(fe, &elem), 1);
		assert_int_equal(elem.id, heads[i]);
		assert_in_range(elem.len, 1, 64);
	}
	assert_int_equal(fe_pending(fe), 0);
	assert_in_range(fe_read(fe, NULL, 64, FE_TIMEOUT_MS), 1, 64);
	munmap(q, area.size);
	close(fd);
	suite_pass(s);
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
		SUITE_TEST(test_inflight_out_of_order),
		SUITE_EMPTY(test_base_inflight),
		SUITE_EMPTY_PACKED(test_base_inflight),
		cmocka_unit_test_setup_teardown(test_inflight_packed,
		    suite_setup_packed, suite_teardown),
		cmocka_unit_test_setup_teardown(test_resubmit_packed,
		    suite_setup_packed, suite_teardown),
		cmocka_unit_test_setup_teardown(test_resubmit_unfinished_packed,
		    suite_setup_packed, suite_teardown),
		SUITE_PACKED(test_switch_call), SUITE_PACKED(test_no_call),
		SUITE_PACKED(test_switch_kick), SUITE_PACKED(test_no_kick),
		SUITE_PACKED(test_stop_restart), SUITE_PACKED(test_stop_busy),
		SUITE_PACKED(test_move_ring), SUITE_PACKED(test_dirty_log),
		SUITE_PACKED(test_dirty_short) };

	return SUITE_MAIN("running", tests);
}
