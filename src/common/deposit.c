/*
 * The descriptors and the state of a vhost-user session, kept in one
 * descriptor that outlives the worker.  Used by the vhost worker, which fills
 * it, and by the parent's vhost.c, which keeps it; and by the EGD
 * worker for its clients' connections.
 */
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>

#include <errno.h>
#include <unistd.h>

#include "common/deposit.h"
#include "common/fd_passing.h"

_Static_assert(DEPOSIT_PARTS_MAX <= FD_PASSING_MAX, "a message holds them");

/* Bound to an address that the kernel chooses, and connected to it. */
static int
connect_to_itself(int fd)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	socklen_t len = sizeof(sun.sun_family);

	if (bind(fd, (struct sockaddr *)&sun, len) == -1)
		return -1;
	len = sizeof(sun);
	if (getsockname(fd, (struct sockaddr *)&sun, &len) == -1)
		return -1;
	return connect(fd, (struct sockaddr *)&sun, len);
}

int
deposit_make(void)
{
	int fd, error;

	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd == -1)
		return -1;
	if (connect_to_itself(fd) == 0 && deposit_rewind(fd) == 0)
		return fd;
	error = errno;
	close(fd);
	errno = error;
	return -1;
}

int
deposit_put(int deposit, const struct deposit_parts *parts)
{
	union fd_passing place;
	struct iovec iov = {
		.iov_base = (void *)(uintptr_t)parts->ids,
		.iov_len = parts->n * sizeof(parts->ids[0]),
	};
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	fd_passing_put(&msg, &place, parts->fds, parts->n);
	return sendmsg(deposit, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) == -1 ? -1
									 : 0;
}

int
deposit_rewind(int deposit)
{
	int start = 0;

	return setsockopt(deposit, SOL_SOCKET, SO_PEEK_OFF, &start,
	    sizeof(start));
}

void
deposit_close(struct deposit_parts *parts)
{
	for (size_t i = 0; i < parts->n; i++)
		if (parts->fds[i] != -1)
			close(parts->fds[i]);
	parts->n = 0;
}

static int
receive(int deposit, struct deposit_parts *parts, int flags)
{
	union fd_passing place;
	struct iovec iov = {
		.iov_base = parts->ids,
		.iov_len = sizeof(parts->ids),
	};
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	parts->n = 0;
	fd_passing_expect(&msg, &place, DEPOSIT_PARTS_MAX);
	n = recvmsg(deposit, &msg, flags | MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n == -1)
		return errno == EAGAIN ? 0 : -1;
	parts->n = fd_passing_take(&msg, parts->fds, DEPOSIT_PARTS_MAX);
	if ((size_t)n != parts->n * sizeof(parts->ids[0]) ||
	    (msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0)
		deposit_close(parts);
	return 1;
}

int
deposit_peek(int deposit, struct deposit_parts *parts)
{
	return receive(deposit, parts, MSG_PEEK);
}

int
deposit_take(int deposit, struct deposit_parts *parts)
{
	return receive(deposit, parts, 0);
}

int
deposit_drop(int deposit)
{
	char byte;

	return recv(deposit, &byte, sizeof(byte), MSG_DONTWAIT) == -1 ? -1 : 0;
}
