#include <sys/socket.h>

#include <string.h>
#include <unistd.h>

#include "control_receive.h"

/* So many at most are installed by the kernel, which closes the rest. */
#define PASSED_MAX 4

static void
take_fds(const struct msghdr *msg, struct cmsghdr *cmsg, int *passed)
{
	int fds[PASSED_MAX];
	size_t n;

	if (cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS)
		return;
	n = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(fds[0]);
	memcpy(fds, CMSG_DATA(cmsg), n * sizeof(fds[0]));
	if (n == 1 && (msg->msg_flags & MSG_CTRUNC) == 0) {
		*passed = fds[0];
		return;
	}
	while (n > 0)
		close(fds[--n]);
}

ssize_t
control_receive(int fd, struct control_request *req, int *passed)
{
	_Alignas(
	    struct cmsghdr) char control[CMSG_SPACE(PASSED_MAX * sizeof(int))];
	struct iovec iov = { .iov_base = req, .iov_len = sizeof(*req) };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *cmsg;
	ssize_t n;

	*passed = -1;
	memset(req, 0, sizeof(*req));
	n = recvmsg(fd, &msg, MSG_DONTWAIT | MSG_TRUNC | MSG_CMSG_CLOEXEC);
	/* The kernel makes one header of all descriptors. */
	if (n != -1 && (cmsg = CMSG_FIRSTHDR(&msg)) != NULL)
		take_fds(&msg, cmsg, passed);
	return n;
}
