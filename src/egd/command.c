/*
 * Clients that speak the EGD protocol: reads commands and answers them in
 * order.  Used by client_bytes.c, and by main.c when a client can be read or
 * written.
 */
#include <sys/epoll.h>
#include <sys/socket.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "egd/worker.h"

/*
 * Bytes, of all clients together, that are put by for an EGD_NOW to come, or
 * are to be: they are granted and not handed on, like those of the window.
 */
#define PUT_BY_MAX 1024

static uint32_t
min(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

/* Wipes what was sent; bytes that have been put by since stay. */
static void
wipe_sent(struct client *c)
{
	uint8_t *bytes = c->answer + 1, sent = c->answer[0];

	c->out_start = c->out_end = 0;
	if (c->is_brief) {
		explicit_bzero(c->brief, sizeof(c->brief));
		return;
	}
	c->collected -= sent;
	memmove(bytes, bytes + sent, c->collected);
	explicit_bzero(bytes + c->collected, sent);
}

void
command_end(struct worker *w, const struct client *c)
{
	bool sending = c->out_end > 0 && !c->is_brief;

	w->window.put_by -= c->collected - (sending ? c->answer[0] : 0U);
}

/* Sends what there is of an answer; while some is left nothing else is done. */
static void
flush(struct worker *w, struct client *c)
{
	const uint8_t *from = c->is_brief ? c->brief : c->answer;
	ssize_t sent;

	sent = send(c->fd, from + c->out_start,
	    (size_t)(c->out_end - c->out_start), MSG_DONTWAIT | MSG_NOSIGNAL);
	if (sent == -1 && errno != EAGAIN && errno != ENOBUFS) {
		client_lost(w, c, errno);
		return;
	}
	if (sent > 0)
		c->out_start += (uint16_t)sent;
	if (c->out_start < c->out_end) {
		client_enter(w, c, CLIENT_LISTENING);
		return;
	}
	wipe_sent(c);
	client_enter(w, c, CLIENT_SPEAKING);
}

/* Gives an answer of `len` bytes. */
static void
answer(struct worker *w, struct client *c, bool is_brief, size_t len)
{
	client_answered(w, c);
	c->is_brief = is_brief;
	c->out_start = 0;
	c->out_end = (uint16_t)len;
	flush(w, c);
}

/* Answers EGD_NOW with what there is. */
static void
answer_now(struct worker *w, struct client *c)
{
	uint8_t n = (uint8_t)min(c->wanted, c->collected);

	c->answer[0] = n;
	w->window.put_by -= n;
	c->shown->bytes += n;
	w->page->counters.bytes += n;
	w->page->counters.short_answers += n < c->wanted;
	answer(w, c, false, 1U + n);
}

/* A command without an answer was done. */
static void
done(struct worker *w, struct client *c)
{
	client_answered(w, c);
	client_enter(w, c, CLIENT_SPEAKING);
}

/* Does what a complete command says, or begins to. */
static void
obey(struct worker *w, struct client *c, const struct egd_said *said)
{
	switch (said->command) {
	case EGD_AVAILABLE:
		client_enter(w, c, CLIENT_ASKING);
		now_join(w, c);
		break;
	case EGD_NOW:
		c->wanted = said->wanted;
		if (c->collected >= c->wanted) {
			answer_now(w, c);
			break;
		}
		client_wait(w, c, CLIENT_COLLECTING,
		    (uint32_t)(c->wanted - c->collected));
		now_join(w, c);
		break;
	case EGD_WAIT:
		if (said->wanted == 0)
			done(w, c);
		else
			client_wait(w, c, CLIENT_TAKING, said->wanted);
		break;
	case EGD_WRITE:
		done(w, c);
		break;
	case EGD_PID:
		answer(w, c, true, egd_say_pid(c->brief, w->pid));
		break;
	}
}

/* Passes on what a client wrote, if somebody wants it. */
static void
pass_on(const struct worker *w, const struct egd_said *said)
{
	if (said->size > 0 && w->writes_fd != -1 &&
	    write(w->writes_fd, said->data, said->size) == -1)
		return;
}

/*
 * Ends the connection of a client that does not speak the protocol.  What it
 * sent besides is read: if it were not, what it has been answered might be lost
 * on its way (RFC 1122, 4.2.2.13).
 */
static void
refuse(struct worker *w, struct client *c, uint8_t command)
{
	uint8_t rest[4096];
	char why[32];

	w->page->counters.malformed++;
	if (recv(c->fd, rest, sizeof(rest), MSG_DONTWAIT) > 0)
		explicit_bzero(rest, sizeof(rest));
	snprintf(why, sizeof(why), "unknown command 0x%02x", command);
	client_close(w, c, why);
}

/* Hears what was read, until something has to be waited for. */
static void
hear(struct worker *w, struct client *c)
{
	enum egd_result result;
	struct egd_said said;
	size_t used;

	while (c->state == CLIENT_SPEAKING && c->in_start < c->in_end) {
		result = egd_hear(&c->egd, c->in + c->in_start,
		    (size_t)(c->in_end - c->in_start), &used, &said);
		c->in_start += (uint8_t)used;
		if (said.command == EGD_WRITE)
			pass_on(w, &said);
		if (result == EGD_UNKNOWN)
			refuse(w, c, said.command);
		else if (result == EGD_COMMAND)
			obey(w, c, &said);
	}
	if (c->in_end > 0 && c->in_start == c->in_end) {
		explicit_bzero(c->in, c->in_end);
		c->in_start = c->in_end = 0;
	}
}

static void
listen_to(struct worker *w, struct client *c, uint32_t events)
{
	ssize_t n;

	n = recv(c->fd, c->in, sizeof(c->in), MSG_DONTWAIT);
	if (n == -1 && errno == EAGAIN && (events & EPOLLIN) != 0)
		return;
	if (n <= 0) {
		client_lost(w, c, n == 0 ? 0 : errno);
		return;
	}
	c->in_end = (uint8_t)n;
	c->eager = n == sizeof(c->in);
	hear(w, c);
}

void
command_event(struct worker *w, struct client *c, uint32_t events)
{
	const uint32_t end = EPOLLHUP | EPOLLERR;

	/* Whoever has hung up may have said something before. */
	if (c->state == CLIENT_SPEAKING && (events & (EPOLLIN | end)) != 0)
		listen_to(w, c, events);
	else if ((events & end) != 0)
		client_lost(w, c, 0);
	else if (c->state == CLIENT_LISTENING) {
		flush(w, c);
		hear(w, c);
	} else if (c->state == CLIENT_FULL)
		client_resume(w, c);
	else
		client_unwatch(w, c);
}

/*
 * Puts bytes by for an answer to EGD_NOW: that which is asked for, or the next
 * one, since the last was answered before its turn.
 */
static void
collect(struct worker *w, struct client *c, uint32_t n)
{
	memcpy(c->answer + 1 + c->collected, window_bytes(&w->window), n);
	window_drop(&w->window, n);
	turns_give(&w->turns, &c->turn, n);
	c->collected += (uint8_t)n;
	w->window.put_by += n;
	if (c->state == CLIENT_COLLECTING && c->collected == c->wanted)
		command_answer(w, c, 0);
}

void
command_take(struct worker *w, struct client *c)
{
	uint32_t n = min(turns_missing(&c->turn), w->window.held);

	if (c->state != CLIENT_TAKING)
		collect(w, c, n);
	else if (client_send(w, c, n) && c->turn.missing == 0) {
		done(w, c);
		hear(w, c);
		/* So that it does not lose its turn for want of a request. */
		if (c->state == CLIENT_SPEAKING && c->eager)
			listen_to(w, c, EPOLLIN);
	}
}

/* What could be given to one client, besides what the others wait for. */
static uint64_t
left_over(const struct worker *w, const struct client *c, uint64_t available)
{
	uint64_t sum = w->window.held + available;

	sum = sum > w->turns.missing ? sum - w->turns.missing : 0;
	return sum + c->collected;
}

void
command_answer(struct worker *w, struct client *c, uint64_t available)
{
	size_t len;

	now_leave(w, c);
	if (c->state == CLIENT_COLLECTING) {
		if (w->turns.due + c->turn.missing + w->window.put_by <=
		    PUT_BY_MAX)
			turns_defer(&w->turns, &c->turn);
		else
			turns_pause(&w->turns, &c->turn);
		answer_now(w, c);
	} else {
		len = egd_say_available(c->brief, left_over(w, c, available));
		answer(w, c, true, len);
	}
	hear(w, c);
}
