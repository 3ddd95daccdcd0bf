/*
 * Reads the kernel's counts of a connection's bytes.  Used by clients.c and
 * resume.c.
 *
 * For a unix socket SO_PEEK_OFF is such a count: receiving bytes lowers it, if
 * bytes are never peeked at (socket(7)).  TCP has two counts for each
 * direction: acknowledged and unacknowledged bytes (RFC 4898, tcp(7)).  vsock
 * has none.
 */
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <limits.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>

#include "egd/position.h"

#define TRIES 100 /* attempts, since acknowledgements may arrive meanwhile */

/* States of a TCP connection in the kernel. */
enum {
	TCP_IS_OPEN = 1,
	TCP_IS_HALF_CLOSED = 8
};

void
position_begin(int fd)
{
	int offset = INT_MAX;

	/* If it fails, position_read() fails too. */
	(void)setsockopt(fd, SOL_SOCKET, SO_PEEK_OFF, &offset, sizeof(offset));
}

static bool
read_unix(int fd, struct position *p)
{
	int offset;
	socklen_t len = sizeof(offset);

	if (getsockopt(fd, SOL_SOCKET, SO_PEEK_OFF, &offset, &len) == -1 ||
	    offset < 0)
		return false;
	*p = (struct position){ .received = (uint32_t)(INT_MAX - offset) };
	return true;
}

static bool
read_info(int fd, struct tcp_info *info)
{
	socklen_t len = sizeof(*info);

	*info = (struct tcp_info){ 0 };
	/* After both sides have closed it, it has no position. */
	return getsockopt(fd, IPPROTO_TCP, TCP_INFO, info, &len) == 0 &&
	    (info->tcpi_state == TCP_IS_OPEN ||
		info->tcpi_state == TCP_IS_HALF_CLOSED);
}

static bool
same(const struct tcp_info *a, const struct tcp_info *b)
{
	return a->tcpi_state == b->tcpi_state &&
	    a->tcpi_bytes_received == b->tcpi_bytes_received &&
	    a->tcpi_bytes_acked == b->tcpi_bytes_acked;
}

static bool
read_tcp(int fd, struct position *p)
{
	struct tcp_info before, after;
	int unread, unacked;

	if (!read_info(fd, &after))
		return false;
	for (int i = 0; i < TRIES; i++) {
		before = after;
		if (ioctl(fd, SIOCINQ, &unread) == -1 ||
		    ioctl(fd, SIOCOUTQ, &unacked) == -1 ||
		    !read_info(fd, &after))
			return false;
		if (!same(&before, &after))
			continue;
		/* The FIN of the peer counts as a byte. */
		p->received = (uint32_t)after.tcpi_bytes_received -
		    (after.tcpi_state == TCP_IS_HALF_CLOSED) - (uint32_t)unread;
		p->sent = (uint32_t)after.tcpi_bytes_acked + (uint32_t)unacked;
		p->sent_known = true;
		return true;
	}
	return false;
}

bool
position_read(int fd, bool inet, struct position *p)
{
	return inet ? read_tcp(fd, p) : read_unix(fd, p);
}
