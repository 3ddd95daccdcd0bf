/*
 * The control socket: its clients and their requests.  Used by main.c, through
 * commands.c.
 */
#include <sys/socket.h>

#include <bsd/string.h>
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "parent/control/control.h"
#include "parent/control/control_check.h"
#include "parent/control/receive.h"
#include "parent/host/deferred_close.h"
#include "parent/host/event.h"

/* The end of an answer that was truncated. */
#define REST	     "(truncated: see the log for the rest)\n"
#define ACCEPT_PAUSE NS_PER_SEC /* without fds or memory */

/* The sender of a request. */
#define PEER_FIELDS(c) \
	LOG_NUMBER("VRNGD_PEER_PID", (c)->peer.pid), \
	    LOG_NUMBER("VRNGD_PEER_UID", (c)->peer.uid)

struct control_client {
	TAILQ_ENTRY(control_client) entry;
	struct control *control;
	int fd;
	sd_event_source *io;
	struct ucred peer;
	bool allowed;		      /* to change anything */
	struct control_request adopt; /* while its descriptor is received */
	struct receive receive;
};

static const char *const command_names[] = {
	[CONTROL_RELOAD] = "reload",
	[CONTROL_GUEST_ADD] = "guest add",
	[CONTROL_GUEST_REMOVE] = "guest remove",
	[CONTROL_LOG_LEVEL] = "log level",
	[CONTROL_SOURCE_RETEST] = "source retest",
	[CONTROL_GUEST_ADOPT] = "guest adopt",
	[CONTROL_RELOAD_DRY_RUN] = "reload dry run",
	[CONTROL_GUEST_RELEASE] = "guest release",
};

static void
drop(struct control_client *c)
{
	TAILQ_REMOVE(&c->control->clients, c, entry);
	c->control->nclients--;
	sd_event_source_disable_unref(c->io);
	receive_stop(&c->receive);
	deferred_close_unstored(c->control->event, c->fd);
	free(c);
}

void
control_say(struct control_answer *a, const char *fmt, ...)
{
	size_t room = sizeof(a->reply.text) - sizeof(REST) - a->len;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(a->reply.text + a->len, room, fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= room) {
		a->cut = true;
		return;
	}
	a->len += (size_t)n;
	a->reply.text[a->len++] = '\n';
}

/* Reports why a request is rejected, in the answer and the log. */
static int
refuse(struct control_client *c, int error, const char *why)
{
	uint32_t suppressed;

	if (log_limit_pass(&c->control->log_limit, clock_now(), &suppressed))
		event_log(EVENT_CONTROL_REFUSED, NULL,
		    LOG_FIELDS(PEER_FIELDS(c), LOG_TEXT("VRNGD_REASON", why)),
		    "control: request rejected: %s: pid %d, uid %u", why,
		    c->peer.pid, c->peer.uid);
	control_say(&c->control->answer, "%s", why);
	return error;
}

/* Of many guests at once, only the first ones are shown. */
static enum log_view
view_of(struct control *ctl, const struct control_request *req)
{
	uint32_t suppressed;

	switch (req->command) {
	case CONTROL_GUEST_ADD:
	case CONTROL_GUEST_ADOPT:
	case CONTROL_GUEST_REMOVE:
	case CONTROL_GUEST_RELEASE:
		return log_limit_pass(&ctl->guest_limit, clock_now(),
			   &suppressed)
		    ? LOG_VIEW_TEXT
		    : LOG_VIEW_FIELDS;
	default:
		return LOG_VIEW_TEXT;
	}
}

/*
 * Carries out a request, with `*passed` if it has a descriptor.  Returns 0 or
 * an errno; `*last` is whether the client must be closed.
 */
static int
serve(struct control_client *c, const struct control_request *req, size_t size,
    int *passed, bool *last)
{
	const char *why;
	int error = control_check(req, size, &why);

	*last = error != 0 || !c->allowed;
	if (error != 0)
		return refuse(c, error, why);
	if (!c->allowed)
		return refuse(c, EACCES, "permission denied: run as root");
	event_log_view(EVENT_CONTROLLED, view_of(c->control, req), NULL,
	    LOG_FIELDS(PEER_FIELDS(c),
		LOG_TEXT("VRNGD_COMMAND", command_names[req->command])),
	    "control: %s%s%s%s%s, by pid %d, uid %u",
	    command_names[req->command], req->name[0] != '\0' ? " " : "",
	    req->name, req->pool[0] != '\0' ? " in pool " : "", req->pool,
	    c->peer.pid, c->peer.uid);
	return c->control->handler(&c->control->answer, req, passed,
	    c->control->arg);
}

/* Returns -1 if the client does not read its answer. */
static int
answer(struct control_client *c, int error)
{
	struct control_answer *a = &c->control->answer;

	if (a->cut) {
		memcpy(a->reply.text + a->len, REST, sizeof(REST));
		a->len += strlen(REST);
	}
	a->reply.text[a->len] = '\0';
	a->reply.version = CONTROL_VERSION;
	a->reply.error = error;
	if (send(c->fd, &a->reply,
		offsetof(struct control_reply, text) + a->len + 1,
		MSG_DONTWAIT | MSG_NOSIGNAL) == -1)
		return -1;
	return 0;
}

/*
 * Reads a request without blocking and leaves it in the queue, like recv(2)
 * with MSG_TRUNC.  MSG_CTRUNC in `*flags` means that it has descriptors, which
 * are not closed here, since a close may block.
 */
static ssize_t
peek_request(int fd, struct control_request *req, int *flags)
{
	struct iovec iov = { .iov_base = req, .iov_len = sizeof(*req) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	memset(req, 0, sizeof(*req));
	n = recvmsg(fd, &msg, MSG_PEEK | MSG_DONTWAIT | MSG_TRUNC);
	*flags = msg.msg_flags;
	return n;
}

/* Serves and answers a request.  Returns -1 if the client must be closed. */
static int
serve_and_answer(struct control_client *c, const struct control_request *req,
    size_t size, int *passed)
{
	bool last = false;
	int error;

	TAILQ_REMOVE(&c->control->clients, c, entry);
	TAILQ_INSERT_TAIL(&c->control->clients, c, entry);
	c->control->answer.len = 0;
	c->control->answer.cut = false;
	error = serve(c, req, size, passed, &last);
	return answer(c, error) == -1 || last ? -1 : 0;
}

/* Handles the descriptor of a request to adopt a guest. */
static void
adopt_event(int fd, void *arg)
{
	struct control_client *c = arg;
	sd_event *event = c->control->event;
	int r = serve_and_answer(c, &c->adopt, sizeof(c->adopt), &fd);

	deferred_close_unstored(event, fd);
	if (r == -1 || sd_event_source_set_enabled(c->io, SD_EVENT_ON) < 0)
		drop(c);
}

/* Whether the request has a descriptor. */
static bool
wants_fd(const struct control_client *c, const struct control_request *req,
    size_t size)
{
	const char *why;

	return c->allowed && control_check(req, size, &why) == 0 &&
	    req->command == CONTROL_GUEST_ADOPT;
}

/*
 * Handles a request.  After a request with surplus descriptors the connection
 * is closed, and the descriptors with it.
 */
static int
io_event(sd_event_source *source, int fd, uint32_t revents, void *arg)
{
	struct control_client *c = arg;
	struct control_request req;
	int flags, none = -1;
	ssize_t n;

	(void)source, (void)revents;
	n = peek_request(fd, &req, &flags);
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n > 0 && (flags & MSG_CTRUNC) != 0 &&
	    wants_fd(c, &req, (size_t)n)) {
		c->adopt = req;
		if (receive_start(&c->receive, c->control->event, fd,
			adopt_event, c) == 0 &&
		    sd_event_source_set_enabled(c->io, SD_EVENT_OFF) >= 0)
			return 0;
		n = -1;
	}
	if (n <= 0 || serve_and_answer(c, &req, (size_t)n, &none) == -1 ||
	    (flags & MSG_CTRUNC) != 0 ||
	    recv(fd, &req, sizeof(req), MSG_DONTWAIT) == -1)
		drop(c);
	return 0;
}

/*
 * Adds a client, which owns the connection from now on.  Returns -1, and closes
 * the connection, without memory.  At the limit, the client that was idle for
 * the longest time is closed.
 */
static int
add_client(struct control *ctl, int fd)
{
	struct control_client *c = calloc(1, sizeof(*c));
	socklen_t len = sizeof(c->peer);

	if (c == NULL ||
	    sd_event_add_io(ctl->event, &c->io, fd, EPOLLIN, io_event, c) < 0) {
		free(c);
		deferred_close_unstored(ctl->event, fd);
		return -1;
	}
	c->control = ctl;
	c->fd = fd;
	c->allowed =
	    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &c->peer, &len) == 0 &&
	    control_allowed(&c->peer);
	if (ctl->nclients == CONTROL_CLIENTS_MAX)
		drop(TAILQ_FIRST(&ctl->clients));
	TAILQ_INSERT_TAIL(&ctl->clients, c, entry);
	ctl->nclients++;
	return 0;
}

static void
accept_again(void *arg)
{
	struct control *ctl = arg;

	sd_event_source_set_enabled(ctl->io, SD_EVENT_ON);
}

static void
pause_accepting(struct control *ctl)
{
	uint32_t suppressed;

	if (log_limit_pass(&ctl->log_limit, clock_now(), &suppressed))
		log_error("control: cannot accept a connection: %s",
		    strerror(errno));
	sd_event_source_set_enabled(ctl->io, SD_EVENT_OFF);
	timer_after(&ctl->pause, ACCEPT_PAUSE);
}

static int
listen_event(sd_event_source *source, int fd, uint32_t revents, void *arg)
{
	struct control *ctl = arg;
	int conn;

	(void)source, (void)revents;
	conn = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (conn == -1) {
		if (errno != EAGAIN && errno != ECONNABORTED && errno != EINTR)
			pause_accepting(ctl);
		return 0;
	}
	if (add_client(ctl, conn) == -1)
		pause_accepting(ctl);
	return 0;
}

/* Waits for connections.  Returns 0, or -1 after logging the error. */
static int
watch(struct control *ctl)
{
	int r;

	ctl->io = sd_event_source_disable_unref(ctl->io);
	r = sd_event_add_io(ctl->event, &ctl->io, ctl->listener.fd, EPOLLIN,
	    listen_event, ctl);
	if (r < 0)
		log_error("control: cannot listen: %s", strerror(-r));
	return r < 0 ? -1 : 0;
}

int
control_bind_again(struct control *ctl)
{
	int old;

	if (listener_file(&ctl->listener, ctl->path) == LISTENER_FILE_PRESENT)
		return 0;
	old = listener_bind_again(&ctl->listener, SOCK_SEQPACKET, &ctl->rights);
	if (old == -1)
		return -1;
	deferred_close_unstored(ctl->event, old);
	return watch(ctl);
}

int
control_open(struct control *ctl, sd_event *event, const char *path,
    uid_t owner, control_handler *handler, void *arg)
{
	*ctl = (struct control){
		.event = event,
		.handler = handler,
		.arg = arg,
		.listener.fd = -1,
		.rights = { .owner = owner, .group = (gid_t)-1, .mode = 0600 },
	};
	TAILQ_INIT(&ctl->clients);
	timer_init(&ctl->pause, event, accept_again, ctl);
	log_limit_init(&ctl->log_limit, clock_now());
	log_limit_init(&ctl->guest_limit, clock_now());
	if (strlcpy(ctl->path, path, sizeof(ctl->path)) >= sizeof(ctl->path)) {
		log_error("control socket %s: path is too long", path);
		return -1;
	}
	if (listener_open(&ctl->listener, ctl->path, SOCK_SEQPACKET,
		&ctl->rights) == -1)
		return -1;
	if (watch(ctl) == 0)
		return 0;
	control_close(ctl);
	return -1;
}

void
control_close(struct control *ctl)
{
	struct control_client *c;

	while ((c = TAILQ_FIRST(&ctl->clients)) != NULL)
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): not in the list */
		drop(c);
	ctl->io = sd_event_source_disable_unref(ctl->io);
	timer_free(&ctl->pause);
	deferred_close_unstored(ctl->event, listener_release(&ctl->listener));
}
