/*
 * Frames of the parent: START, limits, connections that it made.  Used by
 * main.c when the channel can be read.
 */
#include <sys/epoll.h>

#include <unistd.h>

#include "common/child.h"
#include "egd/worker.h"

#define EGD_QUANTUM 256 /* bytes: any one request */

static _Noreturn void
makes_no_sense(const struct frame *f)
{
	log_fatal("%s makes no sense now", frame_name(f->hdr.type));
}

/* Ends the clients whose addresses are not allowed any more. */
static void
sift(struct worker *w)
{
	struct client *c;

	child_busy(&w->watch);
	for (uint32_t i = 0; i < w->clients.used; i++) {
		c = &w->clients.place[i];
		if (c->state != CLIENT_NONE && c->peer.inet &&
		    !networks_have(&w->outlet.allowed, c->peer.address))
			client_close(w, c,
			    "its address is not allowed any more");
	}
}

/* The outlet is, from now on, what it was said to become. */
static void
become(struct worker *w)
{
	uint32_t protocol = w->coming.serve.protocol;

	w->outlet = w->coming;
	if (!w->served)
		turns_init(&w->turns,
		    protocol == SERVE_EGD ? EGD_QUANTUM : STREAM_CHUNK);
	else if (w->door.kind != SOCKET_CONNECTED)
		sift(w);
	w->served = true;
}

void
frames_serve(struct worker *w, const struct frame *f)
{
	const struct proto_serve *s = &f->u.serve;

	if (w->ncoming > 0 || s->protocol > SERVE_DATAGRAM ||
	    s->max_clients == 0 || s->max_clients > CLIENTS_MAX ||
	    s->nallowed > ALLOWED_MAX ||
	    (w->served && s->protocol != w->outlet.serve.protocol))
		makes_no_sense(f);
	w->coming = (struct outlet){ .serve = *s };
	w->ncoming = s->nallowed;
	if (w->ncoming == 0)
		become(w);
}

static void
allow(struct worker *w, const struct frame *f)
{
	if (w->ncoming == 0 || !networks_add(&w->coming.allowed, &f->u.network))
		makes_no_sense(f);
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
	worker_must_watch(w, EPOLL_CTL_ADD, f->fds[0], EPOLLIN, EVENT_BYTES);
	w->wired = true;
	w->crowded = false;
}

static void
dispatch(struct worker *w, const struct frame *f)
{
	if (f->hdr.type == PROTO_SERVE)
		frames_serve(w, f);
	else if (f->hdr.type == PROTO_ALLOW)
		allow(w, f);
	else if (f->hdr.type == PROTO_WRITES)
		take_writes(w, f);
	else if (f->hdr.type == PROTO_LIMITS) {
		window_limit(&w->window, &f->u.limits);
		w->window.untold = w->wired;
		w->limited = true;
	} else if (f->hdr.type == PROTO_BYTES && w->limited)
		rewire(w, f);
	else if (f->hdr.type == PROTO_SOCKET && w->served && w->limited &&
	    !w->door.open)
		door_open(w, f);
	else if (f->hdr.type == PROTO_WANT_ASK)
		w->window.untold = w->wired;
	else if (f->hdr.type == PROTO_NOW)
		now_told(w, f);
	else
		makes_no_sense(f);
}

void
frames_read(struct worker *w)
{
	enum channel_result result;
	struct frame f;

	while (
	    (result = child_recv(&w->watch, &f, ROLE_EGD)) == CHANNEL_FRAME) {
		dispatch(w, &f);
	}
	if (result != CHANNEL_AGAIN)
		channel_end(result, &f);
}
