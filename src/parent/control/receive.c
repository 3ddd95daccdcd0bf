/*
 * Receives a descriptor for the control socket in a short-lived child.  Used by
 * control.c.
 */
#include <sys/prctl.h>
#include <sys/socket.h>

#include <bsd/unistd.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "common/fd_passing.h"
#include "parent/control/receive.h"
#include "parent/host/deferred_close.h"
#include "parent/host/listener.h"

/* Receives a message, and returns its fd; -1 unless it has exactly one. */
static int
receive_fd(int conn)
{
	union fd_passing place;
	char bytes[1];
	struct iovec iov = { .iov_base = bytes, .iov_len = sizeof(bytes) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	int fds[FD_PASSING_MAX];

	fd_passing_expect(&msg, &place, FD_PASSING_MAX);
	if (recvmsg(conn, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) == -1 ||
	    fd_passing_take(&msg, fds, FD_PASSING_MAX) != 1 ||
	    (msg.msg_flags & MSG_CTRUNC) != 0)
		return -1;
	return fds[0];
}

/* In the child.  Other descriptors are closed by its exit. */
static _Noreturn void
pass_on(int conn, int to)
{
	struct iovec iov = { .iov_base = (char[1]){ 0 }, .iov_len = 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	union fd_passing place;
	struct listener l;
	const char *why;
	int fd;

	conn = fcntl(conn, F_DUPFD, 2);
	to = fcntl(to, F_DUPFD, 2);
	if (conn == -1 || to == -1 || dup2(conn, 0) == -1 ||
	    dup2(to, 1) == -1 ||
	    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == -1)
		_exit(1);
	closefrom(2);
	if ((fd = receive_fd(0)) == -1 || listener_adopt(&l, fd, &why) == -1)
		_exit(0);
	fd_passing_put(&msg, &place, &fd, 1);
	_exit(sendmsg(1, &msg, MSG_NOSIGNAL) == -1);
}

static int
io_event(sd_event_source *source, int fd, uint32_t revents, void *arg)
{
	struct receive *r = arg;
	int passed = receive_fd(fd);

	(void)source, (void)revents;
	r->io = sd_event_source_disable_unref(r->io);
	/* The child sends at most one message, which has been read. */
	close(fd);
	r->done(passed, r->arg);
	return 0;
}

void
receive_stop(struct receive *r)
{
	int fd;

	if (r->io == NULL)
		return;
	fd = sd_event_source_get_io_fd(r->io);
	/* The child may have sent a socket with connections. */
	deferred_close_unstored(sd_event_source_get_event(r->io), fd);
	r->io = sd_event_source_disable_unref(r->io);
}

static int
child_event(sd_event_source *source, const siginfo_t *si, void *arg)
{
	(void)si, (void)arg;
	sd_event_source_disable_unref(source);
	return 0;
}

int
receive_start(struct receive *r, sd_event *event, int conn, receive_done *done,
    void *arg)
{
	sd_event_source *child;
	int fds[2], error;
	pid_t pid;

	*r = (struct receive){ .done = done, .arg = arg };
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK,
		0, fds) == -1)
		return -1;
	error = sd_event_add_io(event, &r->io, fds[0], EPOLLIN, io_event, r);
	if (error < 0) {
		close(fds[0]);
		close(fds[1]);
		errno = -error;
		return -1;
	}
	if ((pid = fork()) == 0)
		pass_on(conn, fds[1]);
	error = errno;
	close(fds[1]);
	if (pid == -1) {
		receive_stop(r);
		errno = error;
		return -1;
	}
	error =
	    sd_event_add_child(event, &child, pid, WEXITED, child_event, NULL);
	if (error < 0)
		log_error("cannot watch a process: %s", strerror(-error));
	return 0;
}
