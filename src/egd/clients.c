/*
 * Adds, watches and closes clients of a service, and counts what they are
 * given.  Used by admission.c, resume.c, serve.c, frames.c, step.c and the
 * protocols (client.c, datagram.c).
 */
#include <sys/epoll.h>

#include <bsd/string.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "common/channel.h"
#include "egd/clients.h"
#include "egd/position.h"

#define SEND_BUFFER 4096 /* bytes, to limit unread output */
#define KEEP_IDLE   60	 /* s, until a silent peer is probed */

void
clients_init(struct clients *cs)
{
	drr_init(&cs->drr, 0);
	TAILQ_INIT(&cs->idle);
}

uint32_t
clients_place(const struct worker *w, const struct client *c)
{
	return (uint32_t)(c - w->clients->place);
}

void
clients_save(struct worker *w, const struct client *c)
{
	saved_commit(w->saved, clients_place(w, c), &c->saved);
}

/* Initializes a place. */
static struct client *
take_place(struct worker *w, uint32_t place, int fd)
{
	struct clients *cs = w->clients;
	struct client *c = &cs->place[place];

	if (cs->used <= place)
		cs->used = place + 1;
	*c = (struct client){
		.state = CLIENT_READING,
		.fd = fd,
		.serial = ++cs->serials,
		.in = &w->saved->in[place],
		.shown = &w->page->clients[place],
	};
	w->page->nplaces = cs->used;
	return c;
}

/* Adds a client to the page; a resumed client keeps its entry. */
static void
show(struct worker *w, struct client *c)
{
	w->page->nclients = ++w->clients->n;
	if (c->shown->since != 0)
		return;
	strlcpy(c->shown->peer, c->peer.text, sizeof(c->shown->peer));
	c->shown->bytes = c->shown->requests = 0;
	__atomic_store_n(&c->shown->since, w->now, __ATOMIC_RELEASE);
}

/* Removes a client from the page. */
static void
hide(struct worker *w, uint32_t place)
{
	__atomic_store_n(&w->page->clients[place].since, 0, __ATOMIC_RELAXED);
	/* Before another is written there. */
	__atomic_thread_fence(__ATOMIC_RELEASE);
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

/* The events that the client needs. */
static uint32_t
needed_events(const struct worker *w, const struct client *c)
{
	uint32_t events = 0;

	if (c->state == CLIENT_READING ||
	    (w->service.serve.protocol != SERVE_EGD && c->input != INPUT_ENDED))
		events |= EPOLLIN;
	if (c->state == CLIENT_WRITING || c->state == CLIENT_BLOCKED)
		events |= EPOLLOUT;
	return events;
}

struct client *
clients_put(struct worker *w, uint32_t place, int fd, const struct peer *peer)
{
	struct client *c = take_place(w, place, fd);

	c->peer = *peer;
	show(w, c);
	w->clients->empty_since = 0;
	return c;
}

/* What epoll reports of a client: clients_find() takes it. */
static uint64_t
key(uint32_t place, const struct client *c)
{
	return (uint64_t)c->serial << 32 | place;
}

void
clients_start(struct worker *w, struct client *c)
{
	uint32_t place = clients_place(w, c);

	saved_begin(w->saved, place);
	c->watched = EPOLLIN;
	if (c->fd != -1 &&
	    loop_try(&w->loop, EPOLL_CTL_ADD, c->fd, EPOLLIN, key(place, c)) ==
		-1)
		clients_close(w, c, strerror(errno));
	else
		w->protocol->begin(w, c);
	saved_end(w->saved);
}

/* Starts saving the state of a client. */
static void
begin_saving(struct worker *w, struct client *c)
{
	struct position p = { 0 };

	if (w->service.serve.protocol == SERVE_EGD && c->peer.inet)
		position_read(c->fd, true, &p);
	else if (w->service.serve.protocol == SERVE_EGD)
		position_begin(c->fd);
	c->saved = (struct saved_client){
		.received = p.received,
		.sent = p.sent,
		.state = SAVED_OPEN,
		.command = SAVED_NO_COMMAND,
	};
	saved_forget(w->saved, clients_place(w, c));
	clients_save(w, c);
}

struct client *
clients_add(struct worker *w, uint32_t place, int fd, const struct peer *peer)
{
	struct client *c;

	hide(w, place);
	c = clients_put(w, place, fd, peer);
	w->page->counters.connections++;
	if (fd != -1) {
		set_options(fd, peer->inet);
		begin_saving(w, c);
	}
	worker_log(w, &w->log_clients, "connected %s %s",
	    w->service.serve.connects ? "to" : "by", c->peer.text);
	return c;
}

static void
leave_idle(struct worker *w, struct client *c)
{
	if (c->idle_since != 0)
		TAILQ_REMOVE(&w->clients->idle, c, entry);
	c->idle_since = 0;
}

void
clients_touch(struct worker *w, struct client *c)
{
	leave_idle(w, c);
	c->idle_since = w->now;
	TAILQ_INSERT_TAIL(&w->clients->idle, c, entry);
}

void
clients_drop(struct worker *w, uint32_t place, int fd)
{
	/* The parent may have a copy of the connection for some time. */
	(void)shutdown(fd, SHUT_RDWR);
	close(fd);
	hide(w, place);
	saved_commit(w->saved, place,
	    &(const struct saved_client){ .state = SAVED_NONE });
	w->clients->gone[place / 64] |= UINT64_C(1) << place % 64;
	w->clients->ngone++;
}

static void
close_fd(struct worker *w, struct client *c)
{
	if (c->fd == -1)
		return;
	c->saved.state = SAVED_CLOSING;
	clients_save(w, c);
	(void)loop_try(&w->loop, EPOLL_CTL_DEL, c->fd, 0, 0);
	clients_drop(w, clients_place(w, c), c->fd);
}

bool
clients_report(struct worker *w)
{
	struct clients *cs = w->clients;
	struct frame f;

	frame_init(&f, PROTO_CLIENT_GONE, w->window.consumer, 0);
	for (uint32_t i = 0; cs->ngone > 0; i++)
		while (cs->gone[i] != 0) {
			f.u.client.place =
			    i * 64 + (uint32_t)__builtin_ctzll(cs->gone[i]);
			if (!channel_up(&f))
				return false;
			cs->gone[i] &= cs->gone[i] - 1;
			cs->ngone--;
		}
	return true;
}

void
clients_close(struct worker *w, struct client *c, const char *why)
{
	struct clients *cs = w->clients;

	worker_log(w, &w->log_clients,
	    "%s disconnected%s%s, %" PRIu64 " bytes in %" PRIu64 " requests",
	    c->peer.text, why == NULL ? "" : ": ", why == NULL ? "" : why,
	    c->shown->bytes, c->shown->requests);
	close_fd(w, c);
	leave_idle(w, c);
	cs->blocked -= c->state == CLIENT_BLOCKED;
	drr_leave(&cs->drr, &c->turn);
	hide(w, clients_place(w, c));
	w->page->nclients = --cs->n;
	explicit_bzero(c, sizeof(*c));
	if (cs->n > 0)
		return;
	cs->empty_since = w->now;
	w->shortfall = 0;
	if (w->socket.kind == SOCKET_CONNECTED)
		w->stage = WORKER_FINISHED;
}

void
clients_lost(struct worker *w, struct client *c, int error)
{
	bool gone = error == EPIPE || error == ECONNRESET || error == 0;

	clients_close(w, c, gone ? NULL : strerror(error));
}

struct client *
clients_find(struct clients *cs, uint32_t place, uint32_t serial)
{
	struct client *c = &cs->place[place];

	if (place >= cs->used || c->state == CLIENT_NONE || c->serial != serial)
		return NULL;
	return c;
}

static void
watch(struct worker *w, struct client *c, uint32_t events)
{
	c->watched = events;
	loop_watch(&w->loop, EPOLL_CTL_MOD, c->fd, events,
	    key(clients_place(w, c), c));
}

void
clients_unwatch(struct worker *w, struct client *c)
{
	uint32_t events = needed_events(w, c);

	if (c->fd != -1 && events != c->watched)
		watch(w, c, events);
}

void
clients_enter(struct worker *w, struct client *c, enum client_state state)
{
	uint32_t events;

	w->clients->blocked += state == CLIENT_BLOCKED;
	w->clients->blocked -= c->state == CLIENT_BLOCKED;
	c->state = state;
	c->shown->waiting = state == CLIENT_WAITING;
	if (c->fd == -1)
		return;
	if (state == CLIENT_WAITING)
		leave_idle(w, c);
	else
		clients_touch(w, c);
	events = needed_events(w, c);
	if ((events & ~c->watched) != 0)
		watch(w, c, events);
}

void
clients_wait(struct worker *w, struct client *c, uint32_t missing)
{
	clients_enter(w, c, CLIENT_WAITING);
	drr_wait(&w->clients->drr, &c->turn, missing);
}

void
clients_block(struct worker *w, struct client *c)
{
	c->missing = c->turn.missing;
	drr_pause(&w->clients->drr, &c->turn);
	clients_enter(w, c, CLIENT_BLOCKED);
}

void
clients_resume(struct worker *w, struct client *c)
{
	clients_wait(w, c, c->missing);
}

struct client *
clients_first(struct clients *cs)
{
	struct drr_entry *e = drr_first(&cs->drr);

	if (e == NULL)
		return NULL;
	return (
	    struct client *)(void *)((char *)e - offsetof(struct client, turn));
}

void
clients_gave(struct worker *w, struct client *c, uint32_t n)
{
	window_drop(&w->window, n);
	c->shown->bytes += n;
	w->page->counters.bytes += n;
}

uint32_t
clients_surplus(const struct worker *w)
{
	uint64_t missing = w->clients->drr.missing;

	return missing < w->window.held ? w->window.held - (uint32_t)missing
					: 0;
}

void
clients_answered(struct worker *w, struct client *c)
{
	c->shown->requests++;
	w->page->counters.requests++;
}

uint64_t
clients_deadline(const struct worker *w)
{
	const struct client *c = TAILQ_FIRST(&w->clients->idle);
	uint64_t timeout = w->service.serve.idle_timeout;

	if (timeout == 0 || c == NULL)
		return 0;
	return c->idle_since + timeout < timeout ? UINT64_MAX
						 : c->idle_since + timeout;
}

void
clients_expire(struct worker *w)
{
	uint64_t deadline;

	while ((deadline = clients_deadline(w)) != 0 && deadline <= w->now)
		clients_close(w, TAILQ_FIRST(&w->clients->idle), "idle");
}
