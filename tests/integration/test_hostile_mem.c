/*
 * A frontend whose memory is wrong: files that cannot be mapped, that are too
 * short or shrink, invalid regions and ring addresses, and the
 * same of the dirty log and the inflight area.
 */
#include <sys/mman.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "integration/hostile.h"

/* Memory, log and inflight descriptors that cannot be mapped. */
static void
test_strange_memory(void **state)
{
	struct suite *s = *state;
	struct fe_region r;
	struct fe_log log = { 4096, 0 };
	struct fe_inflight area = { 4096, 0, 1, 64, 0 };
	int kind;

	for (kind = 0; (r.fd = hostile_fd(kind)) != -1; kind++) {
		hostile_up(s);
		r.wire = (struct fe_wire_region){ FE_MEM_END, 65536,
			FE_UVA_BASE * 2, 0 };
		if (fe_mem_slot(&s->fe, FE_ADD_MEM_REG, &r) == 0) {
			fe_add_one(&s->fe, FE_MEM_END, 64);
			fe_kick_always(&s->fe);
		}
		if (hostile_answers(s))
			fe_send(&s->fe, FE_SET_LOG_BASE, 0, &log, sizeof(log),
			    &r.fd, 1);
		if (hostile_answers(s))
			fe_set(&s->fe, FE_SET_INFLIGHT_FD, &area, sizeof(area),
			    &r.fd, 1);
		close(r.fd);
		hostile_answers(s);
		hostile_other(s);
		fe_close(&s->fe);
	}
	hostile_end(s);
}

static void
test_bad_regions(void **state)
{
	const struct fe_wire_region bad[] = { { FE_MEM_END, 0, FE_UVA_BASE * 2,
						  0 },
		{ FE_MEM_END, 100, FE_UVA_BASE * 2, 0 },
		{ UINT64_MAX - 4095, 8192, FE_UVA_BASE * 2, 0 },
		{ FE_MEM_END, 8192, UINT64_MAX - 4095, 0 },
		{ FE_MEM_END, 8192, FE_UVA_BASE * 2, UINT64_MAX - 4095 },
		{ FE_MEM_END, UINT64_MAX, FE_UVA_BASE * 2, 4096 },
		{ FE_MEM_END, UINT64_C(1) << 62, FE_UVA_BASE * 2, 0 },
		{ FE_MEM_END, 8192, FE_UVA_BASE * 2, 1 },
		{ FE_MEM_END, 8192, FE_UVA_BASE + 4096, 0 },
		{ 4096, 8192, FE_UVA_BASE * 2, 0 } };
	struct suite *s = *state;
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct fe_region r = { .wire = bad[i] };

		hostile_up(s);
		r.fd = s->fe.regions[1].fd;
		fe_mem_slot(&s->fe, FE_ADD_MEM_REG, &r);
		hostile_answers(s);
		hostile_other(s);
		fe_close(&s->fe);
	}
	hostile_end(s);
}

/* A region that goes on beyond the end of its file. */
static void
test_past_end(void **state)
{
	struct suite *s = *state;
	struct fe_region r;

	hostile_up(s);
	r.fd = memfd_create("short", MFD_CLOEXEC);
	CHECK(ftruncate(r.fd, 4096));
	r.wire =
	    (struct fe_wire_region){ FE_MEM_END, 65536, FE_UVA_BASE * 2, 0 };
	if (fe_mem_slot(&s->fe, FE_ADD_MEM_REG, &r) == 0) {
		fe_add_one(&s->fe, FE_MEM_END + 8192, 64);
		fe_kick_always(&s->fe);
	}
	close(r.fd);
	hostile_other(s);
	hostile_closed_or_works(s);
	hostile_end(s);
}

/* The memory file is truncated under the backend: buffers, then the ring. */
static void
test_truncated(void **state)
{
	struct suite *s = *state;
	int i;

	for (i = 1; i >= 0; i--) {
		hostile_up(s);
		if (i == 1)
			fe_add_one(&s->fe, FE_BUF_GPA, 64);
		CHECK(ftruncate(s->fe.regions[i].fd, 0));
		fe_kick_always(&s->fe);
		hostile_other(s);
		usleep(50000);
		hostile_answers(s);
		hostile_not_spinning(s, "vm0");
		fe_close(&s->fe);
	}
	hostile_end(s);
}

/* A bitmap that does not cover memory, that shrinks, or that is absurd. */
static void
test_log(void **state)
{
	const struct fe_log bad[] = { { 1, 0 }, { 0, 0 }, { 4096, 4096 },
		{ UINT64_MAX, 4096 }, { 4096, 1 }, { 1 << 30, 0 } };
	struct suite *s = *state;
	struct fe *fe = &s->fe;
	size_t i;
	int fd;

	for (i = 0; i < 6; i++) {
		hostile_up(s);
		fd = memfd_create("log", MFD_CLOEXEC);
		CHECK(ftruncate(fd, 4096));
		fe_send(fe, FE_SET_LOG_BASE, 0, &bad[i], sizeof(bad[i]), &fd,
		    1);
		fe->addr_flags = FE_ADDR_LOG;
		if (hostile_answers(s)) {
			fe_set_u64(fe, FE_SET_FEATURES,
			    fe->features | FE_F_LOG_ALL);
			fe_send_addr(fe);
			fe_add_one(fe, FE_BUF_GPA, 64);
			CHECK(ftruncate(fd, 0));
			fe_kick_always(fe);
		}
		close(fd);
		hostile_other(s);
		hostile_answers(s);
		hostile_not_spinning(s, "vm0");
		fe_close(fe);
	}
	hostile_end(s);
}

static void
test_inflight(void **state)
{
	const struct fe_inflight bad[] = { { 4096, 0, 0, 0, 0 },
		{ 4096, 0, 0xffff, 0xffff, 0 }, { 4096, 0, 1, 3, 0 },
		{ UINT64_MAX, 4096, 1, 64, 0 }, { 16, 0, 1, 64, 0 },
		{ 4096, 0, 1, 64, 0 } };
	struct suite *s = *state;
	struct fe_msg msg;
	uint8_t junk[4096];
	size_t i;
	int fd;

	memset(junk, 0xff, sizeof(junk));
	for (i = 0; i < 6; i++) {
		hostile_up(s);
		fd = memfd_create("inflight", MFD_CLOEXEC);
		assert_int_equal(write(fd, junk, 4096), 4096);
		fe_set(&s->fe, FE_SET_INFLIGHT_FD, &bad[i], sizeof(bad[i]), &fd,
		    1);
		close(fd);
		hostile_closed_or_works(s);
		hostile_other(s);
		fe_close(&s->fe);
		hostile_up(s);
		if (fe_ask(&s->fe, FE_GET_INFLIGHT_FD, &bad[i], sizeof(bad[i]),
			&msg) == 0)
			fe_msg_close(&msg);
		hostile_answers(s);
		fe_close(&s->fe);
	}
	hostile_up(s);
	for (i = 0; i < 200; i++) {
		CHECK(fe_ask(&s->fe, FE_GET_INFLIGHT_FD, &bad[5],
		    sizeof(bad[5]), &msg));
		fe_msg_close(&msg);
	}
	suite_served(&s->fe);
	hostile_end(s);
}

/* Ring addresses outside memory or misaligned. */
static void
test_ring_addresses(void **state)
{
	struct suite *s = *state;
	struct fe *fe = &s->fe;
	struct fe_vring_addr addr = { 0 };
	uint64_t *field[] = { &addr.desc, &addr.used, &addr.avail };
	const uint64_t bad[] = { 0, FE_UVA_BASE - 64,
		FE_UVA_BASE + FE_SPLIT_GPA - 16, UINT64_MAX - 15,
		FE_UVA_BASE + 0x10001, FE_RING_GPA };
	size_t i, k;

	for (i = 0; i < 3; i++) {
		for (k = 0; k < 6; k++) {
			hostile_up(s);
			addr = (struct fe_vring_addr){ .desc = fe_uva(fe,
							   fe->ring.desc_gpa),
				.used = fe_uva(fe, fe->ring.used_gpa),
				.avail = fe_uva(fe, fe->ring.avail_gpa) };
			*field[i] = bad[k];
			fe_set(fe, FE_SET_VRING_ADDR, &addr, sizeof(addr), NULL,
			    0);
			fe_kick_always(fe);
			hostile_other(s);
			hostile_closed_or_works(s);
			fe_close(fe);
		}
	}
	hostile_end(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { HOSTILE_TEST(test_strange_memory),
		HOSTILE_TEST(test_bad_regions), HOSTILE_TEST(test_past_end),
		HOSTILE_TEST(test_truncated), HOSTILE_TEST(test_log),
		HOSTILE_TEST(test_inflight), HOSTILE_TEST(test_ring_addresses),
		HOSTILE_PACKED(test_strange_memory),
		HOSTILE_PACKED(test_bad_regions), HOSTILE_PACKED(test_past_end),
		HOSTILE_PACKED(test_truncated), HOSTILE_PACKED(test_log),
		HOSTILE_PACKED(test_inflight),
		HOSTILE_PACKED(test_ring_addresses) };

	return SUITE_MAIN("hostile_mem", tests);
}
