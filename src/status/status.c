/*
 * The status process: it queries the parent for the status and forwards it
 * without parsing.  A round of its events.  Used by main.c.
 */
#include <sys/socket.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "status/status.h"

/* After an error of accept(2), such as too many open files. */
#define ACCEPT_PAUSE NS_PER_SEC

/* In data.u64 of an event; others are clients. */
#define EVENT_LISTENER (UINT64_MAX - 2)

/* Events, unless they answer an earlier query. */
static void
take_events(struct status *st, struct frame *f)
{
	if (!st->awaited || f->u.events.serial != st->events.serial) {
		close(f->fds[0]);
		return;
	}
	st->awaited = false;
	if (client_events(&st->server, f->fds[0], f->u.events.size,
		f->u.events.lost) == -1)
		log_fatal("cannot map events: %s", strerror(errno));
}

/* Frames of the parent: first the socket, then statuses. */
static void
take_frame(struct status *st, struct frame *f)
{
	if (f->hdr.type == PROTO_SOCKET && st->listen_fd == -1 &&
	    f->u.socket.kind == SOCKET_LISTENING) {
		st->listen_fd = f->fds[0];
		loop_watch(&st->loop, EPOLL_CTL_ADD, st->listen_fd, EPOLLIN,
		    EVENT_LISTENER);
		return;
	}
	if (f->hdr.type == PROTO_EVENTS) {
		take_events(st, f);
		return;
	}
	if (f->hdr.type != PROTO_STATUS || !st->server.asked)
		log_fatal("unexpected %s frame", frame_name(f->hdr.type));
	if (client_answer(&st->server, f->fds[0], f->u.status.size) == -1)
		log_fatal("cannot map the status: %s", strerror(errno));
}

static void
channel_event(struct status *st)
{
	struct frame f;

	while (loop_recv(&st->loop, &f))
		take_frame(st, &f);
}

static void
listener_event(struct status *st)
{
	int fd =
	    accept4(st->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd != -1) {
		client_add(&st->server, fd);
	} else if (errno != EAGAIN && errno != ECONNABORTED && errno != EINTR) {
		log_error("cannot accept a connection: %s", strerror(errno));
		st->accept_at = clock_now() + ACCEPT_PAUSE;
		loop_watch(&st->loop, EPOLL_CTL_MOD, st->listen_fd, 0,
		    EVENT_LISTENER);
	}
}

/* Queries the parent if a client waits; later, if the channel is full. */
static void
ask(struct status *st)
{
	struct frame f;

	if (st->unasked || client_ask(&st->server)) {
		frame_init(&f, PROTO_STATUS_ASK, 0, 0);
		st->unasked = !channel_up(&f);
	}
}

/*
 * Queries the parent for events while clients monitor.  Returns false if the
 * channel is full.
 */
static bool
ask_events(struct status *st)
{
	bool on = st->server.nmonitors > 0;
	struct frame f;

	if (on ? st->awaited : st->events.on == 0)
		return true;
	frame_init(&f, PROTO_EVENTS_ASK, 0, 0);
	f.u.events_ask.on = on;
	f.u.events_ask.serial = st->events.serial + 1;
	if (!channel_up(&f))
		return false;
	st->events = f.u.events_ask;
	st->awaited = on;
	if (!on)
		st->server.events = false;
	return true;
}

/* Handles timeouts.  Returns the next one for loop_wait(). */
static int
expire(struct status *st)
{
	uint64_t now = clock_now(), first = client_expire(&st->server, now);

	if (st->accept_at != 0 && st->accept_at <= now) {
		st->accept_at = 0;
		loop_watch(&st->loop, EPOLL_CTL_MOD, st->listen_fd, EPOLLIN,
		    EVENT_LISTENER);
	}
	if (st->accept_at != 0 && (first == 0 || st->accept_at < first))
		first = st->accept_at;
	return loop_timeout(first, now);
}

/* One event at a time: handling one may close other clients. */
void
status_step(struct status *st)
{
	struct epoll_event ev;
	bool full;

	if (loop_wait(&st->loop, &ev, 1, expire(st)) == 1) {
		if (ev.data.u64 == LOOP_CHANNEL)
			channel_event(st);
		else if (ev.data.u64 == EVENT_LISTENER)
			listener_event(st);
		else if (ev.data.u64 != LOOP_UP)
			client_event(&st->server, ev.data.ptr, ev.events);
	}
	ask(st);
	full = !ask_events(st);
	loop_flush(&st->loop, st->unasked || full);
}

void
status_init(struct status *st, void (*busy)(void))
{
	*st = (struct status){ .listen_fd = -1 };
	call_init();
	loop_init(&st->loop, ROLE_STATUS);
	server_init(&st->server, st->loop.epoll_fd, busy);
}
