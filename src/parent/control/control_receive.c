#include <sys/socket.h>

#include <string.h>
#include <unistd.h>

#include "parent/control/control_receive.h"
#include "common/passing.h"

/* So many at most are installed by the kernel, which closes the rest. */
#define PASSED_MAX 4

/* The only descriptor of a message, or -1. */
static int
take_fd(struct msghdr *msg)
{
	int fds[PASSED_MAX];
	size_t n = passing_take(msg, fds, PASSED_MAX);

	if (n == 1 && (msg->msg_flags & MSG_CTRUNC) == 0)
		return fds[0];
	for (size_t i = 0; i < n && i < PASSED_MAX; i++)
		close(fds[i]);
	return -1;
}

ssize_t
control_receive(int fd, struct control_request *req, int *passed)
{
	union passing place;
	struct iovec iov = { .iov_base = req, .iov_len = sizeof(*req) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	*passed = -1;
	memset(req, 0, sizeof(*req));
	passing_expect(&msg, &place, PASSED_MAX);
	n = recvmsg(fd, &msg, MSG_DONTWAIT | MSG_TRUNC | MSG_CMSG_CLOEXEC);
	if (n != -1)
		*passed = take_fd(&msg);
	return n;
}
