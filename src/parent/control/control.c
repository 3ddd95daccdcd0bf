/*
 * The control socket: its clients, their requests, one at a time, and the queue
 * of replies that a client has not taken yet.  Used by main.c through
 * service_control.c.
 */
#include <sys/socket.h>

#include <bsd/string.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/passing.h"
#include "parent/control/control.h"
#include "parent/control/control_check.h"
#include "parent/host/event.h"

/* So many at most are installed by the kernel, which closes the rest. */
#define PASSED_MAX   4
#define ACCEPT_PAUSE NS_PER_SEC /* without fds or memory */

/* Who made a request. */
#define PEER_FIELDS(c) \
	LOG_NUMBER("VRNGD_PEER_PID", (c)->peer.pid), \
	    LOG_NUMBER("VRNGD_PEER_UID", (c)->peer.uid)

/* Every client has memory for so many frames; it grows by doubling. */
#define ROOM_FIRST 8

struct control_client {
	TAILQ_ENTRY(control_client) entry;
	struct control *control;
	int fd; /* -1: it is gone */
	sd_event_source *io;
	sd_event_source *timer; /* to drop it when it stalls */
	struct ucred peer;
	bool allowed;		   /* to change anything */
	struct control_reply *out; /* allocated while there are any */
	size_t nout;		   /* frames there */
	size_t room;		   /* frames for which there is memory */
	size_t sent;		   /* frames of these that are gone */
	bool answering;		   /* a request, until control_end() */
	bool overflow;		   /* the answer is not complete */
	bool last;		   /* ends when all is sent */
	bool in_event;		   /* not to be freed by others */
};

static const char *const command_names[] = {
	[CONTROL_RELOAD] = "reload",
	[CONTROL_GUEST_ADD] = "guest add",
	[CONTROL_GUEST_REMOVE] = "guest remove",
	[CONTROL_LOG_LEVEL] = "log level",
	[CONTROL_SOURCE_RETEST] = "source retest",
	[CONTROL_GUEST_ADOPT] = "guest adopt",
};

static void
free_queue(struct control_client *c)
{
	free(c->out);
	c->out = NULL;
	c->nout = c->room = c->sent = 0;
}

/* Ends the connection; the client is there until release(). */
static void
hang_up(struct control_client *c)
{
	if (c->fd == -1)
		return;
	TAILQ_REMOVE(&c->control->clients, c, entry);
	c->control->nclients--;
	c->io = sd_event_source_disable_unref(c->io);
	c->timer = sd_event_source_disable_unref(c->timer);
	close(c->fd);
	c->fd = -1;
	free_queue(c);
}

/* Frees a client that nobody needs any more. */
static void
release(struct control_client *c)
{
	if (c->fd == -1 && !c->answering && !c->in_event)
		free(c);
}

/* Ends the connection; frees the client, at the latest with its answer. */
static void
client_drop(struct control_client *c)
{
	hang_up(c);
	release(c);
}

/* Whether it has asked for nothing that is not answered. */
static bool
client_idle(const struct control_client *c)
{
	return !c->answering && c->nout == 0;
}

/* What to wait for: room, if there are replies; else the next request. */
static void
wait_for_client(struct control_client *c, bool progress)
{
	if (c->nout == 0) {
		sd_event_source_set_enabled(c->timer, SD_EVENT_OFF);
		sd_event_source_set_io_events(c->io,
		    c->answering ? 0 : EPOLLIN);
		return;
	}
	sd_event_source_set_io_events(c->io, EPOLLOUT);
	if (progress)
		sd_event_source_set_time_relative(c->timer,
		    CONTROL_STALL_MAX / 1000);
	sd_event_source_set_enabled(c->timer, SD_EVENT_ONESHOT);
}

/* Sends what the socket takes.  May hang up. */
static void
flush(struct control_client *c, bool progress)
{
	while (c->sent < c->nout) {
		if (send(c->fd, &c->out[c->sent], sizeof(*c->out),
			MSG_DONTWAIT | MSG_NOSIGNAL) != -1) {
			c->sent++;
			progress = true;
		} else if (errno == EAGAIN) {
			break;
		} else if (errno != EINTR) {
			hang_up(c);
			return;
		}
	}
	if (c->sent == c->nout) {
		free_queue(c);
		if (c->last) {
			hang_up(c);
			return;
		}
	}
	wait_for_client(c, progress);
}

/* Makes room for one more frame.  Returns false if that is too many. */
static bool
reserve(struct control_client *c)
{
	struct control_reply *out;
	size_t room = c->room == 0 ? ROOM_FIRST : c->room * 2;

	if (c->nout < c->room)
		return true;
	if (room > CONTROL_QUEUE_MAX ||
	    (out = realloc(c->out, room * sizeof(*out))) == NULL)
		return false;
	c->out = out;
	c->room = room;
	return true;
}

static void
append(struct control_client *c, enum control_kind kind, const void *payload,
    size_t size)
{
	struct control_reply *reply;

	if (c->fd == -1 || !c->answering || c->overflow)
		return;
	if (!reserve(c)) {
		c->overflow = true;
		return;
	}
	reply = &c->out[c->nout++];
	memset(reply, 0, sizeof(*reply));
	reply->version = CONTROL_VERSION;
	reply->kind = kind;
	memcpy(&reply->u, payload, size);
}

void
control_say(struct control_client *c, const char *fmt, ...)
{
	struct control_text text = { 0 };
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text.text, sizeof(text.text), fmt, ap);
	va_end(ap);
	append(c, CONTROL_TEXT, &text, sizeof(text));
}

static void
end(struct control_client *c, int error)
{
	struct control_result result = { .error = error };

	append(c, CONTROL_RESULT, &result, sizeof(result));
	if (c->overflow) {
		c->nout = 0;
		c->overflow = false;
		result.error = ENOBUFS;
		control_say(c, "the answer is too long");
		append(c, CONTROL_RESULT, &result, sizeof(result));
	}
	c->answering = false;
	if (c->fd == -1 || c->overflow)
		hang_up(c);
	else
		flush(c, true);
}

void
control_end(struct control_client *c, int error)
{
	end(c, error);
	release(c);
}

/* Answers a request that is not served; no more than that is heard. */
static void
refuse(struct control_client *c, int error, const char *why)
{
	uint32_t suppressed;

	if (log_limit_pass(&c->control->log_limit, clock_now(), &suppressed))
		event_log(EVENT_CONTROL_REFUSED, NULL,
		    LOG_FIELDS(PEER_FIELDS(c), LOG_TEXT("VRNGD_REASON", why)),
		    "control: a request of pid %d, uid %u is refused: %s",
		    c->peer.pid, c->peer.uid, why);
	c->last = true;
	control_say(c, "%s", why);
	end(c, error);
}

/* Of a guest whose listener came with the request. */
static int
call_adopt(struct control_client *c, struct control_guest_add *add, int *passed)
{
	if (*passed == -1) {
		control_say(c, "no socket came with it, or more than one");
		return EINVAL;
	}
	add->socket = NULL;
	add->fd = *passed;
	*passed = -1;
	return c->control->ops->guest_adopt(c, add, c->control->arg);
}

static int
call_op(struct control_client *c, const struct control_request *req,
    int *passed)
{
	const struct control_ops *ops = c->control->ops;
	void *arg = c->control->arg;
	struct control_guest_add add = {
		.name = req->name,
		.socket = req->socket,
		.fd = -1,
		.class = req->class,
		.pool = req->pool,
	};

	switch (req->command) {
	case CONTROL_RELOAD:
		return ops->reload(c, arg);
	case CONTROL_GUEST_ADD:
		return ops->guest_add(c, &add, arg);
	case CONTROL_GUEST_ADOPT:
		return call_adopt(c, &add, passed);
	case CONTROL_GUEST_REMOVE:
		return ops->guest_remove(c, req->name, arg);
	case CONTROL_LOG_LEVEL:
		return ops->log_level(c, (enum log_level)req->log_level, arg);
	case CONTROL_SOURCE_RETEST:
		return ops->source_retest(c, req->name, req->pool, arg);
	}
	return EINVAL;
}

/* Takes `*passed` if that belongs to the request. */
static void
serve(struct control_client *c, const struct control_request *req, size_t size,
    int *passed)
{
	const char *why;
	int error;

	c->answering = true;
	if ((error = control_check(req, size, &why)) != 0) {
		refuse(c, error, why);
		return;
	}
	if (!c->allowed) {
		refuse(c, EACCES,
		    "you have no right to change anything: be root");
		return;
	}
	event_log(EVENT_CONTROLLED, NULL,
	    LOG_FIELDS(PEER_FIELDS(c),
		LOG_TEXT("VRNGD_COMMAND", command_names[req->command])),
	    "control: %s%s%s%s%s, by pid %d, uid %u",
	    command_names[req->command], req->name[0] != '\0' ? " " : "",
	    req->name, req->pool[0] != '\0' ? " in pool " : "", req->pool,
	    c->peer.pid, c->peer.uid);
	/* Nothing more is heard until control_end(). */
	wait_for_client(c, false);
	if ((error = call_op(c, req, passed)) != CONTROL_LATER)
		end(c, error);
}

/* The only descriptor of a message, or -1. */
static int
take_fd(struct msghdr *msg)
{
	int fds[PASSED_MAX];
	size_t n = passing_take(msg, fds, PASSED_MAX);

	if (n == 1 && (msg->msg_flags & MSG_CTRUNC) == 0)
		return fds[0];
	for (size_t i = 0; i < n && i < PASSED_MAX; i++)
		close(fds[i]);
	return -1;
}

/*
 * Receives a request without blocking, as recv(2) with MSG_TRUNC does, and the
 * descriptor that came with it, -1 if it was not exactly one.
 */
static ssize_t
receive_request(int fd, struct control_request *req, int *passed)
{
	union passing place;
	struct iovec iov = { .iov_base = req, .iov_len = sizeof(*req) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	*passed = -1;
	memset(req, 0, sizeof(*req));
	passing_expect(&msg, &place, PASSED_MAX);
	n = recvmsg(fd, &msg, MSG_DONTWAIT | MSG_TRUNC | MSG_CMSG_CLOEXEC);
	if (n != -1)
		*passed = take_fd(&msg);
	return n;
}

/* Takes a request.  What comes with it and is not wanted is discarded. */
static void
read_request(struct control_client *c)
{
	struct control_request req;
	int passed;
	ssize_t n;

	n = receive_request(c->fd, &req, &passed);
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		hang_up(c);
	} else {
		TAILQ_REMOVE(&c->control->clients, c, entry);
		TAILQ_INSERT_TAIL(&c->control->clients, c, entry);
		serve(c, &req, (size_t)n, &passed);
	}
	if (passed != -1)
		close(passed);
}

static int
io_event(sd_event_source *source, int fd, uint32_t revents, void *arg)
{
	struct control_client *c = arg;

	(void)source;
	(void)fd;
	c->in_event = true;
	if ((revents & EPOLLIN) != 0)
		read_request(c);
	else if ((revents & (EPOLLHUP | EPOLLERR)) != 0)
		hang_up(c);
	else if ((revents & EPOLLOUT) != 0)
		flush(c, false);
	c->in_event = false;
	release(c);
	return 0;
}

static int
stall_event(sd_event_source *source, uint64_t usec, void *arg)
{
	struct control_client *c = arg;
	uint32_t suppressed;

	(void)source;
	(void)usec;
	if (log_limit_pass(&c->control->log_limit, clock_now(), &suppressed))
		log_warning("control: pid %d, uid %u does not read its answer: "
			    "dropped",
		    c->peer.pid, c->peer.uid);
	client_drop(c);
	return 0;
}

/*
 * A client for a connection, which is its own from now on.  Returns NULL, and
 * closes the connection, if there is no memory.
 */
static struct control_client *
client_new(struct control *control, int fd)
{
	struct control_client *c;
	socklen_t len = sizeof(c->peer);
	int r;

	if ((c = calloc(1, sizeof(*c))) == NULL) {
		close(fd);
		return NULL;
	}
	c->control = control;
	c->fd = fd;
	TAILQ_INSERT_TAIL(&control->clients, c, entry);
	control->nclients++;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &c->peer, &len) == 0)
		c->allowed = control_allowed(&c->peer);
	r = sd_event_add_io(control->event, &c->io, fd, EPOLLIN, io_event, c);
	if (r >= 0)
		r = sd_event_add_time(control->event, &c->timer,
		    CLOCK_MONOTONIC, 0, 0, stall_event, c);
	if (r >= 0)
		r = sd_event_source_set_enabled(c->timer, SD_EVENT_OFF);
	if (r < 0) {
		client_drop(c);
		return NULL;
	}
	return c;
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
