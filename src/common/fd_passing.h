/*
 * File descriptor passing over unix sockets: see unix(7), SCM_RIGHTS.
 */
#ifndef VRNGD_FD_PASSING_H
#define VRNGD_FD_PASSING_H

#include <sys/socket.h>

#include <stddef.h>

#define FD_PASSING_MAX 64 /* descriptors in one message */

/* The control buffer of a message. */
union fd_passing {
	char buf[CMSG_SPACE(sizeof(int) * FD_PASSING_MAX)];
	struct cmsghdr first;
};

/*
 * Adds `n` descriptors, at most FD_PASSING_MAX, to a message to send.  The caller
 * still owns them; the message points to the control buffer.
 */
void fd_passing_put(struct msghdr *, union fd_passing *, const int *fds,
    size_t n);

/*
 * Makes room for `n` descriptors, at most FD_PASSING_MAX, in a message to receive.
 * If there are more, the kernel sets MSG_CTRUNC, possibly only from the second
 * surplus descriptor on.
 */
void fd_passing_expect(struct msghdr *, union fd_passing *, size_t n);

/*
 * Takes the descriptors out of a received message: up to `max` into `fds`, for
 * the caller to close; any others are closed.  Returns how many there were.
 */
size_t fd_passing_take(struct msghdr *, int *fds, size_t max);

/*
 * Refuses descriptors from peers of a unix socket, and of connections to it:
 * sending them fails from now on.  Before Linux 6.16 that cannot be, and
 * nothing is done.  Returns 0, or -1 with errno.
 */
int fd_passing_refuse(int fd);

#endif
