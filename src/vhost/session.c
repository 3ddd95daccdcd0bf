#include <sys/socket.h>
#include <sys/uio.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "session.h"

/* As many descriptors as a message may have, and one to notice too many. */
union control {
	char buf[CMSG_SPACE(sizeof(int) * (VHOST_USER_FDS_MAX + 1))];
	struct cmsghdr align;
};

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

/* Adds received descriptors to the message.  Returns -1 if too many. */
static int
take_fds(struct session *s, struct msghdr *msg)
{
	struct cmsghdr *cmsg;
	size_t n;
	int fd, r = 0;

	for (cmsg = CMSG_FIRSTHDR(msg); cmsg != NULL;
	     cmsg = CMSG_NXTHDR(msg, cmsg)) {
		if (cmsg->cmsg_level != SOL_SOCKET ||
		    cmsg->cmsg_type != SCM_RIGHTS)
			continue;
		n = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			memcpy(&fd, CMSG_DATA(cmsg) + i * sizeof(int),
			    sizeof(fd));
			if (s->in.nfds < VHOST_USER_FDS_MAX)
				s->in.fds[s->in.nfds++] = fd;
			else {
				close(fd);
				r = -1;
			}
		}
	}
	return (msg->msg_flags & MSG_CTRUNC) != 0 ? -1 : r;
}

/* Begins to read at what has not been consumed. */
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
 * Reads on until the message is `want` bytes long; with `fds`, only until some
 * have come.
 */
static enum session_result
fill(struct session *s, size_t want, bool fds, const char **why)
{
	union control control;
	struct iovec iov;
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	while (s->in_len < want && (!fds || s->in.nfds == 0)) {
		iov.iov_base = (uint8_t *)&s->in.hdr + s->in_len;
		iov.iov_len = want - s->in_len;
		msg.msg_control = fds ? control.buf : NULL;
		msg.msg_controllen = fds ? sizeof(control.buf) : 0;
		n = recvmsg(s->fd, &msg,
		    MSG_PEEK | MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
		if (n == -1 && (errno == EAGAIN || errno == EINTR))
			return SESSION_AGAIN;
		if (n <= 0)
			return SESSION_CLOSED;
		if (fds && take_fds(s, &msg) == -1) {
			*why = "a message has too many file descriptors";
			return SESSION_BROKEN;
		}
		s->in_len += (size_t)n;
	}
	return SESSION_MESSAGE;
}

/*
 * To peek at something without fds brings those of what was sent next: so they
 * are asked for only where there must be some, and no more once they are there.
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
		*why = "a message is not of version 1";
		return SESSION_BROKEN;
	}
	if (hdr->size > sizeof(s->in.payload)) {
		*why = "a message is longer than any that there is";
		return SESSION_BROKEN;
	}
	len = sizeof(*hdr) + hdr->size;
	result = fill(s, len, false, why);
	if (result != SESSION_MESSAGE || !brings_fds(&s->in))
		return result;
	/* All has come: once more, with the fds. */
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
	/* -1: nothing was ever read. */
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
	memset(&s->out, 0, offsetof(struct message, payload) + 24);
	s->out.hdr.request = s->in.hdr.request;
	s->out.hdr.flags = VHOST_USER_VERSION | VHOST_USER_REPLY;
	s->out.hdr.size = size;
	s->out.nfds = 0;
	s->out_len = sizeof(s->out.hdr) + size;
	s->out_done = 0;
	return &s->out;
}

/* Puts the reply's descriptor into `msg`, if it has one still to go. */
static void
attach_fd(struct session *s, struct msghdr *msg, union control *control)
{
	struct cmsghdr *cmsg;

	if (s->out.nfds == 0 || s->out_done > 0)
		return;
	memset(control, 0, sizeof(*control));
	msg->msg_control = control->buf;
	msg->msg_controllen = CMSG_SPACE(sizeof(int));
	cmsg = CMSG_FIRSTHDR(msg);
	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &s->out.fds[0], sizeof(int));
}

enum session_result
session_flush(struct session *s)
{
	union control control;
	ssize_t n;

	while (s->out_done < s->out_len) {
		struct iovec iov = {
			.iov_base = (uint8_t *)&s->out.hdr + s->out_done,
			.iov_len = s->out_len - s->out_done,
		};
		struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

		attach_fd(s, &msg, &control);
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
