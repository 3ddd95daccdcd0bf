/*
 * Hands bytes to a client when its turn comes, whatever it speaks.  Used by
 * serve.c and by the protocols (command.c, stream.c, datagram.c).
 */
#include <sys/socket.h>

#include <errno.h>
#include <string.h>

#include "egd/worker.h"

struct client *
client_of_turn(struct turn *t)
{
	return (
	    struct client *)(void *)((char *)t - offsetof(struct client, turn));
}

void
client_wait(struct worker *w, struct client *c, enum client_state state,
    uint32_t missing)
{
	client_enter(w, c, state);
	turns_wait(&w->turns, &c->turn, missing);
}

void
client_fill(struct worker *w, struct client *c)
{
	c->missing = c->turn.missing;
	turns_pause(&w->turns, &c->turn);
	client_enter(w, c, CLIENT_FULL);
}

void
client_resume(struct worker *w, struct client *c)
{
	client_wait(w, c, CLIENT_TAKING, c->missing);
}

void
client_handed(struct worker *w, struct client *c, uint32_t n)
{
	window_drop(&w->window, n);
	turns_give(&w->turns, &c->turn, n);
	c->shown->bytes += n;
	w->page->counters.bytes += n;
}

void
client_answered(struct worker *w, struct client *c)
{
	c->shown->requests++;
	w->page->counters.requests++;
}

void
client_lost(struct worker *w, struct client *c, int error)
{
	bool gone = error == EPIPE || error == ECONNRESET || error == 0;

	client_close(w, c, gone ? NULL : strerror(error));
}

bool
client_send(struct worker *w, struct client *c, uint32_t n)
{
	ssize_t sent;

	sent = send(c->fd, window_bytes(&w->window), n,
	    MSG_DONTWAIT | MSG_NOSIGNAL);
	if (sent == -1 && errno != EAGAIN && errno != ENOBUFS) {
		client_lost(w, c, errno);
		return false;
	}
	if (sent > 0)
		client_handed(w, c, (uint32_t)sent);
	if (sent == n)
		return true;
	client_fill(w, c);
	return false;
}
