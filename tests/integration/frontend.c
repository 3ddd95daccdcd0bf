/*
 * The fake frontend's connection: vhost-user messages with descriptors, each
 * sent and received within a time limit.
 */
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <bsd/string.h>

#include "integration/frontend.h"

uint64_t
fe_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

void
fe_init(struct fe *fe)
{
	memset(fe, 0, sizeof(*fe));
	fe->sock = fe->kick = fe->call = fe->err = fe->log_fd = -1;
}

int
fe_connect(struct fe *fe, const char *path)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	uint64_t deadline = fe_now() + FE_TIMEOUT_MS;

	if (strlcpy(sun.sun_path, path, sizeof(sun.sun_path)) >=
	    sizeof(sun.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	fe->sock =
	    socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fe->sock == -1)
		return -1;
	while (connect(fe->sock, (struct sockaddr *)&sun, sizeof(sun)) == -1) {
		if (errno != EAGAIN || fe_now() >= deadline)
			return -1;
		poll(NULL, 0, 1);
	}
	return 0;
}

static void
fd_close(int *fd)
{
	if (*fd != -1)
		close(*fd);
	*fd = -1;
}

void
fe_disconnect(struct fe *fe)
{
	fd_close(&fe->sock);
	fe->mem_sent = false;
}

void
fe_close(struct fe *fe)
{
	size_t i;

	fe_disconnect(fe);
	fd_close(&fe->kick);
	fd_close(&fe->call);
	fd_close(&fe->err);
	fd_close(&fe->log_fd);
	if (fe->log != NULL)
		munmap(fe->log, fe->log_size);
	fe_ring_free(fe);
	for (i = 0; i < fe->nregions; i++) {
		munmap(fe->regions[i].base, fe->regions[i].wire.size);
		fd_close(&fe->regions[i].fd);
	}
	fe_init(fe);
}

/* Wait for the socket; -1 with ETIMEDOUT when the deadline has passed. */
static int
sock_wait(const struct fe *fe, short events, uint64_t deadline)
{
	struct pollfd pfd = { .fd = fe->sock, .events = events };
	uint64_t now = fe_now();

	if (now >= deadline || poll(&pfd, 1, (int)(deadline - now)) == 0) {
		errno = ETIMEDOUT;
		return -1;
	}
	return 0;
}

int
fe_send_raw(struct fe *fe, const void *buf, size_t len, const int *fds,
    size_t nfds)
{
	union {
		struct cmsghdr hdr;
		char buf[CMSG_SPACE(sizeof(int) * 256)];
	} ctl;
	struct iovec iov;
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };
	uint64_t deadline = fe_now() + FE_TIMEOUT_MS;
	size_t off = 0;
	ssize_t n;

	if (nfds > 0) {
		memset(&ctl, 0, sizeof(ctl));
		mh.msg_control = ctl.buf;
		mh.msg_controllen = CMSG_SPACE(sizeof(int) * nfds);
		ctl.hdr.cmsg_level = SOL_SOCKET;
		ctl.hdr.cmsg_type = SCM_RIGHTS;
		ctl.hdr.cmsg_len = CMSG_LEN(sizeof(int) * nfds);
		memcpy(CMSG_DATA(&ctl.hdr), fds, sizeof(int) * nfds);
	}
	while (off < len) {
		iov.iov_base = (char *)(uintptr_t)buf + off;
		iov.iov_len = len - off;
		n = sendmsg(fe->sock, &mh, MSG_NOSIGNAL);
		if (n == -1) {
			if (errno == EAGAIN) {
				if (sock_wait(fe, POLLOUT, deadline) == -1)
					return -1;
				continue;
			}
			if (errno == EPIPE)
				errno = ECONNRESET;
			return -1;
		}
		off += (size_t)n;
		mh.msg_control = NULL;
		mh.msg_controllen = 0;
	}
	return 0;
}

int
fe_send(struct fe *fe, uint32_t request, uint32_t flags, const void *payload,
    size_t size, const int *fds, size_t nfds)
{
	struct {
		struct fe_header hdr;
		uint8_t payload[FE_MAX_PAYLOAD];
	} msg;

	if (size > sizeof(msg.payload)) {
		errno = EMSGSIZE;
		return -1;
	}
	msg.hdr.request = request;
	msg.hdr.flags = flags | FE_VERSION;
	msg.hdr.size = (uint32_t)size;
	if (size > 0)
		memcpy(msg.payload, payload, size);
	return fe_send_raw(fe, &msg, sizeof(msg.hdr) + size, fds, nfds);
}

/* Keep the fds of one received piece; what does not fit is closed. */
static void
take_fds(struct fe_msg *msg, struct msghdr *mh)
{
	struct cmsghdr *c;
	size_t i, n;
	int fd;

	for (c = CMSG_FIRSTHDR(mh); c != NULL; c = CMSG_NXTHDR(mh, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (i = 0; i < n; i++) {
			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int),
			    sizeof(int));
			if (msg->nfds < FE_MAX_FDS)
				msg->fds[msg->nfds++] = fd;
			else
				close(fd);
		}
	}
}

/* Receive exactly len bytes before the deadline. */
static int
recv_all(struct fe *fe, void *buf, size_t len, struct fe_msg *msg,
    uint64_t deadline)
{
	union {
		struct cmsghdr hdr;
		char buf[CMSG_SPACE(sizeof(int) * FE_MAX_FDS)];
	} ctl;
	struct iovec iov;
	struct msghdr mh;
	size_t off = 0;
	ssize_t n;

	while (off < len) {
		iov.iov_base = (char *)buf + off;
		iov.iov_len = len - off;
		memset(&mh, 0, sizeof(mh));
		mh.msg_iov = &iov;
		mh.msg_iovlen = 1;
		mh.msg_control = ctl.buf;
		mh.msg_controllen = sizeof(ctl.buf);
		n = recvmsg(fe->sock, &mh, MSG_CMSG_CLOEXEC);
		if (n == -1 && errno == EAGAIN) {
			if (sock_wait(fe, POLLIN, deadline) == -1)
				return -1;
			continue;
		}
		if (n == 0)
			errno = ECONNRESET;
		if (n <= 0)
			return -1;
		take_fds(msg, &mh);
		off += (size_t)n;
	}
	return 0;
}

int
fe_recv(struct fe *fe, struct fe_msg *msg, int timeout)
{
	uint64_t deadline = fe_now() + (uint64_t)timeout;

	msg->nfds = 0;
	if (recv_all(fe, &msg->hdr, sizeof(msg->hdr), msg, deadline) == -1)
		return -1;
	if (msg->hdr.size > sizeof(msg->payload)) {
		errno = EMSGSIZE;
		return -1;
	}
	return recv_all(fe, msg->payload, msg->hdr.size, msg, deadline);
}

void
fe_msg_close(struct fe_msg *msg)
{
	while (msg->nfds > 0)
		close(msg->fds[--msg->nfds]);
}

/* Receive the reply to a request; anything else is EPROTO. */
static int
recv_reply(struct fe *fe, uint32_t request, struct fe_msg *msg)
{
	if (fe_recv(fe, msg, FE_TIMEOUT_MS) == -1)
		return -1;
	if (msg->hdr.request != request ||
	    (msg->hdr.flags & ~(uint32_t)FE_NEED_REPLY) !=
		(FE_VERSION | FE_REPLY)) {
		fe_msg_close(msg);
		errno = EPROTO;
		return -1;
	}
	return 0;
}

int
fe_ask(struct fe *fe, uint32_t request, const void *payload, size_t size,
    struct fe_msg *msg)
{
	if (fe_send(fe, request, 0, payload, size, NULL, 0) == -1)
		return -1;
	return recv_reply(fe, request, msg);
}

int
fe_get_u64(struct fe *fe, uint32_t request, uint64_t *value)
{
	struct fe_msg msg;

	if (fe_ask(fe, request, NULL, 0, &msg) == -1)
		return -1;
	if (msg.hdr.size != sizeof(*value) || msg.nfds != 0) {
		fe_msg_close(&msg);
		errno = EPROTO;
		return -1;
	}
	memcpy(value, msg.payload, sizeof(*value));
	return 0;
}

int
fe_set(struct fe *fe, uint32_t request, const void *payload, size_t size,
    const int *fds, size_t nfds)
{
	struct fe_msg msg;
	uint64_t status;
	bool ack = (fe->pfeatures & FE_P_REPLY_ACK) != 0;

	if (fe_send(fe, request, ack ? FE_NEED_REPLY : 0, payload, size, fds,
		nfds) == -1)
		return -1;
	if (!ack)
		return 0;
	if (recv_reply(fe, request, &msg) == -1)
		return -1;
	if (msg.hdr.size != sizeof(status) || msg.nfds != 0) {
		fe_msg_close(&msg);
		errno = EPROTO;
		return -1;
	}
	memcpy(&status, msg.payload, sizeof(status));
	return status != 0;
}

int
fe_set_u64(struct fe *fe, uint32_t request, uint64_t value)
{
	return fe_set(fe, request, &value, sizeof(value), NULL, 0);
}

int
fe_set_state(struct fe *fe, uint32_t request, uint32_t num)
{
	struct fe_vring_state state = { .num = num };

	return fe_set(fe, request, &state, sizeof(state), NULL, 0);
}

int
fe_set_fd(struct fe *fe, uint32_t request, int fd)
{
	uint64_t value = fd == -1 ? FE_NOFD : 0;

	return fe_set(fe, request, &value, sizeof(value), &fd, fd != -1);
}

int
fe_wait_closed(struct fe *fe, int timeout)
{
	uint64_t deadline = fe_now() + (uint64_t)timeout;
	char buf[4096];
	ssize_t n;

	for (;;) {
		n = recv(fe->sock, buf, sizeof(buf), 0);
		if (n == 0 || (n == -1 && errno != EAGAIN))
			return 1;
		if (n == -1 && sock_wait(fe, POLLIN, deadline) == -1)
			return 0;
	}
}
