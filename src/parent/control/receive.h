/*
 * The descriptor that comes with a request on the control socket.  A process
 * that has received a descriptor may wait when it closes it, for as long as the
 * descriptor's owner wishes (flush(2) of a file system in user space): so a
 * process of its own receives it, and passes on what may not wait.
 */
#ifndef VRNGD_RECEIVE_H
#define VRNGD_RECEIVE_H

#include <systemd/sd-event.h>

/*
 * The descriptor has come: a listening unix stream socket, which is the
 * callee's; or -1, if it was another, none, or more than one.
 */
typedef void receive_done(int fd, void *arg);

struct receive {
	sd_event_source *io;
	receive_done *done;
	void *arg;
};

/*
 * Takes the first frame out of a connection and passes its descriptor on;
 * `done` is called from the event loop.  Returns 0, or -1 with errno: the frame
 * is still there then.
 */
int receive_start(struct receive *, sd_event *, int conn, receive_done *done,
    void *arg);

/* Stops it; `done` is not called. */
void receive_stop(struct receive *);

#endif
