/*
 * The state of the device, which a VMM saves and loads with its snapshots: over
 * and over under load, over any descriptor, with any content, and while workers
 * and the daemon end.
 */
#include <sys/mman.h>
#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "integration/hostile.h"
#include "integration/load.h"
#include "integration/manager.h"

#define STATE	 24 /* bytes */
#define CYCLES	 1000
#define KEEP_ALL ((size_t)24 << 20)
#define IN_A_ROW 10000
#define PIPED	 200 /* requests whose replies are not read meanwhile */
#define EOF_MS	 (1000 * test_patience())

/* Guest vm0 with its ring stopped, as a VMM leaves it for a snapshot. */
static void
up_stopped(struct suite *s)
{
	suite_up_qemu(s, &s->fe, "vm0");
	suite_served(&s->fe);
	assert_int_not_equal(fe_stop(&s->fe), -1);
}

static void
served_again(struct suite *s)
{
	CHECK(fe_start_ring(&s->fe));
	suite_served(&s->fe);
	assert_int_not_equal(fe_stop(&s->fe), -1);
}

static void
save(struct fe *fe, uint8_t *buf)
{
	errno = 0;
	if (fe_state_save(fe, buf, STATE + 1) != STATE)
		fail_msg("cannot save: %s", strerror(errno));
}

static void
status_is(struct fe *fe, uint64_t want)
{
	uint64_t status;

	CHECK(fe_get_u64(fe, FE_GET_STATUS, &status));
	assert_int_equal(status, want);
}

/* Within a second, the other end of a pipe is closed everywhere. */
static void
ends(int fd, short events)
{
	struct pollfd pfd = { .fd = fd, .events = events };

	assert_int_equal(poll(&pfd, 1, EOF_MS), 1);
	assert_true((pfd.revents & (POLLHUP | POLLERR)) != 0);
}

static void
test_save_and_load(void **state)
{
	struct suite *s = *state;
	uint8_t buf[STATE + 1], again[STATE + 1];

	up_stopped(s);
	save(&s->fe, buf);
	save(&s->fe, again);
	assert_memory_equal(buf, again, STATE);
	CHECK(fe_set_u64(&s->fe, FE_SET_STATUS, 0));
	CHECK(fe_state_load(&s->fe, buf, STATE));
	status_is(&s->fe, 8);
	served_again(s);
	/* In another session, and another guest's. */
	fe_close(&s->fe);
	up_stopped(s);
	CHECK(fe_state_load(&s->fe, buf, STATE));
	served_again(s);
	suite_up_qemu(s, &s->other, "vm1");
	assert_int_not_equal(fe_stop(&s->other), -1);
	CHECK(fe_state_load(&s->other, buf, STATE));
	CHECK(fe_start_ring(&s->other));
	suite_served(&s->other);
	suite_pass(s);
}

/* A memory file can be loaded from: it is read when it is checked. */
static void
test_file(void **state)
{
	struct suite *s = *state;
	uint8_t buf[STATE + 1];
	int fd = memfd_create("state", MFD_CLOEXEC);

	up_stopped(s);
	save(&s->fe, buf);
	assert_int_equal(fe_state_fd(&s->fe, FE_SAVE, fd), 1);
	assert_int_equal(write(fd, buf, STATE), STATE);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	CHECK(fe_state_fd(&s->fe, FE_LOAD, fd));
	CHECK(fe_state_check(&s->fe));
	/* Once. */
	assert_int_equal(fe_state_check(&s->fe), 1);
	served_again(s);
	close(fd);
	suite_pass(s);
}

static void
test_socket(void **state)
{
	struct suite *s = *state;
	uint8_t buf[STATE + 1];
	int fds[2];

	up_stopped(s);
	CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds));
	CHECK(fe_state_fd(&s->fe, FE_SAVE, fds[1]));
	close(fds[1]);
	CHECK(fe_state_check(&s->fe));
	assert_int_equal(recv(fds[0], buf, sizeof(buf), MSG_WAITALL), STATE);
	close(fds[0]);
	CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds));
	CHECK(fe_state_fd(&s->fe, FE_LOAD, fds[1]));
	for (int i = 0; i < STATE; i++)
		assert_int_equal(write(fds[0], buf + i, 1), 1);
	CHECK(shutdown(fds[0], SHUT_WR));
	CHECK(fe_state_check(&s->fe));
	close(fds[0]);
	close(fds[1]);
	served_again(s);
	suite_pass(s);
}

/* What a running ring needs does not change. */
static void
test_running(void **state)
{
	struct suite *s = *state;
	uint8_t buf[STATE + 1];
	int p[2];

	up_stopped(s);
	save(&s->fe, buf);
	CHECK(fe_start_ring(&s->fe));
	assert_int_equal(fe_state_save(&s->fe, buf, sizeof(buf)), -1);
	assert_int_equal(errno, EREMOTEIO);
	assert_int_equal(fe_state_load(&s->fe, buf, STATE), -1);
	assert_int_equal(errno, EREMOTEIO);
	suite_served(&s->fe);
	/* It was started in between. */
	assert_int_not_equal(fe_stop(&s->fe), -1);
	CHECK(pipe2(p, O_CLOEXEC));
	CHECK(fe_state_fd(&s->fe, FE_LOAD, p[0]));
	assert_int_equal(write(p[1], buf, STATE), STATE);
	CHECK(fe_start_ring(&s->fe));
	close(p[0]);
	close(p[1]);
	assert_int_equal(fe_state_check(&s->fe), 1);
	suite_served(&s->fe);
	suite_pass(s);
}

/*
 * Stopped, saved, loaded and started again under load: each request is
 * answered, and nothing comes twice.
 */
static void
test_cycles(void **state)
{
	struct suite *s = *state;
	struct load load = { .fe = &s->fe,
		.len = 64,
		.depth = 40,
		.data = malloc(KEEP_ALL),
		.size = KEEP_ALL };
	uint8_t buf[STATE + 1];
	uint64_t before;

	assert_non_null(load.data);
	suite_up_qemu(s, &s->fe, "vm0");
	for (int i = 0; i < CYCLES; i++) {
		before = load.requests;
		do {
			load_run(&load, 1, 1, NULL);
		} while (load.requests == before);
		assert_int_not_equal(fe_stop(&s->fe), -1);
		save(&s->fe, buf);
		CHECK(fe_state_load(&s->fe, buf, STATE));
		CHECK(fe_start_ring(&s->fe));
	}
	CHECK(fe_wait_polling(&s->fe, s->fe.ring.size - s->fe.ring.nfree,
	    FE_TIMEOUT_MS));
	load_poll(&load, NULL);
	assert_int_equal(s->fe.ring.nfree, s->fe.ring.size);
	assert_int_equal(load.shorts, 0);
	print_message("# %ju requests in %d cycles\n", (uintmax_t)load.requests,
	    CYCLES);
	suite_unique(load.data, load.bytes < KEEP_ALL ? load.bytes : KEEP_ALL);
	free(load.data);
	suite_served(&s->fe);
	suite_pass(s);
}

/* The limit is the guest's, however often it is restored. */
static void
test_limit(void **state)
{
	const char *const args[] = { "-s", "@vm%d.sock", "-c", "1", "-m",
		"4096", "-p", "600000", NULL };
	struct suite *s = *state;
	uint8_t buf[STATE + 1];
	int n, sum = 0;

	suite_start(s, args);
	up_stopped(s);
	save(&s->fe, buf);
	CHECK(fe_start_ring(&s->fe));
	for (n = 64; n > 0; sum += n)
		n = fe_read(&s->fe, NULL, 512, 300);
	assert_in_range(sum, 1, 4096 + 64);
	for (int i = 0; i < 3; i++) {
		fe_close(&s->fe);
		suite_up_qemu(s, &s->fe, "vm0");
		assert_int_not_equal(fe_stop(&s->fe), -1);
		CHECK(fe_state_load(&s->fe, buf, STATE));
		CHECK(fe_start_ring(&s->fe));
		assert_int_equal(fe_read(&s->fe, NULL, 64, 300), -1);
		assert_int_equal(errno, ETIMEDOUT);
	}
	suite_pass(s);
}

/* What must fail at the check, or before. */
static void
is_refused(struct suite *s, const void *buf, size_t size)
{
	assert_int_equal(fe_state_load(&s->fe, buf, size), -1);
	assert_int_equal(errno, EREMOTEIO);
	status_is(&s->fe, 8);
}

static void
test_garbage(void **state)
{
	struct suite *s = *state;
	uint8_t good[STATE + 1], *bad = calloc(1, 65536);
	uint64_t seed = program_seed();

	assert_non_null(bad);
	up_stopped(s);
	save(&s->fe, good);
	is_refused(s, bad, 0);
	for (size_t n = 1; n <= 65536; n *= 2)
		is_refused(s, bad, n);
	for (int i = 0; i < 100; i++) {
		memcpy(bad, good, STATE);
		bad[hostile_rand(&seed) % 16] ^=
		    (uint8_t)(1U << hostile_rand(&seed) % 8);
		is_refused(s, bad, STATE);
	}
	memcpy(bad, good, STATE);
	is_refused(s, bad, STATE - 1);
	is_refused(s, bad, STATE + 1);
	assert_int_equal(fe_state_check(&s->fe), 1);
	CHECK(fe_state_load(&s->fe, good, STATE));
	served_again(s);
	free(bad);
	suite_pass(s);
}

/* A frontend that writes more than there can be does not wait for ever. */
static void
test_endless(void **state)
{
	static const uint8_t zeros[65536];
	struct suite *s = *state;
	int p[2];

	up_stopped(s);
	CHECK(pipe2(p, O_CLOEXEC));
	CHECK(fe_state_fd(&s->fe, FE_LOAD, p[0]));
	close(p[0]);
	while (write(p[1], zeros, sizeof(zeros)) > 0)
		;
	assert_int_equal(errno, EPIPE);
	close(p[1]);
	assert_int_equal(fe_state_check(&s->fe), 1);
	served_again(s);
	suite_pass(s);
}

/* Unknown directions and phases, and the end of what they came with. */
static void
test_parameters(void **state)
{
	const uint32_t params[][2] = { { 2, 0 }, { 0, 1 }, { 1, 1 },
		{ UINT32_MAX, 0 }, { 0, UINT32_MAX } };
	struct suite *s = *state;
	struct fe_msg msg;
	uint64_t value;
	int p[2];

	up_stopped(s);
	for (size_t i = 0; i < sizeof(params) / sizeof(params[0]); i++) {
		CHECK(pipe2(p, O_CLOEXEC));
		CHECK(fe_send(&s->fe, FE_SET_DEVICE_STATE_FD, 0, params[i], 8,
		    &p[1], 1));
		close(p[1]);
		CHECK(fe_recv(&s->fe, &msg, FE_TIMEOUT_MS));
		memcpy(&value, msg.payload, sizeof(value));
		assert_int_equal(value, 0x101);
		assert_int_equal(msg.nfds, 0);
		ends(p[0], 0);
		close(p[0]);
		assert_int_equal(fe_state_check(&s->fe), 1);
	}
	/* Without a descriptor. */
	CHECK(
	    fe_send(&s->fe, FE_SET_DEVICE_STATE_FD, 0, params[0], 8, NULL, 0));
	CHECK(fe_recv(&s->fe, &msg, FE_TIMEOUT_MS));
	memcpy(&value, msg.payload, sizeof(value));
	assert_int_equal(value, 0x101);
	served_again(s);
	suite_pass(s);
}

/* The ends of pipes are seen although the worker lives, and when it dies. */
static void
test_end_of_file(void **state)
{
	struct suite *s = *state;
	uint8_t buf[STATE + 1];
	int p[2], status;

	up_stopped(s);
	CHECK(pipe2(p, O_CLOEXEC));
	CHECK(fe_state_fd(&s->fe, FE_SAVE, p[1]));
	close(p[1]);
	ends(p[0], 0);
	close(p[0]);
	CHECK(fe_state_check(&s->fe));
	save(&s->fe, buf);
	for (int i = 0; i < 5; i++) {
		CHECK(pipe2(p, O_CLOEXEC));
		CHECK(fe_state_fd(&s->fe, FE_LOAD, p[0]));
		close(p[0]);
		assert_int_equal(write(p[1], buf, STATE), STATE);
		/* Not in the moment in which a reply is sent: see deaths_each. */
		usleep(50000);
		CHECK(kill(daemon_child(&s->d, ROLE_VHOST, "vm0"), SIGKILL));
		ends(p[1], 0);
		close(p[1]);
		status = fe_state_check(&s->fe);
		assert_int_equal(status, 1);
		/* A transfer after it is as good as any. */
		save(&s->fe, buf);
		CHECK(fe_state_load(&s->fe, buf, STATE));
		served_again(s);
	}
	suite_pass(s);
}

/* So it is when the daemon is restarted, with the session in a store. */
static void
test_restart(void **state)
{
	struct suite *s = *state;
	struct manager m;
	uint8_t buf[STATE + 1];
	int p[2];

	manager_open(&m, s);
	admin_conf(s, "w",
	    "pool \"default\" { source \"k\" { type = kernel } }\n"
	    "guest \"vm0\" { socket = systemd }\n");
	manager_unit(&m, "guest-vm0", manager_listen(&m, "vm0.sock"));
	admin_start(s);
	up_stopped(s);
	save(&s->fe, buf);
	for (int i = 0; i < 4; i++) {
		CHECK(pipe2(p, O_CLOEXEC));
		CHECK(fe_state_fd(&s->fe, FE_LOAD, p[0]));
		close(p[0]);
		assert_int_equal(write(p[1], buf, STATE), STATE);
		manager_hear(&m);
		if (i % 2 == 0)
			CHECK(daemon_stop(&s->d, SIGTERM));
		else
			assert_int_equal(daemon_stop(&s->d, SIGKILL), SIGKILL);
		ends(p[1], 0);
		close(p[1]);
		manager_hear(&m);
		admin_start(s);
		assert_int_equal(fe_state_check(&s->fe), 1);
		CHECK(fe_state_load(&s->fe, buf, STATE));
		served_again(s);
	}
	fe_close(&s->fe);
	manager_close(&m);
	suite_pass(s);
}

/* Nothing that is passed makes a worker wait or spin, or ends the session. */
static void
test_any_fd(void **state)
{
	struct suite *s = *state;
	int fd, kind, rc;

	for (uint32_t direction = FE_SAVE; direction <= FE_LOAD; direction++)
		for (kind = 0; (fd = hostile_fd(kind)) != -1; kind++) {
			up_stopped(s);
			rc = fe_state_fd(&s->fe, direction, fd);
			assert_int_not_equal(rc, -1);
			hostile_other(s);
			hostile_not_spinning(s, "vm0");
			assert_int_equal(fe_state_check(&s->fe), 1);
			close(fd);
			served_again(s);
			fe_close(&s->fe);
		}
	hostile_end(s);
}

/* Full, or never read, and never written or closed. */
static void
test_never(void **state)
{
	static const uint8_t zeros[65536];
	struct suite *s = *state;
	int p[2];

	up_stopped(s);
	for (int flags = 0; flags < 2; flags++) {
		CHECK(pipe2(p, O_CLOEXEC | O_NONBLOCK));
		while (write(p[1], zeros, sizeof(zeros)) > 0)
			;
		CHECK(fcntl(p[1], F_SETFL, flags == 0 ? 0 : O_NONBLOCK));
		CHECK(fe_state_fd(&s->fe, FE_SAVE, p[1]));
		hostile_not_spinning(s, "vm0");
		assert_int_equal(fe_state_check(&s->fe), 1);
		close(p[0]);
		close(p[1]);
		CHECK(pipe2(p, O_CLOEXEC | (flags == 0 ? 0 : O_NONBLOCK)));
		CHECK(fe_state_fd(&s->fe, FE_LOAD, p[0]));
		assert_int_equal(write(p[1], zeros, 16), 16);
		hostile_not_spinning(s, "vm0");
		hostile_other(s);
		assert_int_equal(fe_state_check(&s->fe), 1);
		close(p[0]);
		close(p[1]);
		served_again(s);
	}
	CHECK(pipe2(p, O_CLOEXEC));
	CHECK(fe_state_fd(&s->fe, FE_SAVE, p[1]));
	CHECK(fe_state_check(&s->fe));
	served_again(s);
	close(p[0]);
	close(p[1]);
	hostile_end(s);
}

/* One replaces the other; nothing piles up. */
static void
test_in_a_row(void **state)
{
	struct suite *s = *state;
	const uint32_t payload[2] = { FE_LOAD, 0 };
	struct fe_msg msg;
	int p[2];

	up_stopped(s);
	CHECK(pipe2(p, O_CLOEXEC));
	for (int i = 0; i < IN_A_ROW; i++)
		CHECK(fe_state_fd(&s->fe, i % 3 == 0 ? FE_SAVE : FE_LOAD,
		    i % 3 == 0 ? p[1] : p[0]));
	for (int i = 0; i < PIPED; i++)
		CHECK(fe_send(&s->fe, FE_SET_DEVICE_STATE_FD, 0, payload, 8,
		    &p[0], 1));
	for (int i = 0; i < PIPED; i++) {
		CHECK(fe_recv(&s->fe, &msg, FE_TIMEOUT_MS));
		assert_int_equal(msg.hdr.request, FE_SET_DEVICE_STATE_FD);
	}
	close(p[0]);
	close(p[1]);
	assert_int_equal(fe_state_check(&s->fe), 1);
	assert_in_range(proc_fds(daemon_child(&s->d, ROLE_VHOST, "vm0")), 1,
	    32);
	served_again(s);
	hostile_end(s);
}

/* A close that waits is the worker's alone. */
static void
test_lingering(void **state)
{
	const uint32_t payload[2] = { FE_SAVE, 0 };
	struct suite *s = *state;
	int peer, fd;

	up_stopped(s);
	fd = hostile_lingering(&peer);
	CHECK(fe_send(&s->fe, FE_SET_DEVICE_STATE_FD, 0, payload, 8, &fd, 1));
	close(fd);
	hostile_other(s);
	fe_close(&s->fe);
	hostile_other(s);
	close(peer);
	hostile_end(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SUITE_TEST(test_save_and_load),
		SUITE_TEST(test_file),
		SUITE_TEST(test_socket),
		SUITE_TEST(test_running),
		SUITE_TEST(test_cycles),
		SUITE_EMPTY(test_limit),
		SUITE_TEST(test_garbage),
		SUITE_TEST(test_endless),
		SUITE_TEST(test_parameters),
		SUITE_TEST(test_end_of_file),
		SUITE_EMPTY(test_restart),
		HOSTILE_TEST(test_any_fd),
		HOSTILE_TEST(test_never),
		HOSTILE_TEST(test_in_a_row),
		HOSTILE_TEST(test_lingering),
	};

	return SUITE_MAIN("device_state", tests);
}
