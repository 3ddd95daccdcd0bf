/*
 * Gives granted bytes to the waiting clients in turn, and sends the demand for
 * more.  Used by main.c after every round of events.
 */
#include <sys/epoll.h>

#include "egd/worker.h"

#define TURNS_AT_ONCE 256 /* then others' turn comes */

uint32_t
serve_chunk(const struct worker *w)
{
	uint32_t max = w->window.request_max;

	return max == 0 ? 1 : max < STREAM_CHUNK ? max : STREAM_CHUNK;
}

/* Gives the first client what there is for it.  Returns false if nothing. */
static bool
give(struct worker *w, struct client *c)
{
	switch (w->outlet.serve.protocol) {
	case SERVE_EGD:
		command_take(w, c);
		return true;
	case SERVE_STREAM:
		stream_take(w, c);
		return true;
	default:
		return datagram_take(w, c);
	}
}

void
serve_run(struct worker *w)
{
	struct turn *first;
	unsigned int n = 0;

	w->more = false;
	while (w->window.held > 0 && (first = turns_first(&w->turns)) != NULL) {
		if (n++ == TURNS_AT_ONCE) {
			w->more = true;
			return;
		}
		if (!give(w, client_of_turn(first)))
			break;
	}
	w->window.fresh = false;
}

/* Adds up the time during which somebody waits for bytes, or an answer. */
static void
keep_time(struct worker *w)
{
	bool waiting = w->turns.waiting > 0 || now_deadline(w) != 0;
	struct counters_page *page = w->page;
	uint64_t waited = w->now - page->waiting_since;

	if (waiting && page->waiting_since == 0)
		page->waiting_since = w->now;
	else if (!waiting && page->waiting_since != 0) {
		page->waiting_since = 0;
		/* Nobody sees it twice. */
		__atomic_store_n(&page->counters.wait_ns,
		    page->counters.wait_ns + waited, __ATOMIC_RELEASE);
	}
}

/*
 * Leaves bytes in their channel while the window has no room for them, since
 * nobody can take any now.
 */
static void
watch_bytes(struct worker *w)
{
	bool crowded = WINDOW_SIZE - w->window.held < BYTES_PACKET_MAX;

	if (w->window.bytes_fd == -1)
		crowded = false;
	else if (crowded != w->crowded)
		worker_must_watch(w, crowded ? EPOLL_CTL_DEL : EPOLL_CTL_ADD,
		    w->window.bytes_fd, EPOLLIN, EVENT_BYTES);
	w->crowded = crowded;
}

/*
 * Of streams, that less is missing than was told is no news until it is less
 * than half: they take what they can get, and not every little needs an answer.
 */
static uint64_t
news(const struct worker *w, uint64_t need)
{
	uint64_t told = w->window.told.need, left;

	if (w->outlet.serve.protocol == SERVE_EGD || told < w->window.received)
		return need;
	left = told - w->window.received;
	return left <= need && left >= need / 2 ? left : need;
}

void
serve_tell(struct worker *w)
{
	uint64_t need = 0;

	keep_time(w);
	if (!w->wired)
		return;
	watch_bytes(w);
	if (w->turns.missing > w->window.held)
		need = w->turns.missing - w->window.held;
	need = news(w, need < NEED_MAX ? need : NEED_MAX);
	window_want(&w->window, need,
	    w->turns.waiting > 0 || w->clients.full > 0);
	if (!w->window.untold && !w->more)
		now_ask(w);
}
