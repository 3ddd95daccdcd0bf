/*
 * Listeners: the unix sockets at which guests attach.
 */
#ifndef VRNGD_LISTENER_H
#define VRNGD_LISTENER_H

#include <sys/types.h>

struct listener {
	const char *path; /* NULL: given to us, not ours */
	int fd;
	dev_t dev; /* of the socket file that we made */
	ino_t ino;
};

/*
 * Makes a socket file at `path` (which must outlive the listener) and listens
 * there.  A socket file that nobody listens at is replaced; anything else
 * there is left alone.  Returns 0, or -1 after logging why.
 */
int listener_open(struct listener *, const char *path);

/* Takes over a listening socket.  Returns 0, or -1 after logging why. */
int listener_adopt(struct listener *, int fd);

/* Closes it, and removes the socket file if it is still the one we made. */
void listener_close(struct listener *);

#endif
