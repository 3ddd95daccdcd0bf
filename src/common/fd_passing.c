/*
 * Passes descriptors in messages of unix sockets.  Used by channels, deposits,
 * the control socket and vhost-user sessions.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "common/fd_passing.h"

#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83 /* Linux 6.16 */
#endif

void
fd_passing_put(struct msghdr *msg, union fd_passing *place, const int *fds,
    size_t n)
{
	if (n == 0)
		return;
	memset(place, 0, sizeof(*place));
	place->first.cmsg_level = SOL_SOCKET;
	place->first.cmsg_type = SCM_RIGHTS;
	place->first.cmsg_len = (socklen_t)CMSG_LEN(sizeof(int) * n);
	memcpy(CMSG_DATA(&place->first), fds, sizeof(int) * n);
	fd_passing_expect(msg, place, n);
}

void
fd_passing_expect(struct msghdr *msg, union fd_passing *place, size_t n)
{
	msg->msg_control = place->buf;
	msg->msg_controllen = (socklen_t)CMSG_SPACE(sizeof(int) * n);
}

size_t
fd_passing_take(struct msghdr *msg, int *fds, size_t max)
{
	struct cmsghdr *cmsg;
	size_t total = 0, n;
	int fd;

	for (cmsg = CMSG_FIRSTHDR(msg); cmsg != NULL;
	     cmsg = CMSG_NXTHDR(msg, cmsg)) {
		if (cmsg->cmsg_level != SOL_SOCKET ||
		    cmsg->cmsg_type != SCM_RIGHTS)
			continue;
		n = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			memcpy(&fd, CMSG_DATA(cmsg) + i * sizeof(int),
			    sizeof(fd));
			if (total < max)
				fds[total] = fd;
			else
				close(fd);
			total++;
		}
	}
	return total;
}

int
fd_passing_refuse(int fd)
{
	int no = 0;

	if (setsockopt(fd, SOL_SOCKET, SO_PASSRIGHTS, &no, sizeof(no)) == 0 ||
	    errno == ENOPROTOOPT)
		return 0;
	return -1;
}
