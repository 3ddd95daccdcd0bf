/*
 * Admits connections within the limits, and refuses the rest; begins to serve,
 * and ends.  Used by step.c in each round; by frames.c, resume.c and
 * datagram.c.
 */
#include <sys/epoll.h>

#include "common/clock.h"
#include "egd/admission.h"
#include "egd/clients.h"

#define LINGER	    (5 * NS_PER_SEC)  /* without clients */
#define FIRST_BYTES (250 * NS_PER_MS) /* until the first ones arrive */

static void
refuse(struct worker *w, const struct peer *peer, const char *why)
{
	w->page->counters.turned_away++;
	worker_log(w, &w->log_refused, "client rejected, %s: %s", peer->text,
	    why);
}

/*
 * Rejects a client above the limit, with one warning until there is room for a
 * while.
 */
static void
refuse_surplus(struct worker *w, const struct peer *peer)
{
	uint32_t suppressed;

	w->page->counters.turned_away++;
	if (!w->full && log_limit_pass(&w->log_refused, w->now, &suppressed))
		log_warning("client rejected, %s: client limit (max-clients) "
			    "reached with %u clients; others are rejected "
			    "without a message",
		    peer->text, w->clients->n);
	w->full = true;
}

bool
admission_permits(const struct worker *w, const struct peer *peer)
{
	return !peer->inet || w->service.serve.connects ||
	    networks_have(&w->service.allowed, peer->address);
}

bool
admission_allows(struct worker *w, const struct peer *peer)
{
	if (admission_permits(w, peer))
		return true;
	refuse(w, peer, "address is not allowed");
	return false;
}

void
admission_take(struct worker *w, uint32_t place, int fd)
{
	struct client *c;
	struct peer peer;

	loop_busy(&w->loop);
	if (!peer_of(&peer, fd) || !admission_allows(w, &peer)) {
		clients_drop(w, place, fd);
		return;
	}
	if (w->clients->n >= w->service.serve.max_clients ||
	    w->clients->n >= w->most) {
		refuse_surplus(w, &peer);
		clients_drop(w, place, fd);
		return;
	}
	if (w->clients->n <= w->service.serve.max_clients / 4 * 3)
		w->full = false;
	c = clients_add(w, place, fd, &peer);
	if (w->stage == WORKER_OPEN)
		clients_start(w, c);
}

/* The peer of a UDP socket is a client without a connection of its own. */
static void
add_peer(struct worker *w)
{
	struct peer peer;

	if (!peer_of(&peer, w->socket.fd))
		w->stage = WORKER_FINISHED;
	else
		clients_start(w, clients_add(w, 0, -1, &peer));
}

/* Begins to serve the clients that there are. */
static void
begin(struct worker *w)
{
	struct clients *cs = w->clients;

	w->opens_at = 0;
	w->stage = WORKER_OPEN;
	cs->empty_since = cs->n > 0 ? 0 : w->now;
	for (uint32_t i = 0; i < cs->used; i++)
		if (cs->place[i].state != CLIENT_NONE)
			clients_start(w, &cs->place[i]);
	if (w->socket.fd != -1)
		loop_watch(&w->loop, EPOLL_CTL_ADD, w->socket.fd, EPOLLIN,
		    EVENT_SOCKET);
	if (w->socket.kind == SOCKET_CONNECTED)
		add_peer(w);
}

void
admission_hold(struct worker *w)
{
	w->stage = WORKER_GIVEN;
	w->opens_at = w->now;
	if (w->service.serve.protocol == SERVE_EGD && w->window.ready > 0)
		w->opens_at += FIRST_BYTES;
}

/* The time at which a worker without clients exits (ns); 0: none yet. */
static uint64_t
end_of_linger(const struct worker *w)
{
	const struct clients *cs = w->clients;

	if (cs->empty_since == 0 || cs->ngone > 0)
		return 0;
	return cs->empty_since + LINGER;
}

uint64_t
admission_deadline(const struct worker *w)
{
	return w->opens_at != 0 ? w->opens_at : end_of_linger(w);
}

void
admission_expire(struct worker *w)
{
	uint64_t end;

	if (w->opens_at != 0 && (w->window.held > 0 || w->opens_at <= w->now))
		begin(w);
	if ((end = end_of_linger(w)) != 0 && end <= w->now)
		w->stage = WORKER_FINISHED;
}
