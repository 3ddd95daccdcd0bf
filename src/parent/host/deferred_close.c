/*
 * Closes descriptors in a short-lived child, since a close may block.  Used for
 * deposits, listeners and connections, which may contain descriptors from
 * outsiders.
 */
#include <sys/prctl.h>
#include <sys/wait.h>

#include <bsd/unistd.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "parent/host/deferred_close.h"
#include "parent/host/sdnotify.h"
#include "parent/host/timer.h"

#define BARRIER_TIME 10000	/* ms, timeout for the service manager */
#define RETRY_TIME   NS_PER_SEC /* without processes or descriptors */

/* The descriptors to close after this round of the event loop. */
static struct deferred {
	sd_event *event;
	struct timer timer; /* set while there are descriptors */
	int *fds;	    /* with room for two more than max */
	size_t n;
	size_t max;
	bool stored; /* some may be in systemd's store */
} pending;

static int
compare(const void *a, const void *b)
{
	const int *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/*
 * In the child: closes the descriptors by its exit, which blocks only itself.
 * It must have the last copies, so it waits until the parent and the service
 * manager have closed theirs, which ends the pipes `closed` and `barrier` (-1:
 * none).  `fds` is sorted and includes the pipes.
 */
_Noreturn static void
close_by_end(const int *fds, size_t n, int closed, int barrier)
{
	struct pollfd pfd = { .fd = closed };
	int fd = 0;

	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == -1)
		_exit(1);
	for (size_t i = 0; i < n; i++, fd++)
		for (; fd < fds[i]; fd++)
			close(fd);
	closefrom(fd);
	if (poll(&pfd, 1, BARRIER_TIME) == -1)
		_exit(1);
	pfd.fd = barrier;
	_exit(barrier != -1 && poll(&pfd, 1, BARRIER_TIME) == -1);
}

static int
ended(sd_event_source *source, const siginfo_t *si, void *arg)
{
	(void)si, (void)arg;
	sd_event_source_disable_unref(source);
	return 0;
}

/* Starts the child.  Returns -1 with errno. */
static int
start(struct deferred *a, int closed[2], int barrier)
{
	sd_event_source *child;
	pid_t pid;
	int r;

	if ((pid = fork()) == -1)
		return -1;
	if (pid == 0) {
		close(closed[1]);
		a->fds[a->n++] = closed[0];
		if (barrier != -1)
			a->fds[a->n++] = barrier;
		qsort(a->fds, a->n, sizeof(*a->fds), compare);
		close_by_end(a->fds, a->n, closed[0], barrier);
	}
	r = sd_event_add_child(a->event, &child, pid, WEXITED, ended, NULL);
	if (r < 0)
		log_error("cannot watch a process: %s", strerror(-r));
	return 0;
}

/* Starts the child, and closes the descriptors here.  Returns -1 with errno. */
static int
close_all(struct deferred *a)
{
	int closed[2], barrier = -1, r, error;

	if (pipe2(closed, O_CLOEXEC) == -1)
		return -1;
	/* systemd may have a copy until it has removed it from the store. */
	if (a->stored)
		barrier = sdnotify_barrier();
	r = start(a, closed, barrier);
	error = errno;
	for (size_t i = 0; r == 0 && i < a->n; i++)
		close(a->fds[i]);
	if (r == 0) {
		a->n = 0;
		a->stored = false;
	}
	if (barrier != -1)
		close(barrier);
	close(closed[0]);
	close(closed[1]);
	errno = error;
	return r;
}

static void
round_over(void *arg)
{
	struct deferred *a = arg;

	if (close_all(a) == -1) {
		log_error("cannot close %zu connections, retrying: %s", a->n,
		    strerror(errno));
		timer_after(&a->timer, RETRY_TIME);
	} else
		timer_free(&a->timer);
}

static void
add(struct deferred *a, sd_event *event, int fd)
{
	if (fd == -1)
		return;
	if (a->n == a->max) {
		a->max = a->max == 0 ? 16 : 2 * a->max;
		a->fds = reallocarray(a->fds, a->max + 2, sizeof(*a->fds));
		if (a->fds == NULL)
			log_fatal("out of memory for %zu descriptors", a->max);
	}
	a->fds[a->n++] = fd;
	if (a->n > 1 && a->event == event)
		return;
	if (a->event != event) {
		timer_free(&a->timer);
		timer_init(&a->timer, event, round_over, a);
	}
	a->event = event;
	timer_after(&a->timer, 0);
}

void
deferred_close(sd_event *event, int fd)
{
	pending.stored = true;
	add(&pending, event, fd);
}

void
deferred_close_unstored(sd_event *event, int fd)
{
	add(&pending, event, fd);
}
