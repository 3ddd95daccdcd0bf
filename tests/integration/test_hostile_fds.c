/*
 * A frontend that passes the wrong descriptors: too many, none, of the wrong
 * kind, and notification fds that block or never rest.
 */
#include <sys/eventfd.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "integration/hostile.h"

static void
test_too_many_fds(void **state)
{
	const size_t counts[] = { 1, 8, 9, 32, 250 };
	struct suite *s = *state;
	int fds[256];
	size_t i, k;

	for (i = 0; i < 256; i++)
		fds[i] = STDIN_FILENO;
	for (i = 0; i < 5; i++) {
		for (k = 0; k < 3; k++) {
			hostile_up(s);
			CHECK(fe_send(&s->fe,
			    k == 0	 ? FE_GET_FEATURES
				: k == 1 ? FE_SET_OWNER
					 : FE_SET_VRING_CALL,
			    0, "\0\0\0\0\0\0\0", k == 2 ? 8 : 0, fds,
			    counts[i]));
			hostile_answers(s);
			hostile_other(s);
			fe_close(&s->fe);
		}
	}
	hostile_end(s);
}

/* One byte at a time, each with a descriptor. */
static void
test_fds_in_pieces(void **state)
{
	struct suite *s = *state;
	struct __attribute__((packed)) {
		struct fe_header hdr;
		uint64_t value;
	} m = { { FE_SET_VRING_CALL, FE_VERSION, 8 }, 0 };
	size_t i;
	int rc = 0;

	hostile_up(s);
	for (i = 0; i < 20 && rc == 0; i++)
		rc = fe_send_raw(&s->fe, (char *)&m + i, 1, &s->fe.call, 1);
	hostile_answers(s);
	hostile_end(s);
}

static void
test_missing_fds(void **state)
{
	const uint32_t types[] = { FE_SET_VRING_KICK, FE_SET_VRING_CALL,
		FE_SET_VRING_ERR, FE_SET_LOG_FD, FE_SET_LOG_BASE,
		FE_SET_INFLIGHT_FD, FE_ADD_MEM_REG, FE_SET_MEM_TABLE };
	const size_t sizes[] = { 8, 8, 8, 0, 16, 24, 40, 72 };
	struct suite *s = *state;
	uint64_t payload[16];
	size_t i;

	for (i = 0; i < 8; i++) {
		hostile_up(s);
		memset(payload, 0, sizeof(payload));
		if (types[i] == FE_SET_MEM_TABLE) {
			payload[0] = 2;
			memcpy(payload + 1, &s->fe.regions[0].wire, 32);
			memcpy(payload + 5, &s->fe.regions[1].wire, 32);
		} else if (sizes[i] > 8)
			payload[0] = payload[1] = payload[2] = 4096;
		fe_set(&s->fe, types[i], payload, sizes[i], NULL, 0);
		hostile_answers(s);
		hostile_other(s);
		fe_close(&s->fe);
		hostile_up(s);
		if (types[i] == FE_SET_MEM_TABLE) {
			fe_set(&s->fe, types[i], payload, sizes[i],
			    &s->fe.regions[0].fd, 1);
			hostile_answers(s);
		}
		fe_close(&s->fe);
	}
	hostile_end(s);
}

static void
test_strange_kick(void **state)
{
	struct suite *s = *state;
	int fd, kind;

	for (kind = 0; (fd = hostile_fd(kind)) != -1; kind++) {
		hostile_up(s);
		fe_set_fd(&s->fe, FE_SET_VRING_KICK, fd);
		close(fd);
		hostile_other(s);
		hostile_not_spinning(s, "vm0");
		hostile_closed_or_works(s);
		fe_close(&s->fe);
	}
	assert_int_equal(kind, 9);
	hostile_end(s);
}

static void
test_strange_call(void **state)
{
	struct suite *s = *state;
	int fd, kind, i;

	for (kind = 0; (fd = hostile_fd(kind)) != -1; kind++) {
		hostile_up(s);
		fe_set_fd(&s->fe, FE_SET_VRING_CALL, fd);
		close(fd);
		for (i = 0; i < 10; i++)
			fe_add_one(&s->fe, FE_BUF_GPA, 64);
		fe_used_event_set(&s->fe, s->fe.ring.used_idx);
		fe_kick_always(&s->fe);
		hostile_other(s);
		hostile_closed_or_works(s);
		fe_close(&s->fe);
	}
	hostile_end(s);
}

/* A blocking call eventfd at its maximum cannot be written. */
static void
test_call_full(void **state)
{
	const uint64_t max = UINT64_MAX - 1;
	struct suite *s = *state;
	struct fe_used_elem elem;
	int fd, i;

	hostile_up(s);
	fd = eventfd(0, EFD_CLOEXEC);
	assert_int_equal(write(fd, &max, sizeof(max)), sizeof(max));
	CHECK(fe_set_fd(&s->fe, FE_SET_VRING_CALL, fd));
	for (i = 0; i < 20; i++) {
		fe_used_event_set(&s->fe, s->fe.ring.used_idx);
		fe_add_one(&s->fe, FE_BUF_GPA, 64);
		fe_kick(&s->fe);
		CHECK(fe_wait_polling(&s->fe, 1, FE_TIMEOUT_MS));
		assert_int_equal(fe_pop(&s->fe, &elem), 1);
	}
	assert_true(hostile_answers(s));
	hostile_other(s);
	hostile_not_spinning(s, "vm0");
	close(fd);
	hostile_end(s);
}

/* A pipe without a reader as call fd. */
static void
test_call_pipe(void **state)
{
	struct suite *s = *state;
	char buf[4096] = { 0 };
	int p[2];

	hostile_up(s);
	CHECK(pipe2(p, O_CLOEXEC | O_NONBLOCK));
	while (write(p[1], buf, sizeof(buf)) > 0)
		;
	CHECK(fcntl(p[1], F_SETFL, 0));
	fe_set_fd(&s->fe, FE_SET_VRING_CALL, p[1]);
	fe_used_event_set(&s->fe, s->fe.ring.used_idx);
	fe_add_one(&s->fe, FE_BUF_GPA, 64);
	fe_kick(&s->fe);
	hostile_other(s);
	hostile_closed_or_works(s);
	close(p[0]);
	close(p[1]);
	hostile_end(s);
}

/* Its owner takes kicks back from a blocking eventfd before they are read. */
static void
test_kick_drained(void **state)
{
	struct suite *s = *state;
	uint64_t n;
	int fd, i;

	hostile_up(s);
	fd = eventfd(0, EFD_CLOEXEC);
	CHECK(fe_set_fd(&s->fe, FE_SET_VRING_KICK, fd));
	for (i = 0; i < 2000; i++) {
		n = 1;
		assert_int_equal(write(fd, &n, sizeof(n)), sizeof(n));
		CHECK(fcntl(fd, F_SETFL, O_NONBLOCK));
		if (read(fd, &n, sizeof(n)) == -1)
			assert_int_equal(errno, EAGAIN);
		CHECK(fcntl(fd, F_SETFL, 0));
	}
	assert_true(hostile_answers(s));
	hostile_other(s);
	CHECK(fe_set_fd(&s->fe, FE_SET_VRING_KICK, s->fe.kick));
	suite_served(&s->fe);
	close(fd);
	hostile_end(s);
}

/* The last close blocks; the parent must not do it. */
static void
test_lingering_call(void **state)
{
	struct suite *s = *state;
	int peer, fd;

	hostile_up(s);
	fd = hostile_lingering(&peer);
	fe_set_fd(&s->fe, FE_SET_VRING_CALL, fd);
	close(fd);
	fe_close(&s->fe);
	hostile_other(s);
	hostile_end(s);
	close(peer);
}

/* It lies in the connection, behind what ends that. */
static void
test_lingering_unread(void **state)
{
	const struct fe_header hdr = { FE_SET_OWNER, 0, 0 };
	struct suite *s = *state;
	int peer, fd;

	hostile_up(s);
	fd = hostile_lingering(&peer);
	CHECK(fe_send_raw(&s->fe, &hdr, sizeof(hdr), NULL, 0));
	fe_send_raw(&s->fe, &hdr, sizeof(hdr), &fd, 1);
	close(fd);
	fe_close(&s->fe);
	hostile_other(s);
	hostile_end(s);
	close(peer);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { HOSTILE_TEST(test_too_many_fds),
		HOSTILE_TEST(test_fds_in_pieces),
		HOSTILE_TEST(test_missing_fds), HOSTILE_TEST(test_strange_kick),
		HOSTILE_TEST(test_strange_call), HOSTILE_TEST(test_call_full),
		HOSTILE_TEST(test_call_pipe), HOSTILE_TEST(test_kick_drained),
		HOSTILE_TEST(test_lingering_call),
		HOSTILE_TEST(test_lingering_unread),
		HOSTILE_PACKED(test_strange_kick),
		HOSTILE_PACKED(test_strange_call),
		HOSTILE_PACKED(test_call_full), HOSTILE_PACKED(test_call_pipe),
		HOSTILE_PACKED(test_kick_drained) };

	return SUITE_MAIN("hostile_fds", tests);
}
