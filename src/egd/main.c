/*
 * The EGD worker: serves the clients of one service, over the EGD protocol or
 * with raw bytes, and knows of no other.  Started by the parent for a service
 * with clients.
 */
#include <sys/epoll.h>

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "common/channel.h"
#include "common/child.h"
#include "common/locked.h"
#include "egd/filter.h"
#include "egd/worker.h"

#define NOFILE	       (CLIENTS_MAX + WORKER_FDS) /* as far as may be */
#define EVENTS_AT_ONCE 64

static void
connection_event(struct worker *w, uint64_t data, uint32_t events)
{
	struct client *c;

	c = client_find(&w->clients, (uint32_t)data, (uint32_t)(data >> 32));
	if (c == NULL)
		return;
	if (w->outlet.serve.protocol == SERVE_EGD)
		command_event(w, c, events);
	else
		stream_event(w, c, events);
}

static void
event(struct worker *w, uint64_t data, uint32_t events)
{
	switch ((uint32_t)data) {
	case EVENT_CHANNEL:
		frames_read(w);
		break;
	case EVENT_UP:
		if ((events & EPOLLERR) != 0)
			channel_lost();
		break;
	case EVENT_BYTES:
		window_receive(&w->window);
		break;
	case EVENT_SOCKET:
		if (w->outlet.serve.protocol == SERVE_DATAGRAM)
			datagram_event(w, events);
		else
			door_accept(w);
		break;
	default:
		connection_event(w, data, events);
		break;
	}
}

/* For epoll_wait(2): until the first of the things that have their time. */
static int
timeout(const struct worker *w)
{
	const uint64_t deadlines[] = { now_deadline(w), client_deadline(w),
		door_deadline(w) };
	uint64_t first = UINT64_MAX, ms;

	if (w->more)
		return 0;
	for (size_t i = 0; i < sizeof(deadlines) / sizeof(*deadlines); i++)
		if (deadlines[i] != 0 && deadlines[i] < first)
			first = deadlines[i];
	if (first == UINT64_MAX)
		return -1;
	if (first <= w->now)
		return 0;
	ms = (first - w->now + NS_PER_MS - 1) / NS_PER_MS;
	return ms < INT_MAX ? (int)ms : INT_MAX;
}

/* While there is something to tell, waits for room to tell it. */
static void
watch_up(struct worker *w)
{
	bool full =
	    !child_answer(&w->watch) || w->window.untold || w->asks.unsent;

	if (full == w->full)
		return;
	w->full = full;
	worker_must_watch(w, EPOLL_CTL_MOD, CHANNEL_UP_FD, full ? EPOLLOUT : 0,
	    EVENT_UP);
}

/* Does what has become possible by the events of a round. */
static void
go_on(struct worker *w)
{
	client_expire(w);
	door_expire(w);
	serve_run(w);
	if (!w->more) {
		/* Whoever is answered may have asked for more. */
		now_settle(w);
		serve_run(w);
	}
	serve_tell(w);
	watch_up(w);
}

/*
 * Handles the events of a round.  Whatever clients have sent, to read, write or
 * close what is theirs may wait; what the parent has sent it watches itself.
 */
static void
handle(struct worker *w, const struct epoll_event *events, int n)
{
	bool clients = n <= 0;
	uint32_t which;

	for (int i = 0; i < n && !w->finished; i++) {
		which = (uint32_t)events[i].data.u64;
		if (which != EVENT_CHANNEL && which != EVENT_UP) {
			clients = true;
			child_busy(&w->watch);
		}
		event(w, events[i].data.u64, events[i].events);
	}
	if (clients)
		child_busy(&w->watch);
}

static void
run(struct worker *w)
{
	struct epoll_event events[EVENTS_AT_ONCE];
	int n;

	while (!w->finished) {
		n = epoll_wait(w->epoll_fd, events, EVENTS_AT_ONCE, timeout(w));
		if (n == -1 && errno != EINTR)
			log_fatal("epoll_wait: %s", strerror(errno));
		w->now = clock_now();
		handle(w, events, n);
		go_on(w);
	}
}

/*
 * Hears what it is to serve, on which it depends how far its filter goes, and
 * gets ready.
 */
static void
start(struct worker *w)
{
	struct sandbox_rule rules[SANDBOX_RULES_MAX];
	struct frame f;
	size_t n;

	child_await(&f, ROLE_EGD, PROTO_SERVE);
	n = egd_filter(rules, f.u.serve.addressed);
	child_ready(rules, n, NOFILE);
	frames_serve(w, &f);
}

int
main(void)
{
	static struct worker w;

	child_start(ROLE_EGD);
	/* The window first: where little may be locked there are few clients. */
	locked_keep(&w.window, sizeof(w.window));
	locked_keep(&w.clients, sizeof(w.clients));
	worker_init(&w, child_counters(ROLE_EGD));
	start(&w);
	run(&w);
	_exit(0);
}
