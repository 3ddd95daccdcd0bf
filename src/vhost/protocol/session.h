/*
 * A vhost-user session's messages: reading them whole, with their descriptors,
 * and writing replies, without ever waiting for the frontend.
 *
 * A message stays in the connection until it is done with: it is read with
 * MSG_PEEK.  The connection's SO_PEEK_OFF tells how much of a message that was
 * read whole has not been consumed, also to a process that comes after this
 * one.
 */
#ifndef VRNGD_SESSION_H
#define VRNGD_SESSION_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>

#include "vhost/protocol/vhost_user.h"

/* A request, or the reply to it.  Its fds are closed after it was handled. */
struct message {
	uint32_t unused; /* lets the payload follow the header */
	struct vhost_user_header hdr;
	union vhost_user_payload payload;
	int fds[VHOST_USER_FDS_MAX];
	uint32_t ids[VHOST_USER_FDS_MAX]; /* of the fds, in the deposit */
	size_t nfds;
};

struct session {
	int fd; /* the connection */
	struct message in;
	size_t in_len; /* bytes of it that have been read */
	struct message out;
	size_t out_len;	 /* bytes of it; 0: none waits */
	size_t out_done; /* bytes of it that have gone */
};

enum session_result {
	SESSION_MESSAGE, /* session->in is whole */
	SESSION_AGAIN,	 /* wait until the connection is readable */
	SESSION_CLOSED,	 /* the frontend is gone */
	SESSION_BROKEN,	 /* what it sends is not vhost-user */
};

void session_init(struct session *, int fd);

/*
 * Reads a message.  After SESSION_MESSAGE, when it has been handled,
 * session_consume() and, when its reply has gone, session_next() are due.  On
 * SESSION_BROKEN, `*why` tells what is wrong.
 */
enum session_result session_read(struct session *, const char **why);
void session_next(struct session *);

/*
 * Takes `len` bytes of a message that was read out of the connection.  -1:
 * they are not there.
 */
int session_consume(struct session *, size_t len);

/*
 * How many bytes of the message that was read last have not been consumed, by
 * whomever.  -1: errno.
 */
ssize_t session_unconsumed(const struct session *);

/*
 * Makes room for a reply to session->in with a payload of `size` bytes (at
 * most 24), zeroed, and returns it.
 */
struct message *session_reply(struct session *, uint32_t size);

/*
 * Sends the reply, or the rest of it.  Returns SESSION_AGAIN if it waits for
 * the connection to be writable, SESSION_MESSAGE if nothing waits.
 */
enum session_result session_flush(struct session *);

#endif
