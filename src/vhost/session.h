/*
 * A vhost-user session's messages: reading them whole, with their descriptors,
 * and writing replies, without ever waiting for the frontend.
 */
#ifndef VRNGD_SESSION_H
#define VRNGD_SESSION_H

#include <stdbool.h>
#include <stddef.h>

#include "vhost_user.h"

/* A request, or the reply to it.  Its fds are closed after it was handled. */
struct message {
	uint32_t unused; /* lets the payload follow the header */
	struct vhost_user_header hdr;
	union vhost_user_payload payload;
	int fds[VHOST_USER_FDS_MAX];
	size_t nfds;
};

struct session {
	int fd; /* the connection */
	struct message in;
	size_t in_len; /* bytes of it that have come */
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
 * Reads on.  After SESSION_MESSAGE, session_next() is due when the message has
 * been handled.  On SESSION_BROKEN, `*why` tells what is wrong.
 */
enum session_result session_read(struct session *, const char **why);
void session_next(struct session *);

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
