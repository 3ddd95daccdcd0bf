/*
 * The state machine of a client with a connection: what it does when that can
 * be read or written, and when bytes are there for it, for the EGD protocol and
 * for raw streams.  Used by step.c, admission.c and serve.c, through the
 * protocol that frames.c selects.
 *
 * EGD 01 and 00 are answered at once from the bytes of the window that no
 * client waits for.  What 01 is short of is wanted for the next one
 * (worker->shortfall).
 *
 * The state of an EGD client is saved before bytes are sent, after that, and
 * when all of its input is parsed: from any of these the next worker can go on,
 * as it knows how many bytes were received and sent since (resume.c).
 */
#include <sys/epoll.h>
#include <sys/socket.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/min.h"
#include "egd/client.h"
#include "egd/clients.h"
#include "egd/position.h"

#define EGD_QUANTUM 256	 /* bytes: any one request */
#define DISCARD	    4096 /* bytes read and discarded at once */

/* Sends bytes.  Returns the number sent, or -1 after closing the client. */
static ssize_t
transmit(struct worker *w, struct client *c, const uint8_t *bytes, size_t n)
{
	ssize_t sent = send(c->fd, bytes, n, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (sent == -1 && (errno == EAGAIN || errno == ENOBUFS))
		return 0;
	if (sent == -1)
		clients_lost(w, c, errno);
	return sent;
}

/* The same for an EGD client, with its state saved before and after. */
static ssize_t
transmit_saved(struct worker *w, struct client *c, const uint8_t *bytes,
    size_t n)
{
	ssize_t sent;

	c->saved.sending = (uint16_t)n;
	clients_save(w, c);
	if ((sent = transmit(w, c, bytes, n)) == -1)
		return -1;
	c->saved.sending = 0;
	c->saved.sent += (uint32_t)sent;
	return sent;
}

/* Records bytes of the window that were sent to a waiting client. */
static void
give(struct worker *w, struct client *c, uint32_t n)
{
	drr_give(&w->clients->drr, &c->turn, n);
	clients_gave(w, c, n);
}

/* Sends the rest of an answer before anything else. */
static void
flush(struct worker *w, struct client *c)
{
	ssize_t sent;

	sent = transmit_saved(w, c, c->out + c->out_start,
	    (size_t)(c->out_end - c->out_start));
	if (sent == -1)
		return;
	c->out_start += (uint16_t)sent;
	if (c->out_start < c->out_end) {
		if (c->out_start > 0)
			c->saved.flags |= SAVED_PARTIAL;
		clients_save(w, c);
		clients_enter(w, c, CLIENT_WRITING);
		return;
	}
	c->saved.flags &= (uint8_t)~SAVED_PARTIAL;
	c->saved.command = SAVED_NO_COMMAND;
	clients_save(w, c);
	explicit_bzero(c->out, c->out_end);
	c->out_start = c->out_end = 0;
	clients_enter(w, c, CLIENT_READING);
}

static void
answer(struct worker *w, struct client *c, size_t len)
{
	clients_answered(w, c);
	c->out_end = (uint16_t)len;
	flush(w, c);
}

/* EGD 01: the available bytes. */
static void
answer_now(struct worker *w, struct client *c, uint32_t wanted)
{
	uint32_t n = min32(wanted, clients_surplus(w));

	c->out[0] = (uint8_t)n;
	memcpy(c->out + 1, window_bytes(&w->window), n);
	clients_gave(w, c, n);
	w->page->counters.short_answers += n < wanted;
	if (wanted > 0)
		w->shortfall = wanted - n;
	answer(w, c, 1U + n);
}

/* Finishes a command, after its answer was sent or without one. */
static void
done(struct worker *w, struct client *c)
{
	clients_answered(w, c);
	clients_enter(w, c, CLIENT_READING);
}

/* Carries out the current command, or starts to. */
static void
execute(struct worker *w, struct client *c)
{
	switch (c->saved.command) {
	case EGD_AVAILABLE:
		answer(w, c, egd_format_available(c->out, clients_surplus(w)));
		break;
	case EGD_NOW:
		answer_now(w, c, c->saved.left);
		break;
	case EGD_WAIT:
		clients_wait(w, c, c->saved.left);
		break;
	case EGD_PID:
		answer(w, c, egd_format_pid(c->out, w->pid));
		break;
	}
}

/* Handles a complete command. */
static void
accept_command(struct worker *w, struct client *c,
    const struct egd_parsed *said)
{
	if (said->command == EGD_WRITE ||
	    (said->command == EGD_WAIT && said->wanted == 0)) {
		done(w, c);
		return;
	}
	if (said->command != EGD_WAIT)
		c->saved.flags |= SAVED_FRAMED;
	if ((c->saved.flags & SAVED_FRAMED) != 0 &&
	    (c->saved.flags & SAVED_SHIFTED) != 0) {
		clients_close(w, c,
		    "answer would follow bytes sent twice by a new worker");
		return;
	}
	c->saved.command = said->command;
	c->saved.left = said->wanted;
	execute(w, c);
}

/* Forwards bytes that a client wrote, if accepted. */
static void
pass_on(const struct worker *w, const struct egd_parsed *said)
{
	if (said->size > 0 && w->writes_fd != -1 &&
	    write(w->writes_fd, said->data, said->size) == -1)
		return;
}

/*
 * Closes a client after an invalid command.  Its remaining input is read, since
 * unread input could make TCP lose earlier answers (RFC 1122, 4.2.2.13).
 */
static void
reject(struct worker *w, struct client *c, uint8_t command)
{
	uint8_t rest[DISCARD];
	char why[32];

	w->page->counters.malformed++;
	if (recv(c->fd, rest, sizeof(rest), MSG_DONTWAIT) > 0)
		explicit_bzero(rest, sizeof(rest));
	snprintf(why, sizeof(why), "unknown command 0x%02x", command);
	clients_close(w, c, why);
}

/* Parses the input, up to a command that must wait. */
static void
parse(struct worker *w, struct client *c)
{
	enum egd_result result;
	struct saved_client *s = &c->saved;
	struct egd_parsed said;

	while (c->state == CLIENT_READING && s->in_start < s->in_end) {
		result = saved_parse(s, *c->in, &said);
		if (said.command == EGD_WRITE)
			pass_on(w, &said);
		if (result == EGD_UNKNOWN)
			reject(w, c, said.command);
		else if (result == EGD_COMMAND)
			accept_command(w, c, &said);
	}
	if (c->state == CLIENT_NONE || s->in_start < s->in_end ||
	    s->in_end == 0)
		return;
	s->in_start = s->in_end = 0;
	clients_save(w, c);
	explicit_bzero(*c->in, sizeof(*c->in));
}

static void
read_commands(struct worker *w, struct client *c, uint32_t events)
{
	ssize_t n;

	/* What was received is known only from the commits around it. */
	if (c->peer.vsock) {
		c->saved.flags |= SAVED_READING;
		clients_save(w, c);
	} else if (!c->peer.inet && c->saved.received > POSITION_RENEW) {
		position_begin(c->fd);
		c->saved.received = 0;
		clients_save(w, c);
	}
	n = recv(c->fd, *c->in, SAVED_INPUT_SIZE, MSG_DONTWAIT);
	c->saved.flags &= (uint8_t)~SAVED_READING;
	if (c->peer.vsock) {
		c->saved.in_end = n > 0 ? (uint8_t)n : 0;
		clients_save(w, c);
	}
	if (n == -1 && errno == EAGAIN && (events & EPOLLIN) != 0)
		return;
	if (n <= 0) {
		clients_lost(w, c, n == 0 ? 0 : errno);
		return;
	}
	c->saved.in_end = (uint8_t)n;
	c->saved.received += (uint32_t)n;
	c->input = n == SAVED_INPUT_SIZE ? INPUT_MORE : INPUT_NONE;
	parse(w, c);
}

static void
egd_event(struct worker *w, struct client *c, uint32_t events)
{
	const uint32_t end = EPOLLHUP | EPOLLERR;

	/* A client may have sent commands before it disconnected. */
	if (c->state == CLIENT_READING && (events & (EPOLLIN | end)) != 0)
		read_commands(w, c, events);
	else if ((events & end) != 0)
		clients_lost(w, c, 0);
	else if (c->state == CLIENT_WRITING) {
		flush(w, c);
		parse(w, c);
	} else if (c->state == CLIENT_BLOCKED)
		clients_resume(w, c);
	else
		clients_unwatch(w, c);
}

static bool
egd_take(struct worker *w, struct client *c)
{
	uint32_t n = min32(c->turn.missing, w->window.held);
	ssize_t sent = transmit_saved(w, c, window_bytes(&w->window), n);

	if (sent == -1)
		return true;
	give(w, c, (uint32_t)sent);
	c->saved.left -= (uint8_t)sent;
	if (c->saved.left == 0)
		c->saved.command = SAVED_NO_COMMAND;
	clients_save(w, c);
	if (sent < n)
		clients_block(w, c);
	if (c->saved.left > 0)
		return true;
	done(w, c);
	parse(w, c);
	/* Sets its demand, so that it keeps its turn. */
	if (c->state == CLIENT_READING && c->input == INPUT_MORE)
		read_commands(w, c, EPOLLIN);
	return true;
}

/* Continues with the input that an earlier worker received. */
static void
egd_begin(struct worker *w, struct client *c)
{
	clients_enter(w, c, CLIENT_READING);
	execute(w, c);
	parse(w, c);
}

uint32_t
client_chunk(const struct worker *w)
{
	uint32_t max = w->window.request_max;

	return max == 0 ? 1 : min32(max, CLIENT_CHUNK_MAX);
}

static void
stream_begin(struct worker *w, struct client *c)
{
	clients_wait(w, c, client_chunk(w));
}

/* Reads what a client sends, so that its writes do not block. */
static void
discard(struct worker *w, struct client *c)
{
	uint8_t bytes[DISCARD];
	ssize_t n;

	n = recv(c->fd, bytes, sizeof(bytes), MSG_DONTWAIT);
	if (n == -1 && errno != EAGAIN)
		clients_lost(w, c, errno);
	else if (n == 0) {
		c->input = INPUT_ENDED;
		clients_unwatch(w, c);
	}
}

static void
stream_event(struct worker *w, struct client *c, uint32_t events)
{
	if ((events & (EPOLLHUP | EPOLLERR)) != 0) {
		clients_lost(w, c, 0);
		return;
	}
	if ((events & EPOLLOUT) != 0) {
		if (c->state == CLIENT_BLOCKED)
			clients_resume(w, c);
		else
			clients_unwatch(w, c);
	}
	if ((events & EPOLLIN) != 0)
		discard(w, c);
}

static bool
stream_take(struct worker *w, struct client *c)
{
	uint32_t n = min32(c->turn.missing, w->window.held);
	ssize_t sent = transmit(w, c, window_bytes(&w->window), n);

	if (sent == -1)
		return true;
	give(w, c, (uint32_t)sent);
	if (sent > 0)
		clients_answered(w, c);
	if (sent < n)
		clients_block(w, c);
	else if (c->turn.missing == 0)
		clients_wait(w, c, client_chunk(w));
	return true;
}

const struct protocol client_egd = {
	.quantum = EGD_QUANTUM,
	.begin = egd_begin,
	.event = egd_event,
	.take = egd_take,
};

const struct protocol client_stream = {
	.quantum = CLIENT_CHUNK_MAX,
	.begin = stream_begin,
	.event = stream_event,
	.take = stream_take,
};
