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

/* Reads until the message is `want` bytes long. */
static enum session_result
fill(struct session *s, size_t want, const char **why)
{
	union control control;
	struct iovec iov;
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	while (s->in_len < want) {
		iov.iov_base = (uint8_t *)&s->in.hdr + s->in_len;
		iov.iov_len = want - s->in_len;
		msg.msg_control = control.buf;
		msg.msg_controllen = sizeof(control.buf);
		n = recvmsg(s->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
		if (n == -1 && (errno == EAGAIN || errno == EINTR))
			return SESSION_AGAIN;
		if (n <= 0)
			return SESSION_CLOSED;
		if (take_fds(s, &msg) == -1) {
			*why = "a message has too many file descriptors";
			return SESSION_BROKEN;
		}
		s->in_len += (size_t)n;
	}
	return SESSION_MESSAGE;
}

_Static_assert(offsetof(struct message, payload) ==
	offsetof(struct message, hdr) + sizeof(struct vhost_user_header),
    "the payload follows the header, as on the wire");

enum session_result
session_read(struct session *s, const char **why)
{
	const struct vhost_user_header *hdr = &s->in.hdr;
	enum session_result result;

	result = fill(s, sizeof(*hdr), why);
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
	return fill(s, sizeof(*hdr) + hdr->size, why);
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
