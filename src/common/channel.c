/*
 * Sends and receives frames over a channel, and checks each against the table
 * of proto.h.  Frames of the parent carry descriptors over a socket; frames of
 * children go over a pipe, without descriptors.  Used by all processes.
 */
#include <sys/socket.h>
#include <sys/uio.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "common/channel.h"
#include "common/log.h"
#include "common/fd_passing.h"

struct rule {
	const char *name;
	enum proto_role from;
	enum proto_role to;
	uint32_t length;
	uint32_t nfds;
};

#define PROTO_RULE(type, sender, receiver, payload, count) \
	[PROTO_##type] = { #type, sender, receiver, \
		sizeof(struct frame_header) + sizeof(struct payload), count },
static const struct rule rules[PROTO_TYPES] = { PROTO_FRAMES(PROTO_RULE) };
#undef PROTO_RULE

/* What the table allows has room in struct frame. */
#define PROTO_FITS(type, sender, receiver, payload, count) \
	_Static_assert(sizeof(struct payload) <= \
		    sizeof(((struct frame *)NULL)->u) && \
		(count) <= FRAME_FDS_MAX, \
	    #type " has no room in struct frame");
PROTO_FRAMES(PROTO_FITS)
_Static_assert(offsetof(struct frame, u) == sizeof(struct frame_header),
    "the payload follows the header");
#undef PROTO_FITS

const char *
frame_name(uint32_t type)
{
	if (type >= PROTO_TYPES || rules[type].name == NULL)
		return "unknown";
	return rules[type].name;
}

void
frame_init(struct frame *f, enum proto_type type, uint32_t consumer,
    uint32_t generation)
{
	memset(f, 0, sizeof(*f));
	f->hdr.type = type;
	f->hdr.length = rules[type].length;
	f->hdr.consumer = consumer;
	f->hdr.generation = generation;
	for (size_t i = 0; i < FRAME_FDS_MAX; i++)
		f->fds[i] = -1;
}

bool
frame_valid(const struct frame_header *hdr, size_t size, size_t nfds,
    enum proto_role from, enum proto_role to)
{
	const struct rule *rule;

	if (size < sizeof(*hdr) || hdr->type >= PROTO_TYPES)
		return false;
	rule = &rules[hdr->type];
	return rule->name != NULL && (rule->from & from) != 0 &&
	    (rule->to & to) != 0 && hdr->length == size &&
	    rule->length == size && rule->nfds == nfds;
}

int
channel_pair(int fds[2])
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) == -1)
		return -1;
	if (shutdown(fds[0], SHUT_RD) == -1 ||
	    shutdown(fds[1], SHUT_WR) == -1) {
		close(fds[0]);
		close(fds[1]);
		return -1;
	}
	return 0;
}

/* A longer frame would be split. */
_Static_assert(offsetof(struct frame, fds) < PIPE_BUF, "a packet of a pipe");

int
channel_up_pair(int fds[2])
{
	return pipe2(fds, O_DIRECT | O_NONBLOCK | O_CLOEXEC);
}

int
channel_send(int fd, const struct frame *f)
{
	union fd_passing place;
	size_t nfds = rules[f->hdr.type].nfds;
	struct iovec iov = {
		.iov_base = (void *)(uintptr_t)f,
		.iov_len = f->hdr.length,
	};
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	fd_passing_put(&msg, &place, f->fds, nfds);
	do {
		n = sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	} while (n == -1 && errno == EINTR);
	return n == -1 ? -1 : 0;
}

int
channel_tell(int fd, const struct frame *f)
{
	ssize_t n;

	do {
		n = write(fd, f, f->hdr.length);
	} while (n == -1 && errno == EINTR);
	return n == -1 ? -1 : 0;
}

bool
channel_up(const struct frame *f)
{
	if (channel_tell(CHANNEL_UP_FD, f) == 0)
		return true;
	if (errno != EAGAIN)
		channel_lost();
	return false;
}

static void
forget_fds(struct frame *f)
{
	for (size_t i = 0; i < FRAME_FDS_MAX; i++)
		f->fds[i] = -1;
}

enum channel_result
channel_recv(int fd, struct frame *f, enum proto_role from, enum proto_role to)
{
	union fd_passing place;
	struct iovec iov = {
		.iov_base = f,
		.iov_len = offsetof(struct frame, fds),
	};
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;
	size_t nfds;

	memset(f, 0, sizeof(*f));
	forget_fds(f);
	/* One more than any frame has, to detect surplus descriptors. */
	fd_passing_expect(&msg, &place, FRAME_FDS_MAX + 1);
	do {
		n = recvmsg(fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	} while (n == -1 && errno == EINTR);
	if (n == -1)
		return errno == EAGAIN ? CHANNEL_AGAIN : CHANNEL_CLOSED;
	if (n == 0)
		return CHANNEL_CLOSED;
	nfds = fd_passing_take(&msg, f->fds, FRAME_FDS_MAX);
	if ((msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) == 0 &&
	    frame_valid(&f->hdr, (size_t)n, nfds, from, to))
		return CHANNEL_FRAME;
	for (size_t i = 0; i < FRAME_FDS_MAX; i++)
		if (f->fds[i] != -1)
			close(f->fds[i]);
	forget_fds(f);
	return CHANNEL_BROKEN;
}

enum channel_result
channel_hear(int fd, struct frame *f, enum proto_role from)
{
	ssize_t n;

	memset(f, 0, sizeof(*f));
	do {
		/*
		 * A frame longer than any valid one extends into the bytes
		 * after it.
		 */
		n = read(fd, f, sizeof(*f));
	} while (n == -1 && errno == EINTR);
	forget_fds(f);
	if (n == -1)
		return errno == EAGAIN ? CHANNEL_AGAIN : CHANNEL_CLOSED;
	if (n == 0)
		return CHANNEL_CLOSED;
	if (frame_valid(&f->hdr, (size_t)n, 0, from, ROLE_PARENT))
		return CHANNEL_FRAME;
	return CHANNEL_BROKEN;
}

void
channel_lost(void)
{
	_exit(0);
}

void
channel_end(enum channel_result result, const struct frame *f)
{
	if (result != CHANNEL_BROKEN)
		channel_lost();
	log_fatal("invalid frame from the parent: type %s, %u bytes",
	    frame_name(f->hdr.type), f->hdr.length);
}
