#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <bsd/string.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "control.h"
#include "control_client.h"

#define BACKLOG	     16
#define ACCEPT_PAUSE NS_PER_SEC /* without fds or memory */

static int
make_socket(void)
{
	return socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK,
	    0);
}

/*
 * Removes a socket file that nobody listens at any more.  Returns 0 if the
 * path is free, or else -1 with the reason in `*why`.
 */
static int
clear_path(const struct sockaddr_un *sun, const char **why)
{
	struct stat st;
	int fd, error;

	if (lstat(sun->sun_path, &st) == -1) {
		*why = strerror(errno);
		return errno == ENOENT ? 0 : -1;
	}
	if (!S_ISSOCK(st.st_mode)) {
		*why = "there is a file of that name that is not a socket: "
		       "remove it or choose another name";
		return -1;
	}
	if ((fd = make_socket()) == -1) {
		*why = strerror(errno);
		return -1;
	}
	error = connect(fd, (const struct sockaddr *)sun, sizeof(*sun)) == -1
	    ? errno
	    : 0;
	close(fd);
	if (error != ECONNREFUSED) {
		*why = "another process listens there";
		return -1;
	}
	*why = "cannot remove the stale socket";
	return unlink(sun->sun_path);
}

/* Binds and listens; nobody can connect before the file has its mode. */
static int
listen_at(struct control *ctl, const struct sockaddr_un *sun,
    const struct control_setup *setup)
{
	struct stat st;

	ctl->fd = make_socket();
	if (ctl->fd == -1 ||
	    bind(ctl->fd, (const struct sockaddr *)sun, sizeof(*sun)) == -1)
		return -1;
	if (lstat(sun->sun_path, &st) == -1)
		return -1;
	ctl->dev = st.st_dev;
	ctl->ino = st.st_ino;
	if (setup->owner != (uid_t)-1 || setup->group != (gid_t)-1)
		if (lchown(sun->sun_path, setup->owner, setup->group) == -1)
			return -1;
	if (chmod(sun->sun_path, setup->mode) == -1)
		return -1;
	return listen(ctl->fd, BACKLOG);
}

/*
 * Makes way for one more client at the cost of the one that has been idle for
 * the longest.  Returns false if none is idle.
 */
static bool
make_way(struct control *ctl)
{
	struct control_client *c;

	TAILQ_FOREACH(c, &ctl->clients, entry)
		if (client_idle(c)) {
			client_drop(c);
			return true;
		}
	return false;
}

static void
turn_away(struct control *ctl, int conn)
{
	uint32_t suppressed;

	if (log_limit_pass(&ctl->log_limit, clock_now(), &suppressed))
		log_warning("control: a connection is turned away: all %d "
			    "clients are being answered",
		    CONTROL_CLIENTS_MAX);
	close(conn);
}

static int
timer_event(sd_event_source *source, uint64_t usec, void *arg)
{
	struct control *ctl = arg;

	(void)source;
	(void)usec;
	return sd_event_source_set_enabled(ctl->io, SD_EVENT_ON);
}

static void
pause_accepting(struct control *ctl)
{
	uint32_t suppressed;

	if (log_limit_pass(&ctl->log_limit, clock_now(), &suppressed))
		log_error("control: cannot accept a connection: %s",
		    strerror(errno));
	sd_event_source_set_enabled(ctl->io, SD_EVENT_OFF);
	sd_event_source_set_time_relative(ctl->timer, ACCEPT_PAUSE / 1000);
	sd_event_source_set_enabled(ctl->timer, SD_EVENT_ONESHOT);
}

static int
listen_event(sd_event_source *source, int fd, uint32_t revents, void *arg)
{
	struct control *ctl = arg;
	int conn;

	(void)source;
	(void)revents;
	conn = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (conn == -1) {
		if (errno != EAGAIN && errno != ECONNABORTED && errno != EINTR)
			pause_accepting(ctl);
		return 0;
	}
	if (ctl->nclients >= CONTROL_CLIENTS_MAX && !make_way(ctl))
		turn_away(ctl, conn);
	else if (client_new(ctl, conn) == NULL)
		pause_accepting(ctl);
	return 0;
}

static int
watch(struct control *ctl)
{
	int r;

	r = sd_event_add_io(ctl->event, &ctl->io, ctl->fd, EPOLLIN,
	    listen_event, ctl);
	if (r >= 0)
		r = sd_event_add_time(ctl->event, &ctl->timer, CLOCK_MONOTONIC,
		    0, 0, timer_event, ctl);
	if (r >= 0)
		r = sd_event_source_set_enabled(ctl->timer, SD_EVENT_OFF);
	errno = -r;
	return r < 0 ? -1 : 0;
}

int
control_open(struct control *ctl, sd_event *event,
    const struct control_setup *setup, const struct control_ops *ops, void *arg)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	const char *why = "the path is too long";

	*ctl = (struct control){
		.event = event,
		.ops = ops,
		.arg = arg,
		.group = setup->group,
		.group_rights = setup->group_rights,
		.fd = -1,
	};
	TAILQ_INIT(&ctl->clients);
	log_limit_init(&ctl->log_limit, clock_now());
	strlcpy(ctl->path, setup->path, sizeof(ctl->path));
	if (strlcpy(sun.sun_path, setup->path, sizeof(sun.sun_path)) >=
		sizeof(sun.sun_path) ||
	    clear_path(&sun, &why) == -1) {
		log_error("control socket %s: %s", setup->path, why);
		return -1;
	}
	if (listen_at(ctl, &sun, setup) == -1 || watch(ctl) == -1) {
		log_error("control socket %s: %s", setup->path,
		    strerror(errno));
		control_close(ctl);
		return -1;
	}
	return 0;
}

void
control_close(struct control *ctl)
{
	struct control_client *c;
	struct stat st;

	while ((c = TAILQ_FIRST(&ctl->clients)) != NULL)
		client_drop(c);
	ctl->io = sd_event_source_disable_unref(ctl->io);
	ctl->timer = sd_event_source_disable_unref(ctl->timer);
	if (ctl->fd == -1)
		return;
	close(ctl->fd);
	ctl->fd = -1;
	if (ctl->ino != 0 && lstat(ctl->path, &st) == 0 &&
	    st.st_dev == ctl->dev && st.st_ino == ctl->ino &&
	    unlink(ctl->path) == -1)
		log_warning("control socket %s: cannot remove it: %s",
		    ctl->path, strerror(errno));
}
