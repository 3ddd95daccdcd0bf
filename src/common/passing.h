/*
 * File descriptor passing over unix sockets: see unix(7), SCM_RIGHTS.
 */
#ifndef VRNGD_PASSING_H
#define VRNGD_PASSING_H

#include <sys/socket.h>

#include <stddef.h>

#define PASSING_MAX 64 /* descriptors in one message */

/* The control buffer of a message. */
union passing {
	char buf[CMSG_SPACE(sizeof(int) * PASSING_MAX)];
	struct cmsghdr first;
};

/*
 * Adds `n` descriptors, at most PASSING_MAX, to a message to send.  The caller
 * still owns them; the message points to the control buffer.
 */
void passing_put(struct msghdr *, union passing *, const int *fds, size_t n);

/*
 * Makes room for `n` descriptors, at most PASSING_MAX, in a message to receive.
 * If there are more, the kernel sets MSG_CTRUNC, possibly only from the second
 * surplus descriptor on.
 */
void passing_expect(struct msghdr *, union passing *, size_t n);

/*
 * Takes the descriptors out of a received message: up to `max` into `fds`, for
 * the caller to close; any others are closed.  Returns how many there were.
 */
size_t passing_take(struct msghdr *, int *fds, size_t max);

/*
 * Refuses descriptors from peers of a unix socket, and of connections to it:
 * sending them fails from now on.  Before Linux 6.16 that cannot be, and
 * nothing is done.  Returns 0, or -1 with errno.
 */
int passing_refuse(int fd);

#endif
