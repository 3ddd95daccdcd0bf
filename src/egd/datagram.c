/*
 * The peers of a UDP socket, which are clients without a connection.  Used by
 * step.c when the socket can be read, and by admission.c and serve.c through
 * the protocol that frames.c selects.
 */
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <errno.h>
#include <linux/errqueue.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>

#include "common/clock.h"
#include "common/min.h"
#include "egd/client.h"
#include "egd/clients.h"
#include "egd/datagram.h"
#include "egd/admission.h"

#define DATAGRAM_MAX 1024 /* bytes */
#define READ_AT_ONCE 16	  /* datagrams before other events */
/*
 * Bytes sent to a peer from which no more datagrams come.  It may have gone
 * away, or never have existed: the source address of a datagram can be forged.
 */
#define UNHEARD_MAX   262144
#define CONTROL_SPACE 256 /* bytes, of the message that describes an error */
/* Pauses between datagrams to a peer that is unreachable. */
#define RETRY_FIRST (100 * NS_PER_MS)
#define RETRY_LAST  (5 * NS_PER_SEC)
#define REACHED	    (10 * NS_PER_SEC) /* without an error, until it is not */

/* The current peer, or NULL. */
static struct client *
find_peer(struct worker *w)
{
	return w->clients->n == 0 ? NULL : &w->clients->place[0];
}

static void
watch(struct worker *w, bool writable)
{
	loop_watch(&w->loop, EPOLL_CTL_MOD, w->socket.fd,
	    EPOLLIN | (writable ? EPOLLOUT : 0), EVENT_SOCKET);
}

static void
datagram_begin(struct worker *w, struct client *c)
{
	clients_wait(w, c, client_chunk(w));
}

/* A datagram was received: its sender is the peer from now on. */
static void
heard_from(struct worker *w, const struct sockaddr_storage *from, socklen_t len)
{
	struct client *c = find_peer(w);
	struct peer peer;

	if (from->ss_family != AF_INET && from->ss_family != AF_INET6)
		return;
	peer_at(&peer, from);
	if (!admission_allows(w, &peer))
		return;
	if (c != NULL && !peer_same(&c->peer, &peer)) {
		clients_close(w, c, "replaced by another peer");
		c = NULL;
	}
	w->socket.to = *from;
	w->socket.to_len = len;
	if (c == NULL)
		c = clients_add(w, 0, -1, &peer);
	clients_touch(w, c);
	c->unheard = 0;
	if (c->state == CLIENT_READING)
		clients_wait(w, c, client_chunk(w));
}

/* Stops sending until the peer sends a datagram again. */
static void
rest(struct worker *w, struct client *c)
{
	drr_pause(&w->clients->drr, &c->turn);
	clients_enter(w, c, CLIENT_READING);
}

/* Whether an error may pass without a new socket. */
static bool
is_passing(int error)
{
	return error == ECONNREFUSED || error == EHOSTUNREACH ||
	    error == ENETUNREACH || error == EHOSTDOWN || error == ENETDOWN ||
	    error == EPERM;
}

/* Sending to the peer of a connected socket failed: logged once, retried. */
static void
failed(struct worker *w, struct client *c, int error)
{
	struct socket *s = &w->socket;

	if (!is_passing(error)) {
		clients_lost(w, c, error);
		return;
	}
	/* Of an earlier datagram. */
	if (s->retry_at != 0)
		return;
	if (s->failure != error)
		worker_log(w, &w->log_clients, "cannot reach %s: %s; retrying",
		    c->peer.text, strerror(error));
	s->failure = error;
	s->pause = s->pause == 0	? RETRY_FIRST
	    : s->pause * 2 < RETRY_LAST ? s->pause * 2
					: RETRY_LAST;
	s->retry_at = w->now + s->pause;
	rest(w, c);
}

/* A datagram was sent: since there was no error for long, it is reached. */
static void
reached(struct worker *w, const struct client *c)
{
	struct socket *s = &w->socket;

	if (s->failure == 0 || w->now - s->retried < REACHED)
		return;
	worker_log(w, &w->log_clients, "reaches %s again", c->peer.text);
	s->failure = 0;
	s->pause = 0;
}

uint64_t
datagram_deadline(const struct worker *w)
{
	return w->socket.retry_at;
}

void
datagram_expire(struct worker *w)
{
	struct client *c = find_peer(w);

	if (w->socket.retry_at == 0 || w->socket.retry_at > w->now)
		return;
	w->socket.retry_at = 0;
	w->socket.retried = w->now;
	if (c != NULL)
		clients_wait(w, c, client_chunk(w));
}

/* Whether a reported error is that no process receives at an address. */
static bool
is_refusal(struct msghdr *msg)
{
	const struct cmsghdr *cmsg;
	struct sock_extended_err error;

	for (cmsg = CMSG_FIRSTHDR(msg); cmsg != NULL;
	     cmsg = CMSG_NXTHDR(msg, (struct cmsghdr *)(uintptr_t)cmsg)) {
		if (!(cmsg->cmsg_level == IPPROTO_IP &&
			cmsg->cmsg_type == IP_RECVERR) &&
		    !(cmsg->cmsg_level == IPPROTO_IPV6 &&
			cmsg->cmsg_type == IPV6_RECVERR))
			continue;
		memcpy(&error, CMSG_DATA(cmsg), sizeof(error));
		if (error.ee_errno == ECONNREFUSED)
			return true;
	}
	return false;
}

/*
 * Reads an error of a sent datagram (ip(7), IP_RECVERR).  Returns false without
 * an error.
 */
static bool
read_error(struct worker *w)
{
	union {
		char buf[CONTROL_SPACE];
		struct cmsghdr align;
	} control;
	struct sockaddr_storage to = { 0 };
	struct msghdr msg = {
		.msg_name = &to,
		.msg_namelen = sizeof(to),
		.msg_control = control.buf,
		.msg_controllen = sizeof(control.buf),
	};
	struct client *c = find_peer(w);
	struct peer peer;

	if (recvmsg(w->socket.fd, &msg, MSG_ERRQUEUE | MSG_DONTWAIT) == -1)
		return false;
	if (c == NULL || !is_refusal(&msg) ||
	    (to.ss_family != AF_INET && to.ss_family != AF_INET6))
		return true;
	peer_at(&peer, &to);
	if (peer_same(&c->peer, &peer))
		clients_close(w, c, strerror(ECONNREFUSED));
	return true;
}

static void
read_errors(struct worker *w)
{
	for (int i = 0; i < READ_AT_ONCE; i++)
		if (!read_error(w))
			return;
}

static void
read_datagrams(struct worker *w)
{
	struct sockaddr_storage from;
	socklen_t len;
	uint8_t byte;

	for (int i = 0; i < READ_AT_ONCE && w->stage != WORKER_FINISHED; i++) {
		from.ss_family = AF_UNSPEC;
		len = sizeof(from);
		if (recvfrom(w->socket.fd, &byte, sizeof(byte), MSG_DONTWAIT,
			(struct sockaddr *)&from, &len) != -1) {
			if (w->socket.kind == SOCKET_BOUND)
				heard_from(w, &from, len);
		} else if (errno == EAGAIN)
			return;
		else if (w->socket.kind == SOCKET_CONNECTED)
			failed(w, find_peer(w), errno);
	}
}

void
datagram_event(struct worker *w, uint32_t events)
{
	struct client *c;

	if ((events & EPOLLERR) != 0 && w->socket.kind == SOCKET_BOUND)
		read_errors(w);
	if ((events & ~(uint32_t)EPOLLOUT) != 0)
		read_datagrams(w);
	if ((events & EPOLLOUT) == 0)
		return;
	watch(w, false);
	if ((c = find_peer(w)) != NULL && c->state == CLIENT_BLOCKED)
		clients_resume(w, c);
}

/*
 * Sends a datagram.  The call may report an error of an earlier one instead of
 * sending this one, and is then repeated once.  Returns 0 or an errno.
 */
static int
send_datagram(struct worker *w, uint32_t n)
{
	const struct sockaddr *to = NULL;
	socklen_t len = 0;

	if (w->socket.kind == SOCKET_BOUND) {
		to = (const struct sockaddr *)&w->socket.to;
		len = w->socket.to_len;
	}
	for (int i = 0; i < 2; i++) {
		if (sendto(w->socket.fd, window_bytes(&w->window), n,
			MSG_DONTWAIT | MSG_NOSIGNAL, to, len) != -1)
			return 0;
		if (errno == EAGAIN || w->socket.kind == SOCKET_CONNECTED)
			break;
	}
	return errno;
}

static bool
datagram_take(struct worker *w, struct client *c)
{
	uint32_t n, enough = min32(DATAGRAM_MAX, client_chunk(w));
	uint32_t least = w->window.request_min;
	int error;

	/* What a limit shortens does not wait for more. */
	if (least == SHORT_MIN)
		least = GRANT_MIN;
	n = min32(w->window.held, enough);
	if (w->window.fresh)
		enough = min32(enough, least);
	if (n < enough)
		return false;
	error = send_datagram(w, n);
	if (error == EAGAIN) {
		clients_block(w, c);
		watch(w, true);
	} else if (error == 0 || error == ENOBUFS) {
		/* With ENOBUFS it was lost, like any datagram may be. */
		drr_give(&w->clients->drr, &c->turn, n);
		clients_gave(w, c, n);
		clients_answered(w, c);
		c->unheard += n;
		if (w->socket.kind == SOCKET_BOUND && c->unheard >= UNHEARD_MAX)
			rest(w, c);
		else
			clients_wait(w, c, client_chunk(w));
		reached(w, c);
	} else if (w->socket.kind == SOCKET_CONNECTED)
		failed(w, c, error);
	else
		clients_lost(w, c, error);
	return true;
}

const struct protocol datagram_raw = {
	.quantum = CLIENT_CHUNK_MAX,
	.begin = datagram_begin,
	.take = datagram_take,
};
