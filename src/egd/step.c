/*
 * The worker's rounds: waits for events, hands each to its part, then serves
 * bytes and reports.  Used by main.c.
 */
#include <sys/epoll.h>

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "common/clock.h"
#include "egd/clients.h"
#include "egd/datagram.h"
#include "egd/filter.h"
#include "egd/frames.h"
#include "egd/admission.h"
#include "egd/resume.h"
#include "egd/serve.h"
#include "egd/step.h"

#define NOFILE	       (CLIENTS_MAX + WORKER_FDS) /* as far as may be */
#define EVENTS_AT_ONCE 64

static void
connection_event(struct worker *w, uint64_t data, uint32_t events)
{
	struct client *c;

	c = clients_find(w->clients, (uint32_t)data, (uint32_t)(data >> 32));
	if (c == NULL)
		return;
	saved_begin(w->saved, (uint32_t)data);
	w->protocol->event(w, c, events);
	saved_end(w->saved);
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
		datagram_event(w, events);
		break;
	default:
		connection_event(w, data, events);
		break;
	}
}

/* For epoll_wait(2): until the first deadline. */
static int
timeout(const struct worker *w)
{
	uint64_t first = clients_deadline(w), other = admission_deadline(w), ms;

	if (w->more)
		return 0;
	if (first == 0 || (other != 0 && other < first))
		first = other;
	if (first == 0)
		return -1;
	if (first <= w->now)
		return 0;
	ms = (first - w->now + NS_PER_MS - 1) / NS_PER_MS;
	return ms < INT_MAX ? (int)ms : INT_MAX;
}

/* While a frame is to be sent, waits for room in the channel. */
static void
watch_up(struct worker *w)
{
	bool full =
	    !child_answer(&w->watch) || !clients_report(w) || w->window.untold;

	if (full == w->up_awaited)
		return;
	w->up_awaited = full;
	worker_must_watch(w, EPOLL_CTL_MOD, CHANNEL_UP_FD, full ? EPOLLOUT : 0,
	    EVENT_UP);
}

/* Does what has become possible by the events of a round. */
static void
go_on(struct worker *w)
{
	clients_expire(w);
	admission_expire(w);
	serve_run(w);
	serve_report(w);
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

	for (int i = 0; i < n && w->stage != WORKER_FINISHED; i++) {
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

void
step(struct worker *w)
{
	struct epoll_event events[EVENTS_AT_ONCE];
	int n;

	n = epoll_wait(w->epoll_fd, events, EVENTS_AT_ONCE, timeout(w));
	if (n == -1 && errno != EINTR)
		log_fatal("epoll_wait: %s", strerror(errno));
	w->now = clock_now();
	handle(w, events, n);
	go_on(w);
}

/* Waits until the parent has given all, the clients' state last. */
static void
await_clients(struct worker *w)
{
	struct epoll_event first;

	while (w->stage < WORKER_GIVEN) {
		if (epoll_wait(w->epoll_fd, &first, 1, -1) == -1 &&
		    errno != EINTR)
			log_fatal("epoll_wait: %s", strerror(errno));
		frames_read(w);
	}
	w->now = clock_now();
}

void
step_start(struct worker *w)
{
	struct sandbox_rule rules[SANDBOX_RULES_MAX];
	struct frame f;
	size_t n;

	child_await(&f, ROLE_EGD, PROTO_SERVE);
	frames_serve(w, &f);
	await_clients(w);
	n = egd_filter(rules, w->service.serve.addressed);
	child_ready(rules, n, NOFILE);
	resume_clients(w);
	/* It asks for bytes. */
	go_on(w);
}
