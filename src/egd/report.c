#include <bsd/string.h>
#include <errno.h>

#include "common/channel.h"
#include "egd/worker.h"

#define FRAMES_AT_ONCE 32 /* then others' turn comes */

void
report_ask(struct worker *w)
{
	w->report.wanted = true;
}

/* Sends a frame.  Returns false if there is no room for it now. */
static bool
sent(const struct frame *f)
{
	if (channel_send(CHANNEL_FD, f) == 0)
		return true;
	if (errno != EAGAIN)
		channel_lost();
	return false;
}

static bool
send_client(const struct worker *w, const struct client *c)
{
	struct frame f;

	frame_init(&f, PROTO_CLIENT, w->window.consumer, w->window.generation);
	strlcpy(f.u.client.peer, c->peer.text, sizeof(f.u.client.peer));
	f.u.client.since = c->since;
	f.u.client.bytes = c->bytes;
	f.u.client.requests = c->requests;
	f.u.client.waiting = c->state == CLIENT_TAKING ||
	    c->state == CLIENT_COLLECTING || c->state == CLIENT_ASKING;
	return sent(&f);
}

static bool
send_stats(const struct worker *w)
{
	struct frame f;

	frame_init(&f, PROTO_STATS, w->window.consumer, w->window.generation);
	f.u.stats.counters = w->counters;
	f.u.stats.clients = w->clients.n;
	if (w->waiting_since != 0)
		f.u.stats.counters.wait_ns += w->now - w->waiting_since;
	return sent(&f);
}

void
report_run(struct worker *w)
{
	struct report *r = &w->report;
	const struct client *c;
	unsigned int n = 0;

	if (r->wanted && !r->begun)
		*r = (struct report){ .begun = true };
	while (r->begun && n < FRAMES_AT_ONCE) {
		if (r->place == w->clients.used) {
			if (!send_stats(w))
				return;
			r->begun = false;
			return;
		}
		c = &w->clients.place[r->place];
		if (c->state != CLIENT_NONE) {
			if (!send_client(w, c))
				return;
			n++;
		}
		r->place++;
	}
}

void
report_end(struct worker *w)
{
	(void)send_stats(w);
}
