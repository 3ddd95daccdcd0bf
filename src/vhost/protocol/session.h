/*
 * The messages of a vhost-user session: reads complete messages with their
 * descriptors, and writes replies, without blocking on the frontend.
 *
 * A message is read with MSG_PEEK, and stays in the connection until it has
 * been handled.  SO_PEEK_OFF of the connection is the number of bytes of a
 * complete message that have not been consumed, also for a later process.
 */
#ifndef VRNGD_SESSION_H
#define VRNGD_SESSION_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>

#include "vhost/protocol/vhost_user.h"

/* A request or its reply.  Its fds are closed after it was handled. */
struct message {
	uint32_t unused; /* aligns the payload directly after the header */
	struct vhost_user_header hdr;
	union vhost_user_payload payload;
	int fds[VHOST_USER_FDS_MAX];
	uint32_t ids[VHOST_USER_FDS_MAX]; /* of the fds, in the deposit */
	size_t nfds;
};

struct session {
	int fd; /* the connection */
	struct message in;
	size_t in_len; /* bytes of it read so far */
	struct message out;
	size_t out_len;	 /* bytes of it; 0: no reply */
	size_t out_done; /* bytes of it sent so far */
};

enum session_result {
	SESSION_MESSAGE, /* session->in is complete */
	SESSION_AGAIN,	 /* wait until the connection is readable */
	SESSION_CLOSED,	 /* the frontend has closed it */
	SESSION_BROKEN,	 /* invalid vhost-user message */
};

void session_init(struct session *, int fd);

/*
 * Reads a message.  After SESSION_MESSAGE, the caller calls session_consume()
 * when the message has been handled, and session_next() when its reply has been
 * sent.  On SESSION_BROKEN, `*why` is the reason.
 */
enum session_result session_read(struct session *, const char **why);
void session_next(struct session *);

/*
 * Removes `len` bytes of a message from the connection.  -1: it has fewer.
 */
int session_consume(struct session *, size_t len);

/*
 * The number of bytes of the last complete message that have not been consumed,
 * by this or an earlier process.  -1: errno.
 */
ssize_t session_unconsumed(const struct session *);

/*
 * Prepares a reply to session->in with a zeroed payload of `size` bytes (at
 * most VHOST_USER_PAYLOAD_MAX), and returns it.
 */
struct message *session_reply(struct session *, uint32_t size);

/*
 * Sends the reply, or the rest of it.  Returns SESSION_AGAIN if the connection
 * is not writable, SESSION_MESSAGE if the reply is complete.
 */
enum session_result session_flush(struct session *);

#endif
