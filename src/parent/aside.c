#include <sys/socket.h>
#include <sys/wait.h>

#include <bsd/unistd.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "aside.h"
#include "log.h"

#define FDS_MAX 253 /* in one message, unix(7) */

/*
 * Takes all messages out, so that a service manager which has the socket too
 * does not close what is in them.
 */
static void
take_out(int fd)
{
	union {
		char buf[CMSG_SPACE(sizeof(int) * FDS_MAX)];
		struct cmsghdr align;
	} control;
	struct msghdr msg;

	do {
		msg = (struct msghdr){
			.msg_control = control.buf,
			.msg_controllen = sizeof(control.buf),
		};
	} while (recvmsg(fd, &msg, MSG_DONTWAIT) != -1);
}

/* In the child: with its end, sockets that linger do so no more. */
_Noreturn static void
close_by_end(int fd, int closed)
{
	char byte;

	fd = fcntl(fd, F_DUPFD, 2);
	closed = fcntl(closed, F_DUPFD, 2);
	if (fd == -1 || closed == -1 || dup2(fd, 0) == -1 ||
	    dup2(closed, 1) == -1)
		_exit(1);
	closefrom(2);
	take_out(0);
	/* The parent must not be the last. */
	if (read(1, &byte, sizeof(byte)) == -1)
		_exit(1);
	_exit(0);
}

static int
ended(sd_event_source *source, const siginfo_t *si, void *arg)
{
	(void)si, (void)arg;
	sd_event_source_disable_unref(source);
	return 0;
}

void
aside_close(sd_event *event, int fd)
{
	sd_event_source *child;
	int closed[2], r;
	pid_t pid;

	if (pipe2(closed, O_CLOEXEC) == -1) {
		log_error("cannot make a pipe: %s", strerror(errno));
		close(fd);
		return;
	}
	if ((pid = fork()) == 0) {
		close(closed[1]);
		close_by_end(fd, closed[0]);
	}
	if (pid == -1)
		log_error("cannot start a process: %s", strerror(errno));
	close(fd);
	close(closed[0]);
	close(closed[1]);
	if (pid == -1)
		return;
	r = sd_event_add_child(event, &child, pid, WEXITED, ended, NULL);
	if (r < 0)
		log_error("cannot watch a process: %s", strerror(-r));
}
