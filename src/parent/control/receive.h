/*
 * Receives the descriptor of a request on the control socket.  Closing a
 * received descriptor may block for as long as its owner likes (flush of a file
 * system in user space).  Therefore a short-lived process receives it, and
 * passes on only a listening socket, whose close does not block.
 */
#ifndef VRNGD_RECEIVE_H
#define VRNGD_RECEIVE_H

#include <systemd/sd-event.h>

/*
 * Called with the descriptor, a listening unix stream socket that the callee
 * owns; or -1, if it was another one, none, or more than one.
 */
typedef void receive_done(int fd, void *arg);

struct receive {
	sd_event_source *io;
	receive_done *done;
	void *arg;
};

/*
 * Receives the first frame of a connection, and calls `done` from the event
 * loop with its descriptor.  Returns 0, or -1 with errno, which leaves the
 * frame in the connection.
 */
int receive_start(struct receive *, sd_event *, int conn, receive_done *done,
    void *arg);

/* Stops it; `done` is not called. */
void receive_stop(struct receive *);

#endif
