/*
 * Adds, removes and closes clients of a service.  Used by accepting (door.c),
 * serving and the frames of the parent.
 */
#include <sys/epoll.h>

#include <bsd/string.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

#include "egd/worker.h"

#define SEND_BUFFER 4096 /* bytes, so that few lie unread */
#define KEEP_IDLE   60	 /* s, until a peer that says nothing is probed */

void
client_init(struct clients *cs)
{
	TAILQ_INIT(&cs->free);
	TAILQ_INIT(&cs->quiet);
}

static uint32_t
place_of(const struct worker *w, const struct client *c)
{
	return (uint32_t)(c - w->clients.place);
}

/* A place, with nothing in it but its number of old. */
static struct client *
take_place(struct worker *w)
{
	struct clients *cs = &w->clients;
	struct client *c;

	if ((c = TAILQ_FIRST(&cs->free)) != NULL)
		TAILQ_REMOVE(&cs->free, c, quiet);
	else
		c = &cs->place[cs->used++];
	*c = (struct client){ .fd = -1, .serial = ++w->serials };
	c->shown = &w->page->clients[place_of(w, c)];
	w->page->nplaces = cs->used;
	return c;
}

/* Shows the parent that a client has come to its place, and that it has gone. */
static void
show(struct worker *w, struct client *c)
{
	strlcpy(c->shown->peer, c->peer.text, sizeof(c->shown->peer));
	c->shown->bytes = c->shown->requests = 0;
	__atomic_store_n(&c->shown->since, w->now, __ATOMIC_RELEASE);
	w->page->nclients = ++w->clients.n;
}

static void
hide(struct worker *w, struct client *c)
{
	__atomic_store_n(&c->shown->since, 0, __ATOMIC_RELAXED);
	/* Before another is written there. */
	__atomic_thread_fence(__ATOMIC_RELEASE);
	w->page->nclients = --w->clients.n;
}

static void
set_option(int fd, int level, int option, int value)
{
	/* Nothing depends on it. */
	(void)setsockopt(fd, level, option, &value, sizeof(value));
}

static void
set_options(int fd, bool inet)
{
	set_option(fd, SOL_SOCKET, SO_SNDBUF, SEND_BUFFER);
	if (!inet)
		return;
	set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEP_IDLE);
}

struct client *
client_open(struct worker *w, int fd, const struct peer *peer)
{
	struct client *c = take_place(w);

	c->peer = *peer;
	show(w, c);
	w->page->counters.connections++;
	w->door.empty_since = 0;
	if (fd != -1) {
		c->fd = fd;
		c->watched = EPOLLIN;
		set_options(fd, peer->inet);
		if (worker_watch(w, EPOLL_CTL_ADD, fd, c->watched,
			place_of(w, c), c->serial) == -1) {
			client_close(w, c, strerror(errno));
			return NULL;
		}
	}
	worker_say(w, &w->log_clients, "connected %s %s",
	    w->door.kind == SOCKET_CONNECTED ? "to" : "by", c->peer.text);
	client_enter(w, c, CLIENT_SPEAKING);
	return c;
}

static void
busy(struct worker *w, struct client *c)
{
	if (c->quiet_since != 0)
		TAILQ_REMOVE(&w->clients.quiet, c, quiet);
	c->quiet_since = 0;
}

void
client_touch(struct worker *w, struct client *c)
{
	busy(w, c);
	c->quiet_since = w->now;
	TAILQ_INSERT_TAIL(&w->clients.quiet, c, quiet);
}

static void
close_fd(struct worker *w, struct client *c)
{
	if (c->fd == -1)
		return;
	/* Somebody else may have the connection, too. */
	(void)worker_watch(w, EPOLL_CTL_DEL, c->fd, 0, 0, 0);
	close(c->fd);
	c->fd = -1;
}

void
client_close(struct worker *w, struct client *c, const char *why)
{
	struct clients *cs = &w->clients;

	worker_say(w, &w->log_clients,
	    "%s disconnected%s%s, %" PRIu64 " bytes in %" PRIu64 " requests",
	    c->peer.text, why == NULL ? "" : ": ", why == NULL ? "" : why,
	    c->shown->bytes, c->shown->requests);
	close_fd(w, c);
	busy(w, c);
	now_leave(w, c);
	command_end(w, c);
	cs->full -= c->state == CLIENT_FULL;
	turns_leave(&w->turns, &c->turn);
	hide(w, c);
	explicit_bzero(c, sizeof(*c));
	TAILQ_INSERT_HEAD(&cs->free, c, quiet);
	if (cs->n == 0)
		w->door.empty_since = w->now;
	if (w->door.kind == SOCKET_CONNECTED)
		w->finished = true;
}

struct client *
client_find(struct clients *cs, uint32_t place, uint32_t serial)
{
	struct client *c = &cs->place[place];

	if (place >= cs->used || c->state == CLIENT_NONE || c->serial != serial)
		return NULL;
	return c;
}

/* The events that it cannot do without. */
static uint32_t
needed_events(const struct worker *w, const struct client *c)
{
	uint32_t events = 0;

	if (c->state == CLIENT_SPEAKING ||
	    (w->outlet.serve.protocol != SERVE_EGD && !c->deaf))
		events |= EPOLLIN;
	if (c->state == CLIENT_LISTENING || c->state == CLIENT_FULL)
		events |= EPOLLOUT;
	return events;
}

static void
watch(struct worker *w, struct client *c, uint32_t events)
{
	c->watched = events;
	if (worker_watch(w, EPOLL_CTL_MOD, c->fd, events, place_of(w, c),
		c->serial) == -1)
		log_fatal("epoll_ctl: %s", strerror(errno));
}

void
client_watch(struct worker *w, struct client *c)
{
	uint32_t events = needed_events(w, c);

	if (c->fd != -1 && (events & ~c->watched) != 0)
		watch(w, c, events);
}

void
client_unwatch(struct worker *w, struct client *c)
{
	uint32_t events = needed_events(w, c);

	if (c->fd != -1 && events != c->watched)
		watch(w, c, events);
}

void
client_enter(struct worker *w, struct client *c, enum client_state state)
{
	w->clients.full += state == CLIENT_FULL;
	w->clients.full -= c->state == CLIENT_FULL;
	c->state = state;
	c->shown->waiting = state == CLIENT_TAKING ||
	    state == CLIENT_COLLECTING || state == CLIENT_ASKING;
	if (c->fd == -1)
		return;
	if (state == CLIENT_SPEAKING || state == CLIENT_LISTENING ||
	    state == CLIENT_FULL)
		client_touch(w, c);
	else
		busy(w, c);
	client_watch(w, c);
}

uint64_t
client_deadline(const struct worker *w)
{
	const struct client *c = TAILQ_FIRST(&w->clients.quiet);
	uint64_t timeout = w->outlet.serve.idle_timeout;

	if (timeout == 0 || c == NULL)
		return 0;
	return c->quiet_since + timeout < timeout ? UINT64_MAX
						  : c->quiet_since + timeout;
}

void
client_expire(struct worker *w)
{
	uint64_t deadline;

	while ((deadline = client_deadline(w)) != 0 && deadline <= w->now)
		client_close(w, TAILQ_FIRST(&w->clients.quiet), "idle");
}
