/*
 * Serves the clients of the monitoring socket.  A client makes one call after
 * the other; while it is answered no more is read.  Used by main.c.
 */
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "status/client.h"

#define SENDS_AT_ONCE 16    /* then others' turn comes */
#define SEND_SIZE     65536 /* bytes */

/* Maps a status and closes its file: with one user, or NULL with errno. */
static struct snapshot *
map_snapshot(int fd, uint64_t size)
{
	struct snapshot *s = NULL;
	void *text = MAP_FAILED;

	errno = EINVAL;
	/* Private: before Linux 6.7 a sealed file cannot be shared. */
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
 * A client may have sent descriptors, of which the last copy is closed with its
 * connection or when its bytes are read: that may wait.
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
	close_connection(s, c->fd);
	free(c->reply);
	release_snapshot(c->snapshot);
	free(c);
}

/* Events that a client in that state waits for; its end always. */
static void
set_state(struct server *s, struct client *c, enum client_state state)
{
	static const uint32_t events[] = {
		[CLIENT_READING] = EPOLLIN,
		[CLIENT_WRITING] = EPOLLOUT,
		[CLIENT_QUEUED] = 0,
		[CLIENT_ASKED] = 0,
	};

	if (events[state] != events[c->state])
		watch(s, c, EPOLL_CTL_MOD, events[state]);
	c->state = state;
	c->deadline = 0;
	if (state == CLIENT_WRITING)
		c->deadline = clock_now() + CLIENT_REPLY_TIME;
	else if (state == CLIENT_READING && c->nin > 0)
		c->deadline = clock_now() + CLIENT_CALL_TIME;
}

/* Takes a call.  Returns false if the connection must end. */
static bool
take_call(struct server *s, struct client *c, size_t len)
{
	struct call call = call_parse(c->in, len);

	memmove(c->in, c->in + len + 1, c->nin - len - 1);
	c->nin -= len + 1;
	c->oneway = call.oneway;
	if (call.kind == CALL_STATUS) {
		set_state(s, c, CLIENT_QUEUED);
		return true;
	}
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

/* Takes the calls that are there, until one is to be answered. */
static void
take_calls(struct server *s, struct client *c)
{
	const char *end;

	while (c->state == CLIENT_READING &&
	    (end = memchr(c->in, '\0', c->nin)) != NULL) {
		/* The client that was idle longest comes first. */
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

/* Descriptors that come with the bytes are not received: the kernel drops them. */
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

/* The part of an answer from `at` on.  Returns its size; 0: that was all. */
static size_t
answer_part(const struct client *c, size_t at, const char **text)
{
	const struct {
		const char *text;
		size_t size;
	} parts[] = {
		{ CALL_REPLY_BEGIN, sizeof(CALL_REPLY_BEGIN) - 1 },
		{ c->snapshot == NULL ? NULL : c->snapshot->text,
		    c->snapshot == NULL ? 0 : c->snapshot->size },
		{ CALL_REPLY_END, sizeof(CALL_REPLY_END) },
	};

	if (c->reply != NULL) {
		*text = c->reply + at;
		return strlen(c->reply) + 1 - at;
	}
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		if (at < parts[i].size) {
			*text = parts[i].text + at;
			return parts[i].size - at;
		}
		at -= parts[i].size;
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
	c->sent = 0;
	set_state(s, c, CLIENT_READING);
	take_calls(s, c);
}

static void
transmit(struct server *s, struct client *c)
{
	const char *text;
	size_t size;
	ssize_t n;

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
 * The client that has to make room for one more of a user, if there are as many
 * as may be: the one of that user, or of all, that has been idle longest.
 * Returns whether there is room now.
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
			log_warning("client limit reached: pid %d, uid %u "
				    "disconnected",
			    peer.pid, peer.uid);
		close_connection(s, fd);
		return;
	}
	if ((c = calloc(1, sizeof(*c))) == NULL)
		log_fatal("no memory for a client");
	c->fd = fd;
	c->pid = peer.pid;
	c->uid = peer.uid;
	TAILQ_INSERT_TAIL(&s->clients, c, entry);
	s->nclients++;
	watch(s, c, EPOLL_CTL_ADD, EPOLLIN);
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
		/* Memory of statuses that are not read is bounded. */
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
			log_warning("pid %d, uid %u does not %s: disconnected",
			    c->pid, c->uid,
			    c->state == CLIENT_READING ? "finish its call"
						       : "read its answer");
		drop(s, c);
	}
	return first;
}
