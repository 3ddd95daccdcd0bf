/*
 * Channels: the table of frames, and what a frame that breaks it leads to.
 */
#include "unit/unit.h"

#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>

#include "common/channel.h"

struct row {
	enum proto_type type;
	uint32_t from;
	uint32_t to;
	size_t size;
	size_t nfds;
};

#define ROW(name, sender, receiver, payload, count) \
	{ PROTO_##name, sender, receiver, \
		sizeof(struct frame_header) + sizeof(struct payload), count },
static const struct row rows[] = { PROTO_FRAMES(ROW) };
#define ROWS (sizeof(rows) / sizeof(rows[0]))

static bool
valid(const struct row *row, size_t size, size_t nfds, uint32_t from,
    uint32_t to)
{
	const struct frame_header hdr = {
		.type = row->type,
		.length = (uint32_t)size,
	};

	return frame_valid(&hdr, size, nfds, (enum proto_role)from,
	    (enum proto_role)to);
}

/* One bit of a set of roles. */
static uint32_t
one_of(uint32_t roles)
{
	return roles & ~(roles - 1);
}

static void
test_table(void **state)
{
	const uint32_t roles[] = { ROLE_PARENT, ROLE_ENTROPY, ROLE_VHOST,
		ROLE_EGD, ROLE_STATUS, ROLE_USB };

	(void)state;
	for (size_t i = 0; i < ROWS; i++) {
		const struct row *row = &rows[i];
		uint32_t from = one_of(row->from), to = one_of(row->to);

		assert_true(valid(row, row->size, row->nfds, from, to));
		assert_false(valid(row, row->size - 1, row->nfds, from, to));
		assert_false(valid(row, row->size + 8, row->nfds, from, to));
		assert_false(valid(row, row->size, row->nfds + 1, from, to));
		assert_false(valid(row, row->size, row->nfds - 1, from, to));
		for (size_t k = 0; k < sizeof(roles) / sizeof(roles[0]); k++) {
			assert_int_equal(
			    valid(row, row->size, row->nfds, roles[k], to),
			    (row->from & roles[k]) != 0);
			assert_int_equal(
			    valid(row, row->size, row->nfds, from, roles[k]),
			    (row->to & roles[k]) != 0);
		}
	}
}

static void
test_header(void **state)
{
	const uint32_t types[] = { 0, PROTO_TYPES, PROTO_TYPES + 1,
		UINT32_MAX };
	struct frame_header hdr;
	struct frame f;

	(void)state;
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		hdr = (struct frame_header){ .type = types[i], .length = 24 };
		assert_false(frame_valid(&hdr, 24, 0, ROLE_PARENT, ROLE_VHOST));
		assert_string_equal(frame_name(types[i]), "unknown");
	}
	frame_init(&f, PROTO_WANT_ASK, 1, 2);
	assert_string_equal(frame_name(PROTO_WANT_ASK), "WANT_ASK");
	assert_true(
	    frame_valid(&f.hdr, f.hdr.length, 0, ROLE_PARENT, ROLE_VHOST));
	/* The length must be said, and true. */
	f.hdr.length--;
	assert_false(
	    frame_valid(&f.hdr, f.hdr.length + 1, 0, ROLE_PARENT, ROLE_VHOST));
	for (size_t size = 0; size < sizeof(f.hdr); size++)
		assert_false(
		    frame_valid(&f.hdr, size, 0, ROLE_PARENT, ROLE_VHOST));
}

static void
test_fds(void **state)
{
	size_t before = unit_count_fds();
	int pair[2], null;
	struct frame out, in;

	(void)state;
	assert_int_equal(channel_pair(pair), 0);
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	frame_init(&out, PROTO_START, 7, 9);
	out.u.limits.window = 4711;
	out.fds[0] = out.fds[1] = null;
	assert_int_equal(channel_send(pair[0], &out), 0);
	assert_int_equal(channel_recv(pair[1], &in, ROLE_PARENT, ROLE_VHOST),
	    CHANNEL_FRAME);
	assert_memory_equal(&in.hdr, &out.hdr, sizeof(in.hdr));
	assert_int_equal(in.u.limits.window, 4711);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(fcntl(in.fds[i], F_GETFD), FD_CLOEXEC);
		assert_int_equal(write(in.fds[i], "x", 1), 1);
		close(in.fds[i]);
	}
	assert_int_equal(channel_recv(pair[1], &in, ROLE_PARENT, ROLE_VHOST),
	    CHANNEL_AGAIN);
	close(pair[0]);
	assert_int_equal(channel_recv(pair[1], &in, ROLE_PARENT, ROLE_VHOST),
	    CHANNEL_CLOSED);
	close(pair[1]);
	close(null);
	assert_int_equal(unit_count_fds(), before);
}

/* Sends anything. */
static void
send_raw(int fd, const void *buf, size_t len, int pass, size_t nfds)
{
	union {
		char buf[CMSG_SPACE(sizeof(int) * 8)];
		struct cmsghdr align;
	} control = { 0 };
	struct iovec iov = { (void *)(uintptr_t)buf, len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (nfds > 0) {
		msg.msg_control = control.buf;
		msg.msg_controllen = (socklen_t)CMSG_SPACE(sizeof(int) * nfds);
		control.align.cmsg_level = SOL_SOCKET;
		control.align.cmsg_type = SCM_RIGHTS;
		control.align.cmsg_len =
		    (socklen_t)CMSG_LEN(sizeof(int) * nfds);
		for (size_t i = 0; i < nfds; i++)
			memcpy(CMSG_DATA(&control.align) + i * sizeof(int),
			    &pass, sizeof(int));
	}
	assert_int_equal(sendmsg(fd, &msg, 0), len);
}

/* Whatever breaks the table is refused whole, with its descriptors. */
static void
test_broken(void **state)
{
	size_t before;
	int pair[2];
	struct frame f, in;
	char huge[4096] = { 0 };

	(void)state;
	assert_int_equal(channel_pair(pair), 0);
	before = unit_count_fds();
	frame_init(&f, PROTO_GRANT, 1, 1);
	send_raw(pair[0], &f, f.hdr.length - 1, -1, 0);
	send_raw(pair[0], &f, 1, -1, 0);
	for (size_t n = 1; n <= 8; n++)
		send_raw(pair[0], &f, f.hdr.length, pair[0], n);
	for (size_t n = 0; n < 10; n++) {
		assert_int_equal(
		    channel_recv(pair[1], &in, ROLE_PARENT, ROLE_ENTROPY),
		    CHANNEL_BROKEN);
		assert_int_equal(in.fds[0], -1);
		assert_int_equal(in.fds[1], -1);
	}
	memcpy(huge, &f, f.hdr.length);
	send_raw(pair[0], huge, sizeof(huge), pair[0], 1);
	assert_int_equal(channel_recv(pair[1], &in, ROLE_PARENT, ROLE_ENTROPY),
	    CHANNEL_BROKEN);
	assert_int_equal(unit_count_fds(), before);
	/* And what follows is read as if nothing had been. */
	assert_int_equal(channel_send(pair[0], &f), 0);
	assert_int_equal(channel_recv(pair[1], &in, ROLE_PARENT, ROLE_ENTROPY),
	    CHANNEL_FRAME);
	close(pair[0]);
	close(pair[1]);
}

/* A client's connection goes down, and its end comes up, with its place. */
static void
test_clients(void **state)
{
	int pair[2], up[2];
	struct frame out, in;

	(void)state;
	assert_int_equal(channel_pair(pair), 0);
	assert_int_equal(channel_up_pair(up), 0);
	frame_init(&out, PROTO_CLIENT, 7, 0);
	out.u.client.place = CLIENTS_MAX - 1;
	out.fds[0] = pair[0];
	assert_int_equal(channel_send(pair[0], &out), 0);
	assert_int_equal(channel_recv(pair[1], &in, ROLE_PARENT, ROLE_EGD),
	    CHANNEL_FRAME);
	assert_int_equal(in.u.client.place, CLIENTS_MAX - 1);
	assert_int_equal(fcntl(in.fds[0], F_GETFD), FD_CLOEXEC);
	assert_int_equal(in.fds[1], -1);
	close(in.fds[0]);
	frame_init(&out, PROTO_CLIENT_GONE, 7, 0);
	out.u.client.place = 12;
	assert_int_equal(channel_tell(up[1], &out), 0);
	assert_int_equal(channel_hear(up[0], &in, ROLE_EGD), CHANNEL_FRAME);
	assert_int_equal(in.u.client.place, 12);
	for (int i = 0; i < 2; i++) {
		close(pair[i]);
		close(up[i]);
	}
}

static void
test_full(void **state)
{
	struct frame f;
	int pair[2], n = 0;

	(void)state;
	assert_int_equal(channel_pair(pair), 0);
	frame_init(&f, PROTO_WANT_ASK, 0, 0);
	while (channel_send(pair[0], &f) == 0)
		assert_true(++n < 100000);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(channel_recv(pair[1], &f, ROLE_PARENT, ROLE_VHOST),
	    CHANNEL_FRAME);
	assert_int_equal(channel_send(pair[0], &f), 0);
	close(pair[1]);
	assert_int_equal(channel_send(pair[0], &f), -1);
	assert_int_not_equal(errno, EAGAIN);
	close(pair[0]);
}

static void
test_one_way(void **state)
{
	char buf[10];
	int pair[2];

	(void)state;
	assert_int_equal(channel_pair(pair), 0);
	assert_int_equal(send(pair[0], "abc", 3, MSG_NOSIGNAL), 3);
	assert_int_equal(recv(pair[1], buf, sizeof(buf), MSG_DONTWAIT), 3);
	assert_int_equal(send(pair[1], "abc", 3, MSG_NOSIGNAL), -1);
	assert_int_equal(errno, EPIPE);
	assert_int_equal(fcntl(pair[0], F_GETFD), FD_CLOEXEC);
	assert_int_equal(fcntl(pair[1], F_GETFD), FD_CLOEXEC);
	close(pair[0]);
	close(pair[1]);
}

static void
test_up(void **state)
{
	struct frame line, f;
	int up[2];

	(void)state;
	assert_int_equal(channel_up_pair(up), 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(fcntl(up[i], F_GETFD), FD_CLOEXEC);
		assert_true((fcntl(up[i], F_GETFL) & O_NONBLOCK) != 0);
	}
	assert_int_equal(channel_hear(up[0], &f, ROLE_VHOST), CHANNEL_AGAIN);
	frame_init(&line, PROTO_LOG, 3, 4);
	memset(line.u.log.text, 'x', sizeof(line.u.log.text));
	/* Each is a separate packet, and the last frames are read. */
	assert_int_equal(channel_tell(up[1], &line), 0);
	assert_int_equal(channel_tell(up[1], &line), 0);
	close(up[1]);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(channel_hear(up[0], &f, ROLE_VHOST),
		    CHANNEL_FRAME);
		assert_memory_equal(&f, &line, line.hdr.length);
		assert_int_equal(f.fds[0], -1);
	}
	assert_int_equal(channel_hear(up[0], &f, ROLE_VHOST), CHANNEL_CLOSED);
	close(up[0]);
}

/* Whatever breaks the table on the way up is refused, and nothing else. */
static void
test_up_broken(void **state)
{
	uint8_t bytes[2 * PIPE_BUF] = { 0 };
	struct frame good, f;
	int up[2];

	(void)state;
	assert_int_equal(channel_up_pair(up), 0);
	frame_init(&good, PROTO_READY, 0, 0);
	memcpy(bytes, &good, good.hdr.length);
	for (size_t n = 1; n <= sizeof(f) + 1; n++) {
		if (n == good.hdr.length)
			continue;
		assert_int_equal(write(up[1], bytes, n), n);
		assert_int_equal(channel_hear(up[0], &f, ROLE_VHOST),
		    CHANNEL_BROKEN);
		assert_int_equal(f.fds[0], -1);
		assert_int_equal(f.fds[1], -1);
	}
	/* Two packets, since one holds so much. */
	assert_int_equal(write(up[1], bytes, sizeof(bytes)), sizeof(bytes));
	for (int i = 0; i < 2; i++)
		assert_int_equal(channel_hear(up[0], &f, ROLE_VHOST),
		    CHANNEL_BROKEN);
	/* The parent's frames, and those of another role. */
	frame_init(&f, PROTO_WANT_ASK, 0, 0);
	assert_int_equal(channel_tell(up[1], &f), 0);
	assert_int_equal(channel_hear(up[0], &f, ROLE_VHOST), CHANNEL_BROKEN);
	frame_init(&f, PROTO_STATUS_ASK, 0, 0);
	assert_int_equal(channel_tell(up[1], &f), 0);
	assert_int_equal(channel_hear(up[0], &f, ROLE_VHOST), CHANNEL_BROKEN);
	assert_int_equal(channel_tell(up[1], &good), 0);
	assert_int_equal(channel_hear(up[0], &f, ROLE_VHOST), CHANNEL_FRAME);
	close(up[0]);
	close(up[1]);
}

/* As small as the kernel makes pipes, when a user has very many. */
static void
test_up_full(void **state)
{
	struct pollfd pfd = { .events = POLLOUT };
	struct frame f, in;
	int up[2], n = 0;

	(void)state;
	assert_int_equal(channel_up_pair(up), 0);
	pfd.fd = up[1];
	assert_true(fcntl(up[1], F_SETPIPE_SZ, 4096) >= 4096);
	frame_init(&f, PROTO_READY, 0, 0);
	while (channel_tell(up[1], &f) == 0)
		assert_true(++n < 1000);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(poll(&pfd, 1, 0), 0);
	assert_int_equal(channel_hear(up[0], &in, ROLE_EGD), CHANNEL_FRAME);
	assert_int_equal(poll(&pfd, 1, 0), 1);
	assert_int_equal(pfd.revents, POLLOUT);
	assert_int_equal(channel_tell(up[1], &f), 0);
	signal(SIGPIPE, SIG_IGN);
	close(up[0]);
	assert_int_equal(channel_tell(up[1], &f), -1);
	assert_int_equal(errno, EPIPE);
	assert_int_equal(poll(&pfd, 1, 0), 1);
	assert_true((pfd.revents & POLLERR) != 0);
	close(up[1]);
}

/* Sends a descriptor.  Returns 0 or an errno. */
static int
pass(int fd, int passed)
{
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { .align = { .cmsg_len = CMSG_LEN(sizeof(int)),
			  .cmsg_level = SOL_SOCKET,
			  .cmsg_type = SCM_RIGHTS } };
	char byte = 0;
	struct iovec iov = { &byte, sizeof(byte) };
	struct msghdr msg = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = sizeof(control.buf) };

	memcpy(CMSG_DATA(&control.align), &passed, sizeof(int));
	return sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) == -1 ? errno : 0;
}

/* No child has a way to send a descriptor, so the parent closes none. */
static void
test_no_fds(void **state)
{
	int fds[2], up[2];

	(void)state;
	assert_int_equal(channel_pair(fds), 0);
	assert_int_equal(channel_up_pair(up), 0);
	assert_int_equal(pass(fds[1], up[1]), EPIPE);
	assert_int_equal(pass(up[1], fds[1]), ENOTSOCK);
	for (int i = 0; i < 2; i++) {
		close(fds[i]);
		close(up[i]);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_header),
		cmocka_unit_test(test_fds),
		cmocka_unit_test(test_clients),
		cmocka_unit_test(test_no_fds),
		cmocka_unit_test(test_broken),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_one_way),
		cmocka_unit_test(test_up),
		cmocka_unit_test(test_up_broken),
		cmocka_unit_test(test_up_full),
	};

	return UNIT_MAIN("channel", tests);
}
