/*
 * Reads and writes the messages of the session without blocking.  Used by
 * worker.c and requests.c.
 */
#include <sys/socket.h>
#include <sys/uio.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "common/fd_passing.h"
#include "vhost/protocol/session.h"

static void
message_clear(struct message *m)
{
	for (size_t i = 0; i < m->nfds; i++)
		if (m->fds[i] != -1)
			close(m->fds[i]);
	m->nfds = 0;
}

void
session_init(struct session *s, int fd)
{
	memset(s, 0, sizeof(*s));
	s->fd = fd;
}

/*
 * Adds received descriptors to the message.  Returns -1 if there are too many.
 */
static int
take_fds(struct session *s, struct msghdr *msg)
{
	size_t room = VHOST_USER_FDS_MAX - s->in.nfds, n;

	n = fd_passing_take(msg, s->in.fds + s->in.nfds, room);
	s->in.nfds += n < room ? n : room;
	return n > room || (msg->msg_flags & MSG_CTRUNC) != 0 ? -1 : 0;
}

/* Starts reading at the first byte that has not been consumed. */
static int
rewind_input(struct session *s)
{
	int start = 0;

	message_clear(&s->in);
	s->in_len = 0;
	return setsockopt(s->fd, SOL_SOCKET, SO_PEEK_OFF, &start,
	    sizeof(start));
}

/*
 * Reads until the message has `want` bytes; with `fds`, only until descriptors
 * have arrived.
 */
static enum session_result
fill(struct session *s, size_t want, bool fds, const char **why)
{
	union fd_passing place;
	struct iovec iov;
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	while (s->in_len < want && (!fds || s->in.nfds == 0)) {
		iov.iov_base = (uint8_t *)&s->in.hdr + s->in_len;
		iov.iov_len = want - s->in_len;
		/*
		 * One more than a message may have, to detect surplus
		 * descriptors.
		 */
		if (fds)
			fd_passing_expect(&msg, &place, VHOST_USER_FDS_MAX + 1);
		n = recvmsg(s->fd, &msg,
		    MSG_PEEK | MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
		if (n == -1 && (errno == EAGAIN || errno == EINTR))
			return SESSION_AGAIN;
		if (n <= 0)
			return SESSION_CLOSED;
		if (fds && take_fds(s, &msg) == -1) {
			*why = "message has too many file descriptors";
			return SESSION_BROKEN;
		}
		s->in_len += (size_t)n;
	}
	return SESSION_MESSAGE;
}

/*
 * Peeking at bytes without descriptors also returns the descriptors of the
 * bytes sent next: so they are requested only where some must be, and only
 * until they have arrived.
 */
static bool
brings_fds(const struct message *m)
{
	switch (m->hdr.request) {
	case VHOST_USER_SET_MEM_TABLE:
	case VHOST_USER_ADD_MEM_REG:
	case VHOST_USER_SET_LOG_BASE:
	case VHOST_USER_SET_LOG_FD:
	case VHOST_USER_SET_INFLIGHT_FD:
	case VHOST_USER_SET_DEVICE_STATE_FD:
		return true;
	case VHOST_USER_SET_VRING_KICK:
	case VHOST_USER_SET_VRING_CALL:
	case VHOST_USER_SET_VRING_ERR:
		return (m->payload.u64 & VHOST_USER_VRING_NOFD) == 0;
	}
	return false;
}

_Static_assert(offsetof(struct message, payload) ==
	offsetof(struct message, hdr) + sizeof(struct vhost_user_header),
    "the payload follows the header, as on the wire");

enum session_result
session_read(struct session *s, const char **why)
{
	const struct vhost_user_header *hdr = &s->in.hdr;
	enum session_result result;
	size_t len;

	if (rewind_input(s) == -1)
		return SESSION_CLOSED;
	result = fill(s, sizeof(*hdr), false, why);
	if (result != SESSION_MESSAGE)
		return result;
	if ((hdr->flags & VHOST_USER_VERSION_MASK) != VHOST_USER_VERSION) {
		*why = "message version is not 1";
		return SESSION_BROKEN;
	}
	if (hdr->size > sizeof(s->in.payload)) {
		*why = "message is too long";
		return SESSION_BROKEN;
	}
	len = sizeof(*hdr) + hdr->size;
	result = fill(s, len, false, why);
	if (result != SESSION_MESSAGE || !brings_fds(&s->in))
		return result;
	/* The message is complete: peek again, with its descriptors. */
	if (rewind_input(s) == -1)
		return SESSION_CLOSED;
	result = fill(s, len, true, why);
	return result == SESSION_MESSAGE ? fill(s, len, false, why) : result;
}

int
session_consume(struct session *s, size_t len)
{
	uint8_t
	    bytes[sizeof(struct vhost_user_header) + VHOST_USER_PAYLOAD_MAX];
	ssize_t n;

	while (len > 0) {
		n = recv(s->fd, bytes,
		    len < sizeof(bytes) ? len : sizeof(bytes), MSG_DONTWAIT);
		if (n <= 0)
			return -1;
		len -= (size_t)n;
	}
	return 0;
}

ssize_t
session_unconsumed(const struct session *s)
{
	int offset;
	socklen_t len = sizeof(offset);

	if (getsockopt(s->fd, SOL_SOCKET, SO_PEEK_OFF, &offset, &len) == -1)
		return -1;
	/* -1: nothing was read yet. */
	return offset < 0 ? 0 : offset;
}

void
session_next(struct session *s)
{
	message_clear(&s->in);
	s->in_len = 0;
}

struct message *
session_reply(struct session *s, uint32_t size)
{
	memset(&s->out, 0, offsetof(struct message, payload) + size);
	s->out.hdr.request = s->in.hdr.request;
	s->out.hdr.flags = VHOST_USER_VERSION | VHOST_USER_REPLY;
	s->out.hdr.size = size;
	s->out.nfds = 0;
	s->out_len = sizeof(s->out.hdr) + size;
	s->out_done = 0;
	return &s->out;
}

enum session_result
session_flush(struct session *s)
{
	union fd_passing place;
	ssize_t n;

	while (s->out_done < s->out_len) {
		struct iovec iov = {
			.iov_base = (uint8_t *)&s->out.hdr + s->out_done,
			.iov_len = s->out_len - s->out_done,
		};
		struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

		if (s->out_done == 0)
			fd_passing_put(&msg, &place, s->out.fds, s->out.nfds);
		n = sendmsg(s->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n == -1 && (errno == EAGAIN || errno == EINTR))
			return SESSION_AGAIN;
		if (n == -1)
			return SESSION_CLOSED;
		s->out_done += (size_t)n;
	}
	message_clear(&s->out);
	s->out_len = s->out_done = 0;
	return SESSION_MESSAGE;
}
