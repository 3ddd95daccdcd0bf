/*
 * Messages of a vhost-user session: whole, in pieces, with descriptors, and not
 * vhost-user at all.
 */
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "vhost/protocol/session.h"
#include "unit/unit.h"

#define HEADER	sizeof(struct vhost_user_header)
#define FDS_MAX 16

struct wire {
	struct vhost_user_header hdr;
	uint8_t payload[VHOST_USER_PAYLOAD_MAX];
};

struct line {
	struct session s;
	int peer;
	size_t fds; /* open before */
};

static int
setup(void **state)
{
	struct line *l = calloc(1, sizeof(*l));
	int fds[2];

	if (l == NULL)
		return -1;
	l->fds = unit_count_fds();
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == -1) {
		free(l);
		return -1;
	}
	session_init(&l->s, fds[0]);
	l->peer = fds[1];
	*state = l;
	return 0;
}

/* Nothing may be open that was not before. */
static int
teardown(void **state)
{
	struct line *l = *state;
	size_t fds;

	close(l->s.fd);
	close(l->peer);
	fds = unit_count_fds();
	if (fds != l->fds)
		print_error("# %zu descriptors instead of %zu\n", fds, l->fds);
	fds -= l->fds;
	free(l);
	return fds == 0 ? 0 : -1;
}

/* A request whose payload counts from 1. */
static struct wire
message(uint32_t request, uint32_t size)
{
	struct wire w = { .hdr = { request, VHOST_USER_VERSION, size } };

	for (uint32_t i = 0; i < size && i < sizeof(w.payload); i++)
		w.payload[i] = (uint8_t)(i + 1);
	return w;
}

/* Sends bytes from the frontend, with `nfds` descriptors of /dev/null. */
static void
transmit(struct line *l, const void *from, size_t len, size_t nfds)
{
	union {
		char buf[CMSG_SPACE(sizeof(int) * FDS_MAX)];
		struct cmsghdr align;
	} control = { .buf = { 0 } };
	struct iovec iov = { (void *)(uintptr_t)from, len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *cmsg;
	int fds[FDS_MAX];

	for (size_t i = 0; i < nfds; i++)
		fds[i] = open("/dev/null", O_RDWR);
	if (nfds > 0) {
		msg.msg_control = control.buf;
		msg.msg_controllen = (socklen_t)CMSG_SPACE(sizeof(int) * nfds);
		cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = (socklen_t)CMSG_LEN(sizeof(int) * nfds);
		memcpy(CMSG_DATA(cmsg), fds, sizeof(int) * nfds);
	}
	assert_int_equal(sendmsg(l->peer, &msg, MSG_NOSIGNAL), len);
	for (size_t i = 0; i < nfds; i++)
		close(fds[i]);
}

static void
expect_message(struct line *l, const struct wire *w, size_t nfds)
{
	const char *why = NULL;
	struct stat null, st;

	assert_int_equal(session_read(&l->s, &why), SESSION_MESSAGE);
	assert_null(why);
	assert_int_equal(l->s.in.hdr.request, w->hdr.request);
	assert_int_equal(l->s.in.hdr.size, w->hdr.size);
	if (w->hdr.size > 0)
		assert_memory_equal(&l->s.in.payload, w->payload, w->hdr.size);
	assert_int_equal(l->s.in.nfds, nfds);
	assert_int_equal(stat("/dev/null", &null), 0);
	for (size_t i = 0; i < nfds; i++) {
		assert_int_equal(fstat(l->s.in.fds[i], &st), 0);
		assert_int_equal(st.st_rdev, null.st_rdev);
		assert_int_equal(fcntl(l->s.in.fds[i], F_GETFD), FD_CLOEXEC);
	}
	assert_int_equal(session_unconsumed(&l->s), HEADER + w->hdr.size);
	assert_int_equal(session_consume(&l->s, HEADER + w->hdr.size), 0);
	assert_int_equal(session_unconsumed(&l->s), 0);
	session_next(&l->s);
}

/* Throws away what the frontend has sent. */
static void
forget_input(struct line *l)
{
	uint8_t bytes[4096];

	session_next(&l->s);
	while (recv(l->s.fd, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		continue;
}

static void
expect_result(struct line *l, enum session_result result)
{
	const char *why = NULL;

	assert_int_equal(session_read(&l->s, &why), result);
	assert_true((why != NULL) == (result == SESSION_BROKEN));
}

static void
test_whole(void **state)
{
	const uint32_t sizes[] = { 0, 1, 8, 268, VHOST_USER_PAYLOAD_MAX };
	const uint32_t requests[] = { VHOST_USER_GET_FEATURES,
		VHOST_USER_SET_LOG_BASE, VHOST_USER_ADD_MEM_REG,
		VHOST_USER_SET_MEM_TABLE, VHOST_USER_SET_INFLIGHT_FD };
	struct line *l = *state;
	struct wire w;

	expect_result(l, SESSION_AGAIN);
	for (uint32_t i = 0; i < 5; i++) {
		w = message(requests[i], sizes[i]);
		transmit(l, &w, HEADER + sizes[i], i * 2);
	}
	for (uint32_t i = 0; i < 5; i++) {
		w = message(requests[i], sizes[i]);
		expect_message(l, &w, i * 2);
	}
	expect_result(l, SESSION_AGAIN);
}

/* Descriptors with the first byte, or with any other. */
static void
test_single_bytes(void **state)
{
	struct line *l = *state;
	struct wire w = message(VHOST_USER_SET_VRING_KICK, 8);

	for (size_t with = 0; with < HEADER + 8; with++) {
		for (size_t i = 0; i < HEADER + 8; i++) {
			expect_result(l, SESSION_AGAIN);
			transmit(l, (uint8_t *)&w + i, 1, i == with ? 3 : 0);
		}
		expect_message(l, &w, 3);
	}
}

/* A descriptor that the handler took for itself stays open. */
static void
test_taken_fd(void **state)
{
	struct line *l = *state;
	struct wire w = message(VHOST_USER_SET_VRING_CALL, 8);
	const char *why;
	int fd;

	transmit(l, &w, HEADER + 8, 2);
	assert_int_equal(session_read(&l->s, &why), SESSION_MESSAGE);
	fd = l->s.in.fds[1];
	l->s.in.fds[1] = -1;
	session_next(&l->s);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	close(fd);
}

static void
test_too_many_fds(void **state)
{
	struct line *l = *state;
	struct wire w = message(VHOST_USER_SET_MEM_TABLE, 268);

	transmit(l, &w, HEADER + 268, VHOST_USER_FDS_MAX);
	expect_message(l, &w, VHOST_USER_FDS_MAX);
	transmit(l, &w, HEADER + 268, VHOST_USER_FDS_MAX + 1);
	expect_result(l, SESSION_BROKEN);
	forget_input(l);
	assert_int_equal(unit_count_fds(), l->fds + 2);
}

/* Far too many, with all of a message or a part of it. */
static void
test_too_many_fds_at_all(void **state)
{
	struct line *l = *state;
	struct wire w = message(VHOST_USER_SET_MEM_TABLE, 268);

	transmit(l, &w, HEADER + 268, FDS_MAX);
	expect_result(l, SESSION_BROKEN);
	forget_input(l);
	transmit(l, &w, 6, FDS_MAX);
	expect_result(l, SESSION_AGAIN);
	transmit(l, (uint8_t *)&w + 6, HEADER + 268 - 6, 0);
	expect_result(l, SESSION_BROKEN);
	forget_input(l);
	assert_int_equal(unit_count_fds(), l->fds + 2);
}

/* Descriptors for which this process has no room are missed. */
static void
test_lost_fds(void **state)
{
	struct line *l = *state;
	struct wire w = message(VHOST_USER_SET_VRING_KICK, 8);
	struct rlimit old, few;

	transmit(l, &w, HEADER + 8, 3);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	few = old;
	few.rlim_cur = (rlim_t)dup(l->peer) + 2;
	close((int)few.rlim_cur - 2);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	expect_result(l, SESSION_BROKEN);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	forget_input(l);
}

static void
test_wrong_version(void **state)
{
	const uint32_t flags[] = { 0, 2, 3, VHOST_USER_REPLY };
	struct line *l = *state;
	struct wire w = message(VHOST_USER_GET_FEATURES, 0);

	for (size_t i = 0; i < 4; i++) {
		w.hdr.flags = flags[i];
		transmit(l, &w, HEADER, 1);
		expect_result(l, SESSION_BROKEN);
		forget_input(l);
	}
	w.hdr.flags = VHOST_USER_VERSION | VHOST_USER_NEED_REPLY;
	transmit(l, &w, HEADER, 1);
	expect_message(l, &w, 0);
}

/* What comes behind a message does not lend it its descriptors. */
static void
test_next_fds(void **state)
{
	struct line *l = *state;
	struct wire none = message(VHOST_USER_SET_VRING_CALL, 8);
	struct wire some = message(VHOST_USER_SET_MEM_TABLE, 268);

	none.payload[1] |= VHOST_USER_VRING_NOFD >> 8;
	transmit(l, &none, HEADER + 8, 0);
	transmit(l, &some, HEADER, 2);
	transmit(l, some.payload, 268, 0);
	transmit(l, &some, HEADER + 268, 4);
	expect_message(l, &none, 0);
	expect_message(l, &some, 2);
	expect_message(l, &some, 4);
}

static void
test_too_long(void **state)
{
	const uint32_t sizes[] = { VHOST_USER_PAYLOAD_MAX + 1, INT32_MAX,
		UINT32_MAX - (uint32_t)HEADER + 1, UINT32_MAX };
	struct line *l = *state;
	struct wire w;

	for (size_t i = 0; i < 4; i++) {
		w = message(VHOST_USER_SET_OWNER, sizes[i]);
		transmit(l, &w, HEADER, 0);
		expect_result(l, SESSION_BROKEN);
		forget_input(l);
	}
}

/* The frontend goes away between messages and within one. */
static void
test_end(void **state)
{
	struct line *l = *state;
	struct wire w = message(VHOST_USER_SET_OWNER, 8);

	transmit(l, &w, HEADER + 8, 0);
	transmit(l, &w, HEADER + 7, 2);
	assert_int_equal(shutdown(l->peer, SHUT_WR), 0);
	expect_message(l, &w, 0);
	expect_result(l, SESSION_CLOSED);
	expect_result(l, SESSION_CLOSED);
	session_next(&l->s);
	expect_result(l, SESSION_CLOSED);
}

/* Reads a reply as the frontend, in `len` bytes and perhaps a descriptor. */
static int
receive(struct line *l, struct wire *w, size_t len)
{
	union {
		char buf[CMSG_SPACE(sizeof(int) * FDS_MAX)];
		struct cmsghdr align;
	} control = { .buf = { 0 } };
	struct iovec iov = { w, len };
	struct msghdr msg = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = sizeof(control.buf) };
	struct cmsghdr *cmsg;
	int fd = -1;

	assert_int_equal(recvmsg(l->peer, &msg, MSG_WAITALL), len);
	if ((cmsg = CMSG_FIRSTHDR(&msg)) != NULL) {
		assert_int_equal(cmsg->cmsg_len, CMSG_LEN(sizeof(int)));
		memcpy(&fd, CMSG_DATA(cmsg), sizeof(fd));
	}
	return fd;
}

static void
test_reply(void **state)
{
	struct line *l = *state;
	struct wire w = message(VHOST_USER_GET_INFLIGHT_FD, 20);
	struct message *out;
	const char *why;
	int fd;

	transmit(l, &w, HEADER + 20, 0);
	assert_int_equal(session_read(&l->s, &why), SESSION_MESSAGE);
	for (uint32_t nfds = 0; nfds < 2; nfds++) {
		out = session_reply(&l->s, 24);
		for (size_t i = 0; i < 24; i++)
			assert_int_equal(out->payload.bytes[i], 0);
		memset(&out->payload, 0x3c, 24);
		if (nfds > 0)
			out->fds[out->nfds++] = open("/dev/null", O_RDWR);
		assert_int_equal(session_flush(&l->s), SESSION_MESSAGE);
		fd = receive(l, &w, HEADER + 24);
		assert_int_equal(fd != -1, nfds);
		if (fd != -1)
			close(fd);
		assert_int_equal(w.hdr.request, VHOST_USER_GET_INFLIGHT_FD);
		assert_int_equal(w.hdr.flags,
		    VHOST_USER_VERSION | VHOST_USER_REPLY);
		assert_int_equal(w.hdr.size, 24);
		for (size_t i = 0; i < 24; i++)
			assert_int_equal(w.payload[i], 0x3c);
		assert_int_equal(l->s.out_len, 0);
	}
	assert_int_equal(session_flush(&l->s), SESSION_MESSAGE);
	assert_int_equal(recv(l->peer, &w, 1, MSG_DONTWAIT), -1);
	session_next(&l->s);
}

/* Fills the connection towards the frontend; returns with how many bytes. */
static size_t
stuff(struct line *l, size_t piece)
{
	uint8_t bytes[1024] = { 0 };
	size_t sum = 0;
	ssize_t n;

	while ((n = send(l->s.fd, bytes, piece, MSG_DONTWAIT)) > 0)
		sum += (size_t)n;
	assert_int_equal(errno, EAGAIN);
	return sum;
}

/* A reply waits for room, then goes whole, its descriptor once. */
static void
test_full_socket(void **state)
{
	struct line *l = *state;
	struct message *out;
	struct wire w = { .hdr = { 0 } };
	size_t sum;
	int fd;

	sum = stuff(l, 1024);
	sum += stuff(l, 1);
	out = session_reply(&l->s, 8);
	out->payload.u64 = 0x1122334455667788;
	out->fds[out->nfds++] = open("/dev/null", O_RDWR);
	assert_int_equal(session_flush(&l->s), SESSION_AGAIN);
	assert_int_equal(session_flush(&l->s), SESSION_AGAIN);
	while (sum > 0) {
		ssize_t n = recv(l->peer, &w, sum < 500 ? sum : 500, 0);

		assert_true(n > 0);
		sum -= (size_t)n;
	}
	assert_int_equal(session_flush(&l->s), SESSION_MESSAGE);
	fd = receive(l, &w, HEADER + 8);
	assert_int_not_equal(fd, -1);
	close(fd);
	memcpy(&out->payload, w.payload, 8);
	assert_int_equal(out->payload.u64, 0x1122334455667788);
	assert_int_equal(recv(l->peer, &w, 1, MSG_DONTWAIT), -1);
}

/* Sent bytes and the descriptor are not sent again. */
static void
test_partial_reply(void **state)
{
	struct line *l = *state;
	struct message *out = session_reply(&l->s, 8);
	struct wire w = { .hdr = { 0 } };

	out->payload.u64 = 42;
	out->fds[out->nfds++] = open("/dev/null", O_RDWR);
	l->s.out_done = 5;
	assert_int_equal(session_flush(&l->s), SESSION_MESSAGE);
	assert_int_equal(receive(l, &w, HEADER + 8 - 5), -1);
	assert_int_equal(recv(l->peer, &w, 1, MSG_DONTWAIT), -1);
}

static void
test_reply_to_nobody(void **state)
{
	struct line *l = *state;
	struct message *out = session_reply(&l->s, 8);

	out->payload.u64 = 1;
	assert_int_equal(shutdown(l->peer, SHUT_RDWR), 0);
	assert_int_equal(session_flush(&l->s), SESSION_CLOSED);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_whole),
		TEST(test_single_bytes),
		TEST(test_taken_fd),
		TEST(test_too_many_fds),
		TEST(test_too_many_fds_at_all),
		TEST(test_lost_fds),
		TEST(test_wrong_version),
		TEST(test_next_fds),
		TEST(test_too_long),
		TEST(test_end),
		TEST(test_reply),
		TEST(test_full_socket),
		TEST(test_partial_reply),
		TEST(test_reply_to_nobody),
	};

	return UNIT_MAIN("session", tests);
}
