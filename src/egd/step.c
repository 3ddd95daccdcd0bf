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

/*
 * During a poll: looks for events without sleeping, until there are some or the
 * poll ends.  Returns their number.
 */
static int
look(struct worker *w, struct epoll_event *events)
{
	uint64_t now = clock_now(), end = now + POLLING_LOOK_MIN;
	int n = 0;

	while (w->polling.looking && n == 0) {
		n = loop_wait(&w->loop, events, EVENTS_AT_ONCE, 0);
		now = clock_now();
		if (n == 0)
			polling_idle(&w->polling, now);
		if (n == 0 && now >= end) {
			polling_cede(&w->polling, now);
			end = clock_now() + POLLING_LOOK_MIN;
		}
	}
	return n;
}

/*
 * Decides on polling after a round, by whether it has completed requests, and
 * clients waited for bytes before it.
 */
static void
set_polling(struct worker *w, bool served, bool waited)
{
	uint64_t now = clock_now();

	if (served)
		polling_served(&w->polling, now, !waited);
	/* No client is about to send a request, or it could not be served. */
	if (w->more || w->clients->n == 0 || w->clients->drr.waiting > 0)
		polling_stop(&w->polling, now);
}

void
step(struct worker *w)
{
	struct epoll_event events[EVENTS_AT_ONCE];
	uint64_t requests = w->page->counters.requests;
	bool waited = w->clients->drr.waiting > 0;
	int n = 0;

	if (w->polling.looking)
		n = look(w, events);
	if (n == 0)
		n = loop_wait(&w->loop, events, EVENTS_AT_ONCE, timeout(w));
	w->now = clock_now();
	handle(w, events, n);
	go_on(w);
	if (w->polling.max != 0)
		set_polling(w, w->page->counters.requests != requests, waited);
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
