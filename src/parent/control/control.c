#include <sys/socket.h>

#include <bsd/string.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "parent/control/control.h"
#include "parent/control/control_client.h"

#define ACCEPT_PAUSE NS_PER_SEC /* without fds or memory */

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

	r = sd_event_add_io(ctl->event, &ctl->io, ctl->listener.fd, EPOLLIN,
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
control_open(struct control *ctl, sd_event *event, const char *path,
    uid_t owner, const struct control_ops *ops, void *arg)
{
	const struct listener_rights rights = {
		.owner = owner,
		.group = (gid_t)-1,
		.mode = 0600,
	};

	*ctl = (struct control){
		.event = event,
		.ops = ops,
		.arg = arg,
		.listener.fd = -1,
	};
	TAILQ_INIT(&ctl->clients);
	log_limit_init(&ctl->log_limit, clock_now());
	if (strlcpy(ctl->path, path, sizeof(ctl->path)) >= sizeof(ctl->path)) {
		log_error("control socket %s: the path is too long", path);
		return -1;
	}
	if (listener_open(&ctl->listener, ctl->path, SOCK_SEQPACKET, &rights) ==
	    -1)
		return -1;
	if (watch(ctl) == -1) {
		log_error("control: cannot listen: %s", strerror(errno));
		control_close(ctl);
		return -1;
	}
	return 0;
}

void
control_close(struct control *ctl)
{
	struct control_client *c;

	while ((c = TAILQ_FIRST(&ctl->clients)) != NULL)
		client_drop(c);
	ctl->io = sd_event_source_disable_unref(ctl->io);
	ctl->timer = sd_event_source_disable_unref(ctl->timer);
	listener_close(&ctl->listener);
}
