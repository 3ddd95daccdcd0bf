/*
 * Accepts connections within the limits, and refuses the rest.  Used by main.c
 * when the listener can be read, and when a deadline has passed.
 */
#include <sys/epoll.h>
#include <sys/socket.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "egd/worker.h"

#define ACCEPT_AT_ONCE 8		/* clients, then others' turn comes */
#define ACCEPT_PAUSE   (1 * NS_PER_SEC) /* without descriptors or memory */
#define LINGER	       (5 * NS_PER_SEC) /* without clients */

bool
door_allows(struct worker *w, const struct peer *peer)
{
	if (!peer->inet || networks_have(&w->outlet.allowed, peer->address))
		return true;
	door_refuse(w, peer, "its address is not allowed");
	return false;
}

void
door_refuse(struct worker *w, const struct peer *peer, const char *why)
{
	w->page->counters.turned_away++;
	worker_say(w, &w->log_refused, "turned away %s: %s", peer->text, why);
}

/* Takes a client that is at the other end of `fd`. */
static void
admit(struct worker *w, int fd, const struct peer *peer)
{
	struct client *c = client_open(w, fd, peer);

	if (c != NULL && w->outlet.serve.protocol == SERVE_STREAM)
		stream_start(w, c);
}

/* The only client is at the other end of the socket. */
static void
admit_only(struct worker *w, int fd)
{
	struct sockaddr_storage at = { .ss_family = AF_UNSPEC };
	socklen_t len = sizeof(at);
	struct peer peer;

	if (getpeername(fd, (struct sockaddr *)&at, &len) == -1)
		at.ss_family = AF_UNSPEC;
	peer_of(&peer, fd, &at);
	if (w->outlet.serve.protocol == SERVE_DATAGRAM)
		datagram_start(w, &peer);
	else
		admit(w, fd, &peer);
}

void
door_open(struct worker *w, const struct frame *f)
{
	bool datagram = w->outlet.serve.protocol == SERVE_DATAGRAM;
	uint32_t kind = f->u.socket.kind;
	int fd = f->fds[0];

	if (kind > SOCKET_BOUND || (kind == SOCKET_LISTENING && datagram) ||
	    (kind == SOCKET_BOUND && !datagram))
		log_fatal("a socket of kind %u makes no sense here", kind);
	w->door.open = true;
	w->door.kind = (enum proto_socket_kind)kind;
	w->door.empty_since = w->now;
	if (kind != SOCKET_CONNECTED || datagram) {
		w->door.fd = fd;
		worker_must_watch(w, EPOLL_CTL_ADD, fd, EPOLLIN, EVENT_SOCKET);
	}
	if (kind == SOCKET_CONNECTED)
		admit_only(w, fd);
}

/* One more has connected. */
static void
visit(struct worker *w, int fd, const struct sockaddr_storage *at)
{
	struct peer peer;

	peer_of(&peer, fd, at);
	if (!door_allows(w, &peer)) {
		close(fd);
	} else if (w->clients.n >= w->outlet.serve.max_clients) {
		door_refuse(w, &peer, "there are as many clients as may be");
		close(fd);
	} else
		admit(w, fd, &peer);
}

/* Lets nobody in for a while: there is no descriptor, or memory, for it. */
static void
pause_accepting(struct worker *w, int error)
{
	if (error != w->door.error)
		worker_say(w, &w->log_refused, "cannot accept a connection: %s",
		    strerror(error));
	w->door.error = error;
	w->door.pause_until = w->now + ACCEPT_PAUSE;
	worker_must_watch(w, EPOLL_CTL_MOD, w->door.fd, 0, EVENT_SOCKET);
}

void
door_accept(struct worker *w)
{
	struct sockaddr_storage at;
	socklen_t len;
	int fd;

	if (w->door.pause_until != 0)
		return;
	for (int i = 0; i < ACCEPT_AT_ONCE; i++) {
		if (w->clients.n >= w->most) {
			pause_accepting(w, EMFILE);
			return;
		}
		at.ss_family = AF_UNSPEC;
		len = sizeof(at);
		fd = accept4(w->door.fd, (struct sockaddr *)&at, &len,
		    SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd == -1 && (errno == EAGAIN || errno == ECONNABORTED))
			return;
		if (fd == -1) {
			pause_accepting(w, errno);
			return;
		}
		w->door.error = 0;
		visit(w, fd, &at);
	}
}

/* When a worker without clients ends (ns); 0: not. */
static uint64_t
end_of_linger(const struct worker *w)
{
	if (!w->door.open || w->door.kind == SOCKET_CONNECTED ||
	    w->door.empty_since == 0)
		return 0;
	return w->door.empty_since + LINGER;
}

uint64_t
door_deadline(const struct worker *w)
{
	uint64_t end = end_of_linger(w), pause = w->door.pause_until;

	if (end == 0 || pause == 0)
		return end + pause;
	return end < pause ? end : pause;
}

void
door_expire(struct worker *w)
{
	uint64_t end = end_of_linger(w);

	if (end != 0 && end <= w->now)
		w->finished = true;
	if (w->door.pause_until == 0 || w->door.pause_until > w->now)
		return;
	w->door.pause_until = 0;
	worker_must_watch(w, EPOLL_CTL_MOD, w->door.fd, EPOLLIN, EVENT_SOCKET);
}
