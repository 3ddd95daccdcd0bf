/*
 * The rounds of the worker: waits for events, handles them, then serves bytes
 * and reports.  Used by main.c.
 */
#include "common/child.h"
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
	if (data == LOOP_CHANNEL)
		frames_read(w);
	else if (data == EVENT_BYTES)
		window_receive(&w->window);
	else if (data == EVENT_SOCKET)
		datagram_event(w, events);
	else if (data != LOOP_UP)
		connection_event(w, data, events);
}

/* For loop_wait(): until the first deadline. */
static int
timeout(const struct worker *w)
{
	const uint64_t deadlines[] = { clients_deadline(w),
		admission_deadline(w), datagram_deadline(w) };
	uint64_t first = 0;

	if (w->more)
		return 0;
	for (size_t i = 0; i < sizeof(deadlines) / sizeof(*deadlines); i++)
		if (first == 0 || (deadlines[i] != 0 && deadlines[i] < first))
			first = deadlines[i];
	return loop_timeout(first, w->now);
}

/* Finishes a round of events: serves clients and reports. */
static void
go_on(struct worker *w)
{
	clients_expire(w);
	admission_expire(w);
	datagram_expire(w);
	serve_run(w);
	serve_report(w);
	loop_flush(&w->loop, !clients_report(w) || w->window.pending);
}

/*
 * Handles the events of a round.  Operations on clients' connections may block;
 * the parent watches frames of its own.
 */
static void
handle(struct worker *w, const struct epoll_event *events, int n)
{
	bool clients = n == 0;
	uint64_t key;

	for (int i = 0; i < n && w->stage != WORKER_FINISHED; i++) {
		key = events[i].data.u64;
		if (key != LOOP_CHANNEL && key != LOOP_UP) {
			clients = true;
			loop_busy(&w->loop);
		}
		event(w, key, events[i].events);
	}
	if (clients)
		loop_busy(&w->loop);
}

void
step(struct worker *w)
{
	struct epoll_event events[EVENTS_AT_ONCE];
	int n = loop_wait(&w->loop, events, EVENTS_AT_ONCE, timeout(w));

	w->now = clock_now();
	handle(w, events, n);
	go_on(w);
}

/* Waits until the parent has sent everything, the clients' state last. */
static void
await_clients(struct worker *w)
{
	struct epoll_event first;

	while (w->stage < WORKER_GIVEN) {
		loop_wait(&w->loop, &first, 1, -1);
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

	loop_await(&w->loop, &f, PROTO_SERVE);
	frames_serve(w, &f);
	await_clients(w);
	n = egd_filter(rules, w->service.serve.addressed);
	child_ready(rules, n, NOFILE);
	resume_clients(w);
	/* Sends its demand. */
	go_on(w);
}
