/*
 * Admits connections within the limits, and refuses the rest.  Used by step.c
 * when the listener can be read, and when a deadline has passed; by frames.c,
 * resume.c and datagram.c.
 */
#include <sys/epoll.h>
#include <sys/socket.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "egd/clients.h"
#include "egd/listener.h"

#define ACCEPT_AT_ONCE 8		 /* clients, then others' turn comes */
#define ACCEPT_PAUSE   (1 * NS_PER_SEC)	 /* without descriptors or memory */
#define LINGER	       (5 * NS_PER_SEC)	 /* without clients */
#define FIRST_BYTES    (250 * NS_PER_MS) /* until the first ones come */

void
listener_init(struct listener *l)
{
	*l = (struct listener){ .fd = -1 };
}

static void
refuse(struct worker *w, const struct peer *peer, const char *why)
{
	w->page->counters.turned_away++;
	worker_log(w, &w->log_refused, "turned away %s: %s", peer->text, why);
}

bool
listener_permits(const struct worker *w, const struct peer *peer)
{
	return !peer->inet || w->service.serve.connects ||
	    networks_have(&w->service.allowed, peer->address);
}

bool
listener_allows(struct worker *w, const struct peer *peer)
{
	if (listener_permits(w, peer))
		return true;
	refuse(w, peer, "its address is not allowed");
	return false;
}

void
listener_admit(struct worker *w, uint32_t place, int fd)
{
	struct client *c;
	struct peer peer;

	child_busy(&w->watch);
	if (!peer_of(&peer, fd) || !listener_allows(w, &peer)) {
		clients_drop(w, place, fd);
		return;
	}
	if (w->clients->n >= w->service.serve.max_clients ||
	    w->clients->n >= w->most) {
		refuse(w, &peer, "there are as many clients as may be");
		clients_drop(w, place, fd);
		return;
	}
	c = clients_add(w, place, fd, &peer);
	if (w->stage == WORKER_OPEN)
		clients_start(w, c);
}

/* Begins to use the socket, and to serve the clients that there are. */
static void
begin(struct worker *w)
{
	struct listener *l = w->listener;
	struct clients *cs = w->clients;
	bool datagram = w->service.serve.protocol == SERVE_DATAGRAM;
	struct peer peer;

	l->opens_at = 0;
	w->stage = WORKER_OPEN;
	cs->empty_since = cs->n > 0 ? 0 : w->now;
	for (uint32_t i = 0; i < cs->used; i++)
		if (cs->place[i].state != CLIENT_NONE)
			clients_start(w, &cs->place[i]);
	if (l->fd != -1 && (w->kind != SOCKET_CONNECTED || datagram))
		worker_must_watch(w, EPOLL_CTL_ADD, l->fd, EPOLLIN,
		    EVENT_SOCKET);
	else if (l->fd != -1) {
		listener_admit(w, 0, l->fd);
		l->fd = -1;
		if (cs->n == 0)
			w->stage = WORKER_FINISHED;
	}
	if (w->kind == SOCKET_CONNECTED && datagram) {
		peer_of(&peer, l->fd);
		clients_start(w, clients_add(w, 0, -1, &peer));
	}
}

void
listener_hold(struct worker *w)
{
	w->stage = WORKER_GIVEN;
	w->listener->opens_at = w->now;
	if (w->service.serve.protocol == SERVE_EGD && w->window.ready > 0)
		w->listener->opens_at += FIRST_BYTES;
}

void
listener_open(struct worker *w, uint32_t kind, int fd)
{
	bool datagram = w->service.serve.protocol == SERVE_DATAGRAM;

	if (kind > SOCKET_BOUND || (kind == SOCKET_LISTENING && datagram) ||
	    (kind == SOCKET_BOUND && !datagram))
		log_fatal("a socket of kind %u makes no sense here", kind);
	w->kind = (enum proto_socket_kind)kind;
	w->listener->fd = fd;
	listener_hold(w);
}

/* Accepts none for a while: there is no descriptor, or memory, for it. */
static void
pause_accepting(struct worker *w, int error)
{
	if (error != w->listener->error)
		worker_log(w, &w->log_refused, "cannot accept a connection: %s",
		    strerror(error));
	w->listener->error = error;
	w->listener->pause_until = w->now + ACCEPT_PAUSE;
	worker_must_watch(w, EPOLL_CTL_MOD, w->listener->fd, 0, EVENT_SOCKET);
}

void
listener_accept(struct worker *w)
{
	int fd;

	if (w->listener->pause_until != 0)
		return;
	for (int i = 0; i < ACCEPT_AT_ONCE; i++) {
		if (w->clients->n >= w->most) {
			pause_accepting(w, EMFILE);
			return;
		}
		fd = accept4(w->listener->fd, NULL, NULL,
		    SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd == -1 && (errno == EAGAIN || errno == ECONNABORTED))
			return;
		if (fd == -1) {
			pause_accepting(w, errno);
			return;
		}
		w->listener->error = 0;
		listener_admit(w, clients_free_place(w->clients), fd);
	}
}

/* When a worker without clients ends (ns); 0: not, or not yet. */
static uint64_t
end_of_linger(const struct worker *w)
{
	if (w->kind == SOCKET_CONNECTED || w->clients->empty_since == 0 ||
	    w->clients->ngone > 0)
		return 0;
	return w->clients->empty_since + LINGER;
}

uint64_t
listener_deadline(const struct worker *w)
{
	uint64_t end = end_of_linger(w), pause = w->listener->pause_until;

	if (w->listener->opens_at != 0)
		return w->listener->opens_at;
	if (end == 0 || pause == 0)
		return end + pause;
	return end < pause ? end : pause;
}

void
listener_expire(struct worker *w)
{
	struct listener *l = w->listener;
	uint64_t end;

	if (l->opens_at != 0 && (w->window.held > 0 || l->opens_at <= w->now))
		begin(w);
	if ((end = end_of_linger(w)) != 0 && end <= w->now)
		w->stage = WORKER_FINISHED;
	if (l->pause_until == 0 || l->pause_until > w->now)
		return;
	l->pause_until = 0;
	worker_must_watch(w, EPOLL_CTL_MOD, l->fd, EPOLLIN, EVENT_SOCKET);
}
