/*
 * Handles frames of the parent: START, limits, connections.  Used by step.c
 * when the channel is readable.
 */
#include <sys/epoll.h>
#include <sys/mman.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "egd/client.h"
#include "egd/clients.h"
#include "egd/datagram.h"
#include "egd/frames.h"
#include "egd/admission.h"

static const struct protocol *const protocols[] = {
	[SERVE_EGD] = &client_egd,
	[SERVE_STREAM] = &client_stream,
	[SERVE_DATAGRAM] = &datagram_raw,
};

static _Noreturn void
unexpected(const struct frame *f)
{
	log_fatal("unexpected %s frame", frame_name(f->hdr.type));
}

/* Closes clients whose addresses are no longer allowed. */
static void
close_refused(struct worker *w)
{
	struct client *c;

	loop_busy(&w->loop);
	for (uint32_t i = 0; i < w->clients->used; i++) {
		c = &w->clients->place[i];
		if (c->state != CLIENT_NONE && !admission_permits(w, &c->peer))
			clients_close(w, c, "address is no longer allowed");
	}
}

/* Applies the announced service. */
static void
become(struct worker *w)
{
	w->service = w->coming;
	if (w->stage == WORKER_NEW) {
		w->stage = WORKER_SERVED;
		w->protocol = protocols[w->service.serve.protocol];
		drr_init(&w->clients->drr, w->protocol->quantum);
	} else
		close_refused(w);
}

void
frames_serve(struct worker *w, const struct frame *f)
{
	const struct proto_serve *s = &f->u.serve;

	if (w->ncoming > 0 || s->protocol > SERVE_DATAGRAM ||
	    s->max_clients == 0 || s->max_clients > CLIENTS_MAX ||
	    s->nallowed > ALLOWED_MAX ||
	    (w->stage != WORKER_NEW &&
		s->protocol != w->service.serve.protocol))
		unexpected(f);
	w->coming = (struct service){ .serve = *s };
	w->ncoming = s->nallowed;
	if (w->ncoming == 0)
		become(w);
}

static void
allow(struct worker *w, const struct frame *f)
{
	if (w->ncoming == 0 || !networks_add(&w->coming.allowed, &f->u.network))
		unexpected(f);
	if (--w->ncoming == 0)
		become(w);
}

static void
take_writes(struct worker *w, const struct frame *f)
{
	if (w->writes_fd != -1)
		close(w->writes_fd);
	w->writes_fd = f->fds[0];
}

static void
rewire(struct worker *w, const struct frame *f)
{
	w->window.consumer = f->hdr.consumer;
	window_rewire(&w->window, f->hdr.generation, f->fds[0]);
	loop_watch(&w->loop, EPOLL_CTL_ADD, f->fds[0], EPOLLIN, EVENT_BYTES);
	w->bytes_paused = false;
	if (w->stage == WORKER_LIMITED)
		w->stage = WORKER_WIRED;
}

static void
limit(struct worker *w, const struct frame *f)
{
	window_limit(&w->window, &f->u.limits);
	polling_limit(&w->polling, &f->u.limits, clock_now());
	w->window.pending = w->stage >= WORKER_WIRED;
	if (w->stage == WORKER_SERVED)
		w->stage = WORKER_LIMITED;
}

/* Takes a UDP socket. */
static void
take_socket(struct worker *w, const struct frame *f)
{
	if (w->service.serve.protocol != SERVE_DATAGRAM ||
	    (f->u.socket.kind != SOCKET_CONNECTED &&
		f->u.socket.kind != SOCKET_BOUND))
		unexpected(f);
	w->socket.kind = (enum proto_socket_kind)f->u.socket.kind;
	w->socket.fd = f->fds[0];
	admission_hold(w);
}

/* Receives the clients of an earlier worker: resume_clients() follows. */
static void
take_clients(struct worker *w, const struct frame *f)
{
	void *state = mmap(NULL, CLIENTS_STATE_SIZE, PROT_READ | PROT_WRITE,
	    MAP_SHARED, f->fds[0], 0);

	if (state == MAP_FAILED)
		log_fatal("cannot map the state of clients: %s",
		    strerror(errno));
	close(f->fds[0]);
	w->saved = state;
	w->deposit = f->fds[1];
	admission_hold(w);
}

/* Adds a connection that the parent has accepted or established. */
static void
take_client(struct worker *w, const struct frame *f)
{
	uint32_t place = f->u.client.place;

	if (w->stage < WORKER_GIVEN || w->socket.fd != -1 ||
	    place >= CLIENTS_MAX ||
	    w->clients->place[place].state != CLIENT_NONE)
		unexpected(f);
	admission_take(w, place, f->fds[0]);
}

static void
dispatch(struct worker *w, const struct frame *f)
{
	if (w->stage == WORKER_NEW && f->hdr.type != PROTO_ALLOW)
		unexpected(f);
	if (f->hdr.type == PROTO_SERVE)
		frames_serve(w, f);
	else if (f->hdr.type == PROTO_ALLOW)
		allow(w, f);
	else if (f->hdr.type == PROTO_WRITES)
		take_writes(w, f);
	else if (f->hdr.type == PROTO_LIMITS)
		limit(w, f);
	else if (f->hdr.type == PROTO_BYTES && w->stage >= WORKER_LIMITED)
		rewire(w, f);
	else if (f->hdr.type == PROTO_SOCKET && w->stage == WORKER_WIRED)
		take_socket(w, f);
	else if (f->hdr.type == PROTO_CLIENTS && w->stage == WORKER_WIRED &&
	    w->service.serve.protocol != SERVE_DATAGRAM)
		take_clients(w, f);
	else if (f->hdr.type == PROTO_CLIENT)
		take_client(w, f);
	else if (f->hdr.type == PROTO_WANT_ASK)
		w->window.pending = w->stage >= WORKER_WIRED;
	else
		unexpected(f);
}

void
frames_read(struct worker *w)
{
	struct frame f;

	while (loop_recv(&w->loop, &f)) {
		dispatch(w, &f);
		if (f.hdr.type == PROTO_CLIENTS || f.hdr.type == PROTO_SOCKET)
			return;
	}
}
