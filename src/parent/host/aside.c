/*
 * Closes descriptors in a short-lived child, since closing may wait.  Used for
 * deposits and listeners that came from outside.
 */
#include <sys/prctl.h>
#include <sys/wait.h>

#include <bsd/unistd.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "parent/host/aside.h"
#include "parent/host/sdnotify.h"

#define BARRIER_TIME 10000 /* ms that the service manager may take */

/*
 * In the child: nothing waits for what a process closes by its end.  It has to
 * be the last that has it, after the others have closed theirs.
 */
_Noreturn static void
close_by_end(int fd, int closed, int barrier)
{
	struct pollfd pfd = { .fd = 1 };

	fd = fcntl(fd, F_DUPFD, 3);
	closed = fcntl(closed, F_DUPFD, 3);
	barrier = fcntl(barrier == -1 ? closed : barrier, F_DUPFD, 3);
	if (fd == -1 || closed == -1 || barrier == -1 || dup2(fd, 0) == -1 ||
	    dup2(closed, 1) == -1 || dup2(barrier, 2) == -1 ||
	    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == -1)
		_exit(1);
	closefrom(3);
	if (poll(&pfd, 1, BARRIER_TIME) == -1)
		_exit(1);
	pfd.fd = 2;
	_exit(poll(&pfd, 1, BARRIER_TIME) == -1);
}

static int
ended(sd_event_source *source, const siginfo_t *si, void *arg)
{
	(void)si, (void)arg;
	sd_event_source_disable_unref(source);
	return 0;
}

/* Whether systemd may have a copy too, and is waited for. */
static void
close_aside(sd_event *event, int fd, bool stored)
{
	sd_event_source *child;
	int closed[2], barrier, r;
	pid_t pid;

	if (pipe2(closed, O_CLOEXEC) == -1) {
		log_error("cannot make a pipe: %s", strerror(errno));
		close(fd);
		return;
	}
	/* systemd may have a copy, until it has done what it was told to. */
	barrier = stored ? sdnotify_barrier() : -1;
	if ((pid = fork()) == 0) {
		close(closed[1]);
		close_by_end(fd, closed[0], barrier);
	}
	if (pid == -1)
		log_error("cannot start a process: %s", strerror(errno));
	close(fd);
	if (barrier != -1)
		close(barrier);
	close(closed[0]);
	close(closed[1]);
	if (pid == -1)
		return;
	r = sd_event_add_child(event, &child, pid, WEXITED, ended, NULL);
	if (r < 0 && r != -ESTALE) /* which says that the loop has ended */
		log_error("cannot watch a process: %s", strerror(-r));
}

void
aside_close(sd_event *event, int fd)
{
	close_aside(event, fd, true);
}

void
aside_close_unstored(sd_event *event, int fd)
{
	close_aside(event, fd, false);
}
