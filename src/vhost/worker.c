/*
 * The vhost worker: one guest's connection, and a round of its events.  Used by
 * main.c; requests.c and ring.c watch descriptors here.
 */
#include "common/clock.h"
#include "common/log.h"
#include "vhost/worker.h"

#define POLL_MS 1 /* a ring without a kick descriptor */
#define EVENTS	6 /* one of each kind */

void
worker_init(struct worker *w)
{
	struct counters *counters;

	loop_init(&w->loop, ROLE_VHOST);
	w->page = loop_counters(&w->loop);
	counters = &w->page->counters;
	/* The worker before may have logged it. */
	if (w->page->fault < FAULTS)
		w->faults = 1U << w->page->fault;
	w->session.fd = w->kick_fd = w->call.fd = w->err.fd = -1;
	w->transfer.fd = -1;
	memory_init(&w->memory);
	queue_init(&w->queue, &w->memory);
	rng_init(&w->rng, &w->queue, &w->inflight, counters);
	polling_init(&w->polling, counters);
}

/*
 * Watches the connection for its next step: while a reply waits for room, no
 * request is read.  A partially read message stays in the connection, so it is
 * watched edge-triggered.
 */
static void
watch_session(struct worker *w)
{
	uint32_t events = EPOLLIN;

	if (w->session.out_len > 0)
		events = EPOLLOUT;
	else if (w->asked_inflight)
		events = 0;
	loop_watch(&w->loop, EPOLL_CTL_MOD, w->session.fd, events | EPOLLET,
	    EVENT_SESSION);
}

/*
 * Sends a pending reply, and prepares for the next message when it has been
 * sent.
 */
static void
session_answer(struct worker *w)
{
	enum session_result result;

	if (w->session.out_len > 0)
		save_state(w, 0, REPLY_SENDING);
	result = session_flush(&w->session);
	if (result == SESSION_CLOSED)
		w->finished = true;
	if (result == SESSION_AGAIN)
		save_state(w, 0, REPLY_OWED);
	if (result != SESSION_MESSAGE)
		return;
	save_state(w, 0, REPLY_NONE);
	session_next(&w->session);
}

/* Finishes the current message, after it was handled and its reply queued. */
static void
session_done(struct worker *w)
{
	uint32_t len = (uint32_t)w->session.in_len;

	save_state(w, len, w->session.out_len > 0 ? REPLY_OWED : REPLY_NONE);
	if (session_consume(&w->session, len) == -1)
		w->finished = true;
	else {
		session_answer(w);
		transfer_save(w);
	}
}

static void
session_input(struct worker *w)
{
	enum session_result result;
	const char *why = NULL;

	result = session_read(&w->session, &why);
	if (result == SESSION_BROKEN)
		log_warning("closing the connection: %s", why);
	if (result == SESSION_BROKEN || result == SESSION_CLOSED)
		w->finished = true;
	w->has_input = result == SESSION_MESSAGE;
	if (result != SESSION_MESSAGE)
		return;
	save_fds(w, &w->session.in);
	worker_handle(w);
	if (!w->asked_inflight)
		session_done(w);
	if (w->session.out_len > 0 || w->asked_inflight) {
		w->has_input = false;
		watch_session(w);
	}
}

/* Reads at most one message before the ring is served again. */
static void
session_event(struct worker *w)
{
	if (w->asked_inflight)
		return;
	if (w->session.out_len == 0) {
		session_input(w);
		return;
	}
	session_answer(w);
	watch_session(w);
}

static void
rewire(struct worker *w, uint32_t generation, int fd)
{
	window_rewire(&w->rng.window, generation, fd);
	loop_watch(&w->loop, EPOLL_CTL_ADD, fd, EPOLLIN, EVENT_BYTES);
}

static void
limit(struct worker *w, const struct proto_limits *limits)
{
	window_limit(&w->rng.window, limits);
	polling_limit(&w->polling, limits, clock_now());
}

static void
start(struct worker *w, const struct frame *f)
{
	save_resume(w, f->fds[0]);
	loop_watch(&w->loop, EPOLL_CTL_ADD, w->session.fd, EPOLLET,
	    EVENT_SESSION);
	watch_session(w);
	w->rng.window.consumer = f->hdr.consumer;
	limit(w, &f->u.limits);
	rewire(w, f->hdr.generation, f->fds[1]);
	w->started = true;
}

static void
dispatch(struct worker *w, const struct frame *f)
{
	if (f->hdr.type == PROTO_START && !w->started)
		start(w, f);
	else if (f->hdr.type == PROTO_BYTES && w->started)
		rewire(w, f->hdr.generation, f->fds[0]);
	else if (f->hdr.type == PROTO_INFLIGHT && w->asked_inflight) {
		worker_inflight(w, f->fds[0]);
		session_done(w);
		watch_session(w);
	} else if (f->hdr.type == PROTO_LIMITS && w->started) {
		limit(w, &f->u.limits);
		w->rng.window.pending = true;
		ring_run(w);
	} else if (f->hdr.type == PROTO_WANT_ASK && w->started)
		w->rng.window.pending = true;
	else
		log_fatal("unexpected %s frame in this state",
		    frame_name(f->hdr.type));
}

static void
channel_event(struct worker *w)
{
	struct frame f;

	while (loop_recv(&w->loop, &f))
		dispatch(w, &f);
	if (w->started)
		rng_want(&w->rng);
}

static void
bytes_event(struct worker *w)
{
	window_receive(&w->rng.window);
	ring_run(w);
	rng_want(&w->rng);
}

static void
event(struct worker *w, uint64_t key)
{
	switch (key) {
	case LOOP_CHANNEL:
		channel_event(w);
		break;
	case LOOP_UP:
		if (w->started)
			rng_want(&w->rng);
		break;
	case EVENT_SESSION:
		session_event(w);
		break;
	case EVENT_KICK:
		ring_kick(w);
		break;
	case EVENT_BYTES:
		bytes_event(w);
		break;
	case EVENT_TRANSFER:
		transfer_load(w);
		break;
	}
}

/* The earlier of two times; 0: never. */
static uint64_t
earlier(uint64_t a, uint64_t b)
{
	return b == 0 || (a != 0 && a < b) ? a : b;
}

/* Milliseconds to wait for events; -1: until there is one. */
static int
time_left(const struct worker *w)
{
	uint64_t at = earlier(w->memory_due, rng_short_due(&w->rng));

	if (w->more || w->has_input || w->polling.looking)
		return 0;
	if (w->running && w->kick_fd == -1)
		return POLL_MS;
	return at == 0 ? -1 : loop_timeout(at, clock_now());
}

bool
worker_step(struct worker *w)
{
	struct epoll_event events[EVENTS];
	int n;

	n = loop_wait(&w->loop, events, EVENTS, time_left(w));
	if (w->more || (n == 0 && !w->polling.looking))
		ring_kick(w);
	worker_check_memory(w);
	for (int i = 0; i < n && !w->finished; i++)
		event(w, events[i].data.u64);
	if (w->has_input && !w->finished)
		session_event(w);
	if (w->polling.looking && !w->finished)
		ring_look(w);
	loop_flush(&w->loop, w->rng.window.pending);
	if (w->memory.lost) {
		log_warning("ending the connection: a file with "
			    "memory of the guest was shrunk");
		w->finished = true;
	}
	return !w->finished;
}
