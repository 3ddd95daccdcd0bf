/*
 * A client of the control socket: its requests, one at a time, and the queue
 * of replies that it has not taken yet.
 */
#ifndef VRNGD_CONTROL_CLIENT_H
#define VRNGD_CONTROL_CLIENT_H

#include <sys/queue.h>
#include <sys/socket.h>

#include "parent/control/control.h"

struct control_client {
	TAILQ_ENTRY(control_client) entry;
	struct control *control;
	int fd; /* -1: it is gone */
	sd_event_source *io;
	sd_event_source *timer; /* to drop it when it stalls */
	struct ucred peer;
	bool allowed;		   /* to change anything */
	struct control_reply *out; /* allocated while there are any */
	size_t nout;		   /* frames there */
	size_t room;		   /* frames for which there is memory */
	size_t sent;		   /* frames of these that are gone */
	bool answering;		   /* a request, until control_end() */
	bool overflow;		   /* the answer is not complete */
	bool last;		   /* ends when all is sent */
	bool in_event;		   /* not to be freed by others */
};

/*
 * A client for a connection, which is its own from now on.  Returns NULL, and
 * closes the connection, if there is no memory.
 */
struct control_client *client_new(struct control *, int fd);

/* Whether it has asked for nothing that is not answered. */
bool client_idle(const struct control_client *);

/*
 * Ends the connection.  Frees the client, at the latest when its answer has
 * been ended.
 */
void client_drop(struct control_client *);

#endif
