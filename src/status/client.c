/*
 * Serves the clients of the monitoring socket.  The calls of a client are
 * answered one after the other; while one is answered, no more input is read.
 * Used by main.c.
 */
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "status/client.h"

#define SENDS_AT_ONCE 16    /* then other clients are served */
#define SEND_SIZE     65536 /* bytes */

/* Maps a status and closes its file.  Returns it with one user, or NULL. */
static struct snapshot *
map_snapshot(int fd, uint64_t size)
{
	struct snapshot *s = NULL;
	void *text = MAP_FAILED;

	errno = EINVAL;
	/* Private: before Linux 6.7 a sealed file cannot be mapped shared. */
	if (size > 0 && size <= SNAPSHOT_SIZE_MAX)
		text = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (text != MAP_FAILED && (s = malloc(sizeof(*s))) == NULL)
		munmap(text, size);
	close(fd);
	if (s == NULL)
		return NULL;
	*s = (struct snapshot){ .text = text, .size = size, .users = 1 };
	return s;
}

static void
release_snapshot(struct snapshot *s)
{
	if (s == NULL || --s->users > 0)
		return;
	munmap((void *)(uintptr_t)s->text, s->size);
	free(s);
}

static void
watch(const struct server *s, struct client *c, int op, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = c };

	if (epoll_ctl(s->epoll_fd, op, c->fd, &ev) == -1)
		log_fatal("epoll_ctl: %s", strerror(errno));
}

/*
 * Reports work to the parent first: a client may have sent descriptors, whose
 * last copy is closed with the connection or when the bytes are read, and that
 * close may block.
 */
static void
close_connection(const struct server *s, int fd)
{
	s->busy();
	close(fd);
}

static void
drop(struct server *s, struct client *c)
{
	TAILQ_REMOVE(&s->clients, c, entry);
	s->nclients--;
	if (c->state == CLIENT_MONITORING)
		s->nmonitors--;
	event_queue_free(&c->events);
	close_connection(s, c->fd);
	free(c->reply);
	release_snapshot(c->snapshot);
	free(c);
}

/* Whether events wait to be sent to a client. */
static bool
has_events(const struct client *c)
{
	return event_queue_first(&c->events).size > 0;
}

/* Watches the events of a client's state. */
static void
set_state(struct server *s, struct client *c, enum client_state state)
{
	static const uint32_t events[] = {
		[CLIENT_READING] = EPOLLIN,
		[CLIENT_WRITING] = EPOLLOUT,
		[CLIENT_QUEUED] = 0,
		[CLIENT_ASKED] = 0,
		[CLIENT_MONITORING] = 0,
	};
	uint32_t wanted = events[state];

	if (state == CLIENT_MONITORING && has_events(c))
		wanted = EPOLLOUT;
	if (wanted != c->watched)
		watch(s, c, EPOLL_CTL_MOD, wanted);
	c->watched = wanted;
	c->state = state;
	c->deadline = 0;
	if (state == CLIENT_WRITING)
		c->deadline = clock_now() + CLIENT_REPLY_TIME;
	else if (state == CLIENT_READING && c->nin > 0)
		c->deadline = clock_now() + CLIENT_CALL_TIME;
	else if (state == CLIENT_MONITORING && wanted != 0)
		c->deadline = clock_now() + MONITOR_TIME;
}

/* Whether one more client of a user may monitor. */
static bool
may_monitor(const struct server *s, uid_t uid)
{
	const struct client *c;
	size_t n = 0;

	TAILQ_FOREACH(c, &s->clients, entry)
		n += c->state == CLIENT_MONITORING && c->uid == uid;
	return s->nmonitors < MONITORS_LIMIT &&
	    (uid == 0 || n < MONITORS_A_USER);
}

/* The first reply follows at once, or when the parent gathers events. */
static bool
start_monitor(struct server *s, struct client *c)
{
	if (!event_queue_init(&c->events))
		return false;
	s->nmonitors++;
	if (s->events)
		event_queue_note(&c->events);
	set_state(s, c, CLIENT_MONITORING);
	return true;
}

/* Handles a call.  Returns false if the connection must be closed. */
static bool
take_call(struct server *s, struct client *c, size_t len)
{
	struct call call = call_parse(c->in, len);

	memmove(c->in, c->in + len + 1, c->nin - len - 1);
	c->nin -= len + 1;
	c->oneway = call.oneway;
	c->select = call.select;
	if (call.kind == CALL_STATUS) {
		set_state(s, c, CLIENT_QUEUED);
		return true;
	}
	if (call.kind == CALL_MONITOR && c->oneway)
		return true;
	if (call.kind == CALL_MONITOR && may_monitor(s, c->uid))
		return start_monitor(s, c);
	if (call.kind == CALL_MONITOR)
		call.reply = call_too_many();
	if (call.kind == CALL_BAD || call.reply == NULL)
		return false;
	if (c->oneway) {
		free(call.reply);
		return true;
	}
	c->reply = call.reply;
	set_state(s, c, CLIENT_WRITING);
	return true;
}

/* Handles the received calls, up to one that needs an answer. */
static void
take_calls(struct server *s, struct client *c)
{
	const char *end;

	while (c->state == CLIENT_READING &&
	    (end = memchr(c->in, '\0', c->nin)) != NULL) {
		/* Moves a client to the end: the first one was idle longest. */
		TAILQ_REMOVE(&s->clients, c, entry);
		TAILQ_INSERT_TAIL(&s->clients, c, entry);
		if (!take_call(s, c, (size_t)(end - c->in))) {
			drop(s, c);
			return;
		}
	}
	if (c->state == CLIENT_READING && c->nin == sizeof(c->in))
		drop(s, c);
	else if (c->state == CLIENT_READING && c->nin == 0)
		c->deadline = 0;
}

/* Reads without receiving descriptors: the kernel closes them. */
static void
receive(struct server *s, struct client *c)
{
	ssize_t n;

	s->busy();
	n = recv(c->fd, c->in + c->nin, sizeof(c->in) - c->nin, MSG_DONTWAIT);
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		drop(s, c);
		return;
	}
	if (c->nin == 0)
		c->deadline = clock_now() + CLIENT_CALL_TIME;
	c->nin += (size_t)n;
	take_calls(s, c);
}

/*
 * Selects the parts of the snapshot.  Each client in an event of its own, since
 * that takes milliseconds if there are thousands of guests.  Returns false if
 * the connection must be closed.
 */
static bool
choose_parts(struct client *c)
{
	struct snapshot *s = c->snapshot;
	enum selected what;

	if (s == NULL || c->parts.n > 0)
		return true;
	if (!select_any(&c->select)) {
		c->parts.part[0] = (struct part){ s->text, s->size };
		c->parts.n = 1;
		return true;
	}
	what = select_status(&c->select, s->text, s->size, &c->parts);
	if (what == SELECT_FOUND)
		return true;
	c->reply = call_not_found(&c->select, what);
	return c->reply != NULL;
}

/* The part of an answer from `at` on.  Returns its size; 0 at the end. */
static size_t
answer_part(const struct client *c, size_t at, const char **text)
{
	static const struct part begin = { CALL_REPLY_BEGIN,
		sizeof(CALL_REPLY_BEGIN) - 1 };
	static const struct part end = { CALL_REPLY_END,
		sizeof(CALL_REPLY_END) };
	const struct part *part;

	if (c->reply != NULL) {
		*text = c->reply + at;
		return strlen(c->reply) + 1 - at;
	}
	for (size_t i = 0; i < c->parts.n + 2; i++) {
		if (i == 0)
			part = &begin;
		else
			part = i <= c->parts.n ? &c->parts.part[i - 1] : &end;
		if (at < part->size) {
			*text = part->text + at;
			return part->size - at;
		}
		at -= part->size;
	}
	return 0;
}

static void
answered(struct server *s, struct client *c)
{
	free(c->reply);
	c->reply = NULL;
	release_snapshot(c->snapshot);
	c->snapshot = NULL;
	c->parts.n = 0;
	c->sent = 0;
	set_state(s, c, CLIENT_READING);
	take_calls(s, c);
}

/* Sends events, and the number of lost ones when there is room again. */
static void
transmit_events(struct server *s, struct client *c)
{
	struct part first;
	ssize_t n;

	for (int i = 0; i < SENDS_AT_ONCE; i++) {
		if (!has_events(c) && c->events.lost > 0)
			event_queue_note(&c->events);
		first = event_queue_first(&c->events);
		if (first.size == 0)
			break;
		n = send(c->fd, first.text, first.size,
		    MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n == -1 && (errno == EAGAIN || errno == EINTR)) {
			/* It has read something: a new deadline. */
			if (i > 0)
				set_state(s, c, CLIENT_MONITORING);
			return;
		}
		if (n == -1) {
			drop(s, c);
			return;
		}
		event_queue_shift(&c->events, (size_t)n);
	}
	set_state(s, c, CLIENT_MONITORING);
}

static void
transmit(struct server *s, struct client *c)
{
	const char *text;
	size_t size;
	ssize_t n;

	if (c->state == CLIENT_MONITORING) {
		transmit_events(s, c);
		return;
	}
	if (!choose_parts(c)) {
		drop(s, c);
		return;
	}
	for (int i = 0; i < SENDS_AT_ONCE; i++) {
		size = answer_part(c, c->sent, &text);
		if (size == 0) {
			answered(s, c);
			return;
		}
		if (size > SEND_SIZE)
			size = SEND_SIZE;
		n = send(c->fd, text, size, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n == -1 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n == -1) {
			drop(s, c);
			return;
		}
		c->sent += (size_t)n;
	}
}

/*
 * Makes room for a client of a user.  At the limit of the user or of all users,
 * the client of these that was idle longest is disconnected.  Returns whether
 * there is room now.
 */
static bool
make_room(struct server *s, uid_t uid)
{
	struct client *c, *idle = NULL, *own = NULL;
	size_t n = 0;

	TAILQ_FOREACH(c, &s->clients, entry) {
		if (c->state == CLIENT_READING && idle == NULL)
			idle = c;
		if (c->uid != uid)
			continue;
		n++;
		if (c->state == CLIENT_READING && own == NULL)
			own = c;
	}
	if (uid != 0 && n >= CLIENTS_A_USER)
		idle = own;
	else if (s->nclients < CLIENTS_LIMIT)
		return true;
	if (idle == NULL)
		return false;
	drop(s, idle);
	return true;
}

void
server_init(struct server *s, int epoll_fd, void (*busy)(void))
{
	*s = (struct server){ .epoll_fd = epoll_fd, .busy = busy };
	TAILQ_INIT(&s->clients);
	log_limit_init(&s->log_limit, clock_now());
}

void
client_add(struct server *s, int fd)
{
	struct ucred peer = { .uid = (uid_t)-1 };
	socklen_t len = sizeof(peer);
	struct client *c = NULL;
	uint32_t suppressed;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == -1 ||
	    !make_room(s, peer.uid)) {
		if (log_limit_pass(&s->log_limit, clock_now(), &suppressed))
			log_warning("client limit reached, rejected: pid %d, "
				    "uid %u",
			    peer.pid, peer.uid);
		close_connection(s, fd);
		return;
	}
	if ((c = calloc(1, sizeof(*c))) == NULL)
		log_fatal("out of memory for a client");
	c->fd = fd;
	c->pid = peer.pid;
	c->uid = peer.uid;
	TAILQ_INSERT_TAIL(&s->clients, c, entry);
	s->nclients++;
	c->watched = EPOLLIN;
	watch(s, c, EPOLL_CTL_ADD, c->watched);
}

void
client_event(struct server *s, struct client *c, uint32_t events)
{
	if ((events & EPOLLIN) != 0)
		receive(s, c);
	else if ((events & (EPOLLHUP | EPOLLERR)) != 0)
		drop(s, c);
	else if ((events & EPOLLOUT) != 0)
		transmit(s, c);
}

bool
client_ask(struct server *s)
{
	struct client *c;
	bool any = false;

	if (s->asked)
		return false;
	TAILQ_FOREACH(c, &s->clients, entry)
		if (c->state == CLIENT_QUEUED) {
			set_state(s, c, CLIENT_ASKED);
			any = true;
		}
	s->asked = any;
	return any;
}

int
client_answer(struct server *s, int fd, uint64_t size)
{
	struct snapshot *snapshot = map_snapshot(fd, size);
	struct client *c, *next;

	if (snapshot == NULL)
		return -1;

	s->asked = false;
	s->answers++;
	for (c = TAILQ_FIRST(&s->clients); c != NULL; c = next) {
		next = TAILQ_NEXT(c, entry);
		/*
		 * The memory of statuses that clients have not read is limited.
		 */
		if (c->snapshot != NULL &&
		    s->answers - c->answer >= SNAPSHOTS_MAX) {
			drop(s, c);
			continue;
		}
		if (c->state != CLIENT_ASKED)
			continue;
		if (c->oneway) {
			set_state(s, c, CLIENT_READING);
			continue;
		}
		c->snapshot = snapshot;
		snapshot->users++;
		c->answer = s->answers;
		set_state(s, c, CLIENT_WRITING);
	}
	release_snapshot(snapshot);
	return 0;
}

/* Queues the selected events for a client. */
static void
queue_events(struct client *c, const struct snapshot *events, uint64_t lost)
{
	struct select_array all = select_array(events->text, events->size);
	struct part event;

	while (select_next(&all, &event))
		if (select_event(&c->select, event))
			event_queue_put(&c->events, event);
	c->events.lost += lost;
}

int
client_events(struct server *s, int fd, uint64_t size, uint64_t lost)
{
	struct snapshot *events = map_snapshot(fd, size);
	struct client *c;
	bool waits;

	if (events == NULL)
		return -1;
	TAILQ_FOREACH(c, &s->clients, entry) {
		if (c->state != CLIENT_MONITORING)
			continue;
		waits = has_events(c);
		if (!s->events)
			event_queue_note(&c->events);
		queue_events(c, events, lost);
		if (!has_events(c) && c->events.lost > 0)
			event_queue_note(&c->events);
		/* The deadline remains that of the first one that waits. */
		if (!waits)
			set_state(s, c, CLIENT_MONITORING);
	}
	s->events = true;
	release_snapshot(events);
	return 0;
}

uint64_t
client_expire(struct server *s, uint64_t now)
{
	struct client *c, *next;
	uint32_t suppressed;
	uint64_t first = 0;

	for (c = TAILQ_FIRST(&s->clients); c != NULL; c = next) {
		next = TAILQ_NEXT(c, entry);
		if (c->deadline == 0)
			continue;
		if (c->deadline > now) {
			if (first == 0 || c->deadline < first)
				first = c->deadline;
			continue;
		}
		if (log_limit_pass(&s->log_limit, now, &suppressed))
			log_warning(
			    "timeout, client did not %s: pid %d, uid %u",
			    c->state == CLIENT_READING ? "complete its call"
				: c->state == CLIENT_WRITING
				? "read the answer"
				: "read its events",
			    c->pid, c->uid);
		drop(s, c);
	}
	return first;
}
