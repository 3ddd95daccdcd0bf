/*
 * Sends granted bytes to the waiting clients in turn, and reports the demand.
 * Used by step.c after every round of events.
 */
#include <sys/epoll.h>

#include "egd/clients.h"
#include "egd/serve.h"

#define TURNS_AT_ONCE 256 /* then other events are handled */

void
serve_run(struct worker *w)
{
	struct client *first;
	unsigned int n = 0;
	bool enough;

	w->more = false;
	while (
	    w->window.held > 0 && (first = clients_first(w->clients)) != NULL) {
		if (n++ == TURNS_AT_ONCE) {
			w->more = true;
			return;
		}
		saved_begin(w->saved, clients_place(w, first));
		enough = w->protocol->take(w, first);
		saved_end(w->saved);
		if (!enough)
			break;
	}
	w->window.fresh = false;
}

/* Counts the time during which clients wait for bytes. */
static void
count_waiting(struct worker *w)
{
	bool waiting = w->clients->drr.waiting > 0;
	struct counters_page *page = w->page;
	uint64_t waited = w->now - page->waiting_since;

	if (waiting && page->waiting_since == 0)
		page->waiting_since = w->now;
	else if (!waiting && page->waiting_since != 0) {
		page->waiting_since = 0;
		/* It is never seen twice. */
		__atomic_store_n(&page->counters.wait_ns,
		    page->counters.wait_ns + waited, __ATOMIC_RELEASE);
	}
}

/*
 * Leaves bytes in their channel while the window is full, since no client can
 * receive any now.
 */
static void
watch_bytes(struct worker *w)
{
	bool pause = WINDOW_SIZE - w->window.held < BYTES_PACKET_MAX;

	if (w->window.bytes_fd == -1)
		pause = false;
	else if (pause != w->bytes_paused)
		loop_watch(&w->loop, pause ? EPOLL_CTL_DEL : EPOLL_CTL_ADD,
		    w->window.bytes_fd, EPOLLIN, EVENT_BYTES);
	w->bytes_paused = pause;
}

/*
 * What streams need is reported again only if it is less than what is outstanding,
 * or more than twice that, to avoid a frame for every small change.
 */
static uint64_t
damped(const struct worker *w, uint64_t need)
{
	uint64_t reported = w->window.reported.need, left;

	if (w->service.serve.protocol == SERVE_EGD ||
	    reported < w->window.received)
		return need;
	left = reported - w->window.received;
	return left > 0 && left <= need && left >= need / 2 ? left : need;
}

void
serve_report(struct worker *w)
{
	const struct clients *cs = w->clients;
	uint64_t missing = cs->drr.missing + w->shortfall, need = 0;

	count_waiting(w);
	if (w->stage < WORKER_WIRED)
		return;
	watch_bytes(w);
	if (missing > w->window.held)
		need = missing - w->window.held;
	need = damped(w, need < NEED_MAX ? need : NEED_MAX);
	window_want(&w->window, need,
	    cs->drr.waiting > 0 || cs->blocked > 0 || w->shortfall > 0);
}
