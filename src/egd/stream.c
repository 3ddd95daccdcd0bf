/*
 * Clients that get raw bytes for as long as they read.  Used by
 * client_bytes.c, and by main.c when a client can be read or written.
 */
#include <sys/epoll.h>
#include <sys/socket.h>

#include <errno.h>

#include "egd/worker.h"

#define DISCARD 4096 /* bytes read at once */

void
stream_start(struct worker *w, struct client *c)
{
	client_wait(w, c, CLIENT_TAKING, serve_chunk(w));
}

/* Reads what a client sends, so that it is not held up; that has no meaning. */
static void
discard(struct worker *w, struct client *c)
{
	uint8_t bytes[DISCARD];
	ssize_t n;

	n = recv(c->fd, bytes, sizeof(bytes), MSG_DONTWAIT);
	if (n == -1 && errno != EAGAIN)
		client_lost(w, c, errno);
	else if (n == 0) {
		c->deaf = true;
		client_unwatch(w, c);
	}
}

void
stream_event(struct worker *w, struct client *c, uint32_t events)
{
	if ((events & (EPOLLHUP | EPOLLERR)) != 0) {
		client_lost(w, c, 0);
		return;
	}
	if ((events & EPOLLOUT) != 0) {
		if (c->state == CLIENT_FULL)
			client_resume(w, c);
		else
			client_unwatch(w, c);
	}
	if ((events & EPOLLIN) != 0)
		discard(w, c);
}

void
stream_take(struct worker *w, struct client *c)
{
	uint64_t before = c->shown->bytes;
	uint32_t n = c->turn.missing;

	if (n > w->window.held)
		n = w->window.held;
	client_send(w, c, n);
	if (c->state != CLIENT_NONE && c->shown->bytes > before)
		client_answered(w, c);
	if (c->state == CLIENT_TAKING && c->turn.missing == 0)
		client_wait(w, c, CLIENT_TAKING, serve_chunk(w));
}
