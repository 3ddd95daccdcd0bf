/*
 * Resumes the clients of a worker that has died, from their saved state and the
 * kernel's counts of their bytes.  Used by step.c before the first round.
 *
 * A worker dies between two commits of a client's state.  Bytes that it
 * received since the last commit are in the saved input, and the kernel has
 * their number.  For a TCP client the kernel also has the number of sent bytes.
 * For a unix socket this is unknown: a client that only requests random bytes
 * (02) is sent fresh bytes in place of those in doubt; any other client is
 * closed, as is one that has received a part of an answer.  So it is for vsock,
 * of which the received bytes are unknown, too: a client is closed if the worker
 * died while it received them.
 */
#include <unistd.h>

#include "egd/clients.h"
#include "egd/admission.h"
#include "egd/position.h"
#include "egd/resume.h"

#define DAMAGED "saved state is damaged"
#define BEGUN	"worker died after a partial answer"

/*
 * Records the bytes sent before the death.  Returns the reason to close, or
 * NULL.
 */
static const char *
settle(struct saved_client *s, uint32_t n)
{
	uint16_t sending = s->sending;

	s->sent += n;
	s->sending = 0;
	if (s->command == EGD_WAIT) {
		s->left -= (uint8_t)n;
		if (s->left == 0)
			s->command = SAVED_NO_COMMAND;
	} else if (n == sending)
		s->command = SAVED_NO_COMMAND;
	else if (n > 0)
		return BEGUN;
	return NULL;
}

/* Handles the bytes that a worker was sending when it died. */
static const char *
resume_sending(struct saved_client *s, const struct position *p)
{
	if (p->sent_known)
		return p->sent - s->sent > s->sending
		    ? DAMAGED
		    : settle(s, p->sent - s->sent);
	if (s->command != EGD_WAIT || (s->flags & SAVED_FRAMED) != 0)
		return "worker died during an answer";
	s->flags |= SAVED_SHIFTED;
	return settle(s, 0);
}

/* The same as locate() for vsock, whose position is that of the last commit. */
static const char *
locate_vsock(struct saved_client *s)
{
	struct position p = { .received = s->received };

	if ((s->flags & SAVED_READING) != 0)
		return "worker died while it received a command";
	if ((s->flags & SAVED_PARTIAL) != 0)
		return BEGUN;
	return s->sending > 0 ? resume_sending(s, &p) : NULL;
}

/*
 * Finds the position of an EGD client.  Returns NULL, or the reason to close
 * it.
 */
static const char *
locate(struct client *c)
{
	struct saved_client *s = &c->saved;
	struct position p;
	uint32_t n;

	if (c->peer.vsock)
		return locate_vsock(s);
	if (!position_read(c->fd, c->peer.inet, &p))
		return "connection has failed";
	if (!p.sent_known && p.received == 0)
		s->received = 0; /* just renewed, or never used */
	n = p.received - s->received;
	if (n > SAVED_INPUT_SIZE || (n > 0 && s->in_end > 0))
		return DAMAGED;
	if (n > 0)
		s->in_end = (uint8_t)n;
	s->received = p.received;
	if ((s->flags & SAVED_PARTIAL) != 0)
		return BEGUN;
	return s->sending > 0 ? resume_sending(s, &p) : NULL;
}

/* Resumes a client, or closes it. */
static void
resume_client(struct worker *w, uint32_t place, int fd,
    const struct saved_client *saved, bool valid)
{
	const char *why = NULL;
	struct client *c;
	struct peer peer;

	if (!peer_of(&peer, fd)) {
		clients_drop(w, place, fd);
		return;
	}
	c = clients_put(w, place, fd, &peer);
	c->saved = *saved;
	if (saved_deadly(w->saved, place, w->now)) {
		log_warning("client closed after %u worker deaths: %s",
		    SAVED_DEATHS_MAX + 1, peer.text);
		why = "workers died";
	} else if (!valid)
		why = DAMAGED;
	else if (!admission_permits(w, &peer))
		why = "address is no longer allowed";
	else if (w->service.serve.protocol == SERVE_EGD)
		why = locate(c);
	if (why != NULL)
		clients_close(w, c, why);
	else
		clients_save(w, c);
}

/* Handles a connection of the deposit.  Returns whether it is resumed. */
static bool
take(struct worker *w, uint32_t place, int fd)
{
	struct saved_client saved;
	bool valid;

	if (place >= CLIENTS_MAX ||
	    w->clients->place[place].state != CLIENT_NONE) {
		close(fd);
		return false;
	}
	saved_begin(w->saved, place);
	valid = saved_load(w->saved, place, &saved);
	if (saved.state == SAVED_NONE)
		admission_take(w, place, fd);
	else if (saved.state == SAVED_CLOSING)
		clients_drop(w, place, fd);
	else
		resume_client(w, place, fd, &saved, valid);
	saved_end(w->saved);
	return saved.state == SAVED_OPEN;
}

void
resume_clients(struct worker *w)
{
	struct deposit_parts parts;
	uint32_t n = 0;

	if (w->deposit == -1)
		return;
	loop_busy(&w->loop);
	saved_count_death(w->saved, w->now);
	while (deposit_take(w->deposit, &parts) == 1)
		for (size_t i = 0; i < parts.n; i++)
			n += take(w, parts.ids[i] - CLIENT_ID_FIRST,
			    parts.fds[i]);
	close(w->deposit);
	w->deposit = -1;
	if (n > 0)
		log_info("clients resumed: %u", n);
}
