/*
 * Sources of kind stream: raw bytes over unix sockets, TCP and UDP.  Used by
 * kind.c's table.
 */
#include <sys/epoll.h>
#include <sys/socket.h>

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "common/clock.h"
#include "entropy/kind/kind.h"
#include "common/locked.h"

#define DATAGRAM_MAX 65536
#define CALL_PERIOD  NS_PER_SEC /* without a datagram, until one is sent */

/* State for datagrams. */
struct stream {
	bool calls;	   /* connected: the peer needs a datagram first */
	uint64_t call_at;  /* time of the next datagram to it */
	size_t start, end; /* of the remaining bytes */
	uint8_t left[DATAGRAM_MAX]; /* of the last datagram */
};

static void
stream_prepare(struct device *d)
{
	if (d->spec.datagrams)
		d->state = locked_map(sizeof(struct stream));
}

/*
 * Sends a datagram, from which the server learns our address.  An unreachable
 * server is not an error.  Returns 0 or an errno.
 */
static int
call(struct device *d)
{
	struct stream *s = d->state;
	const uint8_t zero = 0;

	s->call_at = clock_now() + CALL_PERIOD;
	while (
	    send(d->fd, &zero, sizeof(zero), MSG_DONTWAIT | MSG_NOSIGNAL) == -1)
		if (errno == ECONNREFUSED || errno == EAGAIN ||
		    errno == ENOBUFS)
			break;
		else if (errno != EINTR)
			return errno;
	return 0;
}

static int
stream_open(struct device *d)
{
	struct sockaddr_storage peer;
	socklen_t size = sizeof(peer);
	struct stream *s = d->state;

	if (!d->spec.datagrams)
		return kind_connected(d->fd);
	s->start = s->end = 0;
	s->calls = getpeername(d->fd, (struct sockaddr *)&peer, &size) == 0;
	if (s->calls)
		return call(d);
	return errno == ENOTCONN ? 0 : errno;
}

/*
 * Receives one datagram without waiting, and keeps the bytes that do not fit
 * into `buf`.  Returns like recvmsg(2), at most `size`.
 */
static ssize_t
receive(struct device *d, uint8_t *buf, size_t size)
{
	struct stream *s = d->state;
	struct iovec iov[] = { { buf, size }, { s->left, sizeof(s->left) } };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };
	ssize_t n;

	if ((n = recvmsg(d->fd, &msg, MSG_DONTWAIT)) == -1)
		return -1;
	s->call_at = clock_now() + CALL_PERIOD;
	if ((size_t)n <= size)
		return n;
	s->start = 0;
	s->end = (size_t)n - size;
	return (ssize_t)size;
}

static ssize_t
take_left(struct stream *s, uint8_t *buf, size_t size)
{
	if (size > s->end - s->start)
		size = s->end - s->start;
	memcpy(buf, s->left + s->start, size);
	explicit_bzero(s->left + s->start, size);
	s->start += size;
	return (ssize_t)size;
}

/*
 * Waits for a datagram, and sends datagrams to the server meanwhile.  Returns
 * 1; 0 at the end; -1 with errno.
 */
static int
wait_datagram(struct device *d)
{
	struct stream *s = d->state;
	struct pollfd pfd = { .fd = d->fd, .events = POLLIN | POLLRDHUP };
	uint64_t now;
	int n, timeout = -1;

	do {
		if (s->calls) {
			if ((now = clock_now()) >= s->call_at) {
				if ((errno = call(d)) != 0)
					return -1;
				now = clock_now();
			}
			timeout = s->call_at <= now
			    ? 0
			    : (int)((s->call_at - now) / NS_PER_MS) + 1;
		}
		n = poll(&pfd, 1, timeout);
		if (n == -1 && errno != EINTR)
			return -1;
	} while (n <= 0);
	return (pfd.revents & POLLRDHUP) == 0;
}

static ssize_t
read_datagram(struct device *d, uint8_t *buf, size_t size)
{
	ssize_t n;
	int ready;

	/* An empty datagram is not the end; ECONNREFUSED is not an error. */
	while ((n = receive(d, buf, size)) <= 0) {
		if (n == -1 && errno != EAGAIN && errno != EINTR &&
		    errno != ECONNREFUSED)
			break;
		if ((ready = wait_datagram(d)) != 1)
			return ready;
	}
	return n;
}

static ssize_t
stream_read(struct device *d, uint8_t *buf, size_t size)
{
	struct stream *s = d->state;

	if (!d->spec.datagrams)
		return kind_read(d->fd, buf, size);
	if (s->start < s->end)
		return take_left(s, buf, size);
	return read_datagram(d, buf, size);
}

static void
stream_close(struct device *d)
{
	if (d->spec.datagrams)
		explicit_bzero(d->state, sizeof(struct stream));
}

static const struct sandbox_rule rules[] = {
	{ .nr = SCMP_SYS(getsockopt),
	    .why = "result of connect(2)",
	    .nargs = 2,
	    .args = { SANDBOX_INT(1, SOL_SOCKET), SANDBOX_INT(2, SO_ERROR) } },
	{ .nr = SCMP_SYS(getpeername), .why = "whether it is connected" },
};

const struct source_kind kind_stream = {
	.has_fd = true,
	.hang_up = EPOLLRDHUP | EPOLLET,
	.rules = rules,
	.nrules = sizeof(rules) / sizeof(*rules),
	.prepare = stream_prepare,
	.open = stream_open,
	.read = stream_read,
	.close = stream_close,
};
