/*
 * Workers that die, at any moment: their session goes on with the next one, and
 * the frontend sees nothing of it.
 */
#include <sys/mman.h>
#include <sys/wait.h>

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "integration/load.h"
#include "integration/suite.h"

#define KEEP_ALL ((size_t)24 << 20)
#define ROUNDS	 60
#define KILLS	 12 /* of a session's workers: more would be its end */

/* Kills the worker of vm0 as soon as there is one and `us` have passed. */
static pid_t
killer_start(struct suite *s, useconds_t us)
{
	pid_t pid, worker;

	if ((pid = fork()) != 0)
		return pid;
	worker = daemon_child_wait(&s->d, ROLE_VHOST, "vm0", 5000);
	usleep(us);
	_exit(worker <= 0 || kill(worker, SIGKILL) == -1);
}

static void
killer_wait(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static int
connect_and_read(struct suite *s)
{
	struct fe *fe = &s->fe;

	if (fe_up(fe, daemon_path(&s->d, "vm0.sock"), 64, QEMU_FEATURES,
		QEMU_PFEATURES) == -1)
		return -1;
	return fe_read(fe, NULL, 64, FE_TIMEOUT_MS) == 64 ? 0 : -1;
}

/*
 * Only where it cannot be known whether a reply has gone out may a session end,
 * and then it is said.
 */
static void
test_handshake(void **state)
{
	struct suite *s = *state;
	size_t lost = 0;
	pid_t killer;
	int r;

	for (unsigned int i = 0; i < ROUNDS; i++) {
		killer = killer_start(s, i * 50);
		r = connect_and_read(s);
		killer_wait(killer);
		if (r == -1)
			lost++;
		else
			suite_served(&s->fe);
		assert_int_equal(
		    daemon_log_count(&s->d, "worker died during a reply"),
		    lost);
		fe_close(&s->fe);
		CHECK(
		    daemon_child_gone(&s->d, ROLE_VHOST, "vm0", FE_TIMEOUT_MS));
		if (r == -1)
			usleep(200000 << (lost < 5 ? lost : 5));
	}
	print_message("# %zu of %d sessions lost\n", lost, ROUNDS);
	assert_true(lost < ROUNDS / 10);
	suite_pass(s);
}

/* Kills workers under load.  What the guest has had it does not get again. */
static void
die_under_load(struct suite *s, unsigned int depth, uint32_t len)
{
	uint8_t *data = malloc(KEEP_ALL);
	struct load load = { .fe = &s->fe,
		.len = len,
		.depth = depth,
		.data = data,
		.size = KEEP_ALL };
	uint64_t before, end;
	pid_t killer;

	assert_non_null(data);
	for (unsigned int i = 0; i < KILLS; i++) {
		killer = killer_start(s, (i % 4) * 1000);
		before = load.requests;
		end = fe_now() + FE_TIMEOUT_MS;
		do {
			load_run(&load, 1, 60, NULL);
		} while (load.requests == before && fe_now() < end);
		killer_wait(killer);
		assert_true(load.requests > before);
	}
	assert_int_equal(load.shorts, 0);
	suite_unique(data, load.bytes < KEEP_ALL ? load.bytes : KEEP_ALL);
	free(data);
	assert_int_equal(daemon_log_count(&s->d, "invalid avail index"), 0);
}

static void
test_load(void **state)
{
	struct suite *s = *state;

	suite_up_qemu(s, &s->fe, "vm0");
	die_under_load(s, 1, 64);
	suite_pass(s);
}

static void
test_load_deep(void **state)
{
	struct suite *s = *state;

	suite_up(s, &s->fe, "vm0", 256, PLAIN_FEATURES, 0);
	die_under_load(s, 200, 1000);
	suite_pass(s);
}

/* What is in flight is known from the frontend's own memory. */
static void
test_inflight(void **state)
{
	struct suite *s = *state;
	struct fe *fe = &s->fe;
	struct fe_inflight area = { .num_queues = 1, .queue_size = 64 };
	struct fe_msg msg;

	fe_init(fe);
	CHECK(fe_connect(fe, daemon_path(&s->d, "vm0.sock")));
	CHECK(fe_mem_default(fe));
	CHECK(fe_ring_init(fe, 64, FE_RING_GPA));
	CHECK(fe_handshake(fe, QEMU_FEATURES, QEMU_PFEATURES));
	CHECK(fe_set_u64(fe, FE_SET_FEATURES, fe->features));
	CHECK(fe_ask(fe, FE_GET_INFLIGHT_FD, &area, sizeof(area), &msg));
	assert_int_equal(msg.nfds, 1);
	memcpy(&area, msg.payload, sizeof(area));
	CHECK(fe_set(fe, FE_SET_INFLIGHT_FD, &area, sizeof(area), msg.fds, 1));
	fe_msg_close(&msg);
	CHECK(fe_start(fe));
	die_under_load(s, 40, 64);
	suite_pass(s);
}

/* Every page that a request was answered in is in the log. */
static void
test_dirty_log(void **state)
{
	struct suite *s = *state;
	struct fe *fe = &s->fe;
	uint8_t zero[64] = { 0 }, got[64];
	struct fe_used_elem elem;
	pid_t killer;

	suite_up_qemu(s, fe, "vm0");
	CHECK(fe_log_start(fe));
	fe->addr_flags = FE_ADDR_LOG;
	fe->features |= FE_F_LOG_ALL;
	CHECK(fe_set_u64(fe, FE_SET_FEATURES, fe->features));
	CHECK(fe_send_addr(fe));
	for (unsigned int i = 0; i < KILLS; i++) {
		fe_log_clear(fe);
		killer = killer_start(s, (i % 4) * 100);
		for (unsigned int n = 0; n < 32; n++) {
			uint64_t at = FE_BUF_GPA + (uint64_t)n * FE_PAGE;

			CHECK(fe_mem_fill(fe, at, 0, sizeof(zero)));
			fe_add_one(fe, at, sizeof(zero));
			fe_kick(fe);
			CHECK(fe_wait(fe, 1, FE_TIMEOUT_MS));
			assert_int_equal(fe_pop(fe, &elem), 1);
			assert_int_equal(elem.len, sizeof(zero));
			CHECK(fe_mem_read(fe, at, got, sizeof(got)));
			assert_memory_not_equal(got, zero, sizeof(got));
			assert_true(fe_log_dirty(fe, at));
		}
		killer_wait(killer);
		suite_served(fe);
		assert_true(fe_log_dirty(fe, fe->ring.used_gpa));
	}
	suite_pass(s);
}

/* A driver that masks and unmasks its interrupt all the time. */
static void
test_many_calls(void **state)
{
	struct suite *s = *state;

	suite_up_qemu(s, &s->fe, "vm0");
	for (unsigned int i = 0; i < 5; i++) {
		for (unsigned int n = 0; n < 300; n++)
			CHECK(fe_set_fd(&s->fe, FE_SET_VRING_CALL, s->fe.call));
		killer_wait(killer_start(s, 0));
		suite_served(&s->fe);
	}
	assert_int_equal(daemon_log_count(&s->d, "will not be resumable"), 0);
	suite_pass(s);
}

/* As many regions as there can be, added one by one. */
static void
test_many_regions(void **state)
{
	struct suite *s = *state;
	struct fe *fe = &s->fe;
	struct fe_region r = { .fd = memfd_create("region", MFD_CLOEXEC) };
	struct fe_used_elem elem;
	uint64_t n;

	suite_up_qemu(s, fe, "vm0");
	CHECK(fe_get_u64(fe, FE_GET_MAX_MEM_SLOTS, &n));
	n -= fe->nregions;
	assert_true(n > 400);
	CHECK(ftruncate(r.fd, FE_PAGE));
	for (uint64_t i = 0; i < n; i++) {
		r.wire = (struct fe_wire_region){ FE_MEM_END + i * FE_PAGE,
			FE_PAGE, FE_UVA_BASE * 2 + i * FE_PAGE, 0 };
		CHECK(fe_mem_slot(fe, FE_ADD_MEM_REG, &r));
	}
	for (unsigned int i = 0; i < 3; i++) {
		killer_wait(killer_start(s, 0));
		suite_served(fe);
		/* In the last one, too. */
		fe_add_one(fe, FE_MEM_END + (n - 1) * FE_PAGE, 64);
		fe_kick(fe);
		CHECK(fe_wait(fe, 1, FE_TIMEOUT_MS));
		assert_int_equal(fe_pop(fe, &elem), 1);
		assert_int_equal(elem.len, 64);
	}
	assert_int_equal(daemon_log_count(&s->d, "will not be resumable"), 0);
	close(r.fd);
	suite_pass(s);
}

/* A session that is over leaves nothing behind. */
static void
test_over(void **state)
{
	struct suite *s = *state;

	suite_up_qemu(s, &s->fe, "vm0");
	suite_served(&s->fe);
	fe_close(&s->fe);
	CHECK(daemon_child_gone(&s->d, ROLE_VHOST, "vm0", FE_TIMEOUT_MS));
	usleep(100000);
	daemon_usage(&s->d, &s->usage);
	for (unsigned int i = 0; i < 5; i++) {
		suite_up_qemu(s, &s->fe, "vm0");
		for (unsigned int n = 0; n < 5; n++) {
			killer_wait(killer_start(s, 0));
			suite_served(&s->fe);
		}
		fe_close(&s->fe);
		CHECK(
		    daemon_child_gone(&s->d, ROLE_VHOST, "vm0", FE_TIMEOUT_MS));
	}
	CHECK(daemon_usage_wait(&s->d, &s->usage, FE_TIMEOUT_MS));
	suite_pass(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { SUITE_TEST(test_handshake),
		SUITE_TEST(test_load), SUITE_TEST(test_load_deep),
		SUITE_TEST(test_inflight), SUITE_TEST(test_dirty_log),
		SUITE_TEST(test_many_calls), SUITE_TEST(test_many_regions),
		SUITE_TEST(test_over), SUITE_PACKED(test_handshake),
		SUITE_PACKED(test_load), SUITE_PACKED(test_load_deep),
		SUITE_PACKED(test_inflight), SUITE_PACKED(test_dirty_log) };

	return SUITE_MAIN("deaths", tests);
}
