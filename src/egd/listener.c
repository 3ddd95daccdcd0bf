/*
 * Accepts connections within the limits, and refuses the rest.  Used by main.c
 * when the listener can be read, and when a deadline has passed; by frames.c and
 * datagram.c.
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
listener_allows(struct worker *w, const struct peer *peer)
{
	if (!peer->inet || networks_have(&w->service.allowed, peer->address))
		return true;
	refuse(w, peer, "its address is not allowed");
	return false;
}

/* Adds a client whose connection is `fd`, or that has none of its own (-1). */
static void
admit(struct worker *w, int fd, const struct peer *peer)
{
	struct client *c = clients_add(w, fd, peer);

	if (c != NULL)
		w->protocol->begin(w, c);
}

/* Adds the only client, which is at the other end of the socket. */
static void
admit_only(struct worker *w, int fd)
{
	struct sockaddr_storage at = { .ss_family = AF_UNSPEC };
	socklen_t len = sizeof(at);
	struct peer peer;

	if (getpeername(fd, (struct sockaddr *)&at, &len) == -1)
		at.ss_family = AF_UNSPEC;
	peer_of(&peer, fd, &at);
	admit(w, w->listener->fd == -1 ? fd : -1, &peer);
}

static void
begin(struct worker *w)
{
	struct listener *l = w->listener;
	int fd = l->fd;

	l->opens_at = 0;
	w->clients->empty_since = w->now;
	if (w->kind == SOCKET_CONNECTED &&
	    w->service.serve.protocol != SERVE_DATAGRAM)
		l->fd = -1;
	else
		worker_must_watch(w, EPOLL_CTL_ADD, fd, EPOLLIN, EVENT_SOCKET);
	if (w->kind == SOCKET_CONNECTED)
		admit_only(w, fd);
}

void
listener_open(struct worker *w, uint32_t kind, int fd)
{
	bool datagram = w->service.serve.protocol == SERVE_DATAGRAM;

	if (kind > SOCKET_BOUND || (kind == SOCKET_LISTENING && datagram) ||
	    (kind == SOCKET_BOUND && !datagram))
		log_fatal("a socket of kind %u makes no sense here", kind);
	w->stage = WORKER_OPEN;
	w->kind = (enum proto_socket_kind)kind;
	w->listener->fd = fd;
	w->listener->opens_at = w->now;
	if (w->service.serve.protocol == SERVE_EGD && w->window.ready > 0)
		w->listener->opens_at += FIRST_BYTES;
}

/* A connection was accepted. */
static void
accepted(struct worker *w, int fd, const struct sockaddr_storage *at)
{
	struct peer peer;

	peer_of(&peer, fd, at);
	if (!listener_allows(w, &peer)) {
		close(fd);
	} else if (w->clients->n >= w->service.serve.max_clients) {
		refuse(w, &peer, "there are as many clients as may be");
		close(fd);
	} else
		admit(w, fd, &peer);
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
	struct sockaddr_storage at;
	socklen_t len;
	int fd;

	if (w->listener->pause_until != 0)
		return;
	for (int i = 0; i < ACCEPT_AT_ONCE; i++) {
		if (w->clients->n >= w->most) {
			pause_accepting(w, EMFILE);
			return;
		}
		at.ss_family = AF_UNSPEC;
		len = sizeof(at);
		fd = accept4(w->listener->fd, (struct sockaddr *)&at, &len,
		    SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd == -1 && (errno == EAGAIN || errno == ECONNABORTED))
			return;
		if (fd == -1) {
			pause_accepting(w, errno);
			return;
		}
		w->listener->error = 0;
		accepted(w, fd, &at);
	}
}

/* When a worker without clients ends (ns); 0: not. */
static uint64_t
end_of_linger(const struct worker *w)
{
	if (w->kind == SOCKET_CONNECTED || w->clients->empty_since == 0)
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
