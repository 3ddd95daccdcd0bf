/*
 * Listeners: the unix sockets at which guests attach, and vrngctl.
 */
#ifndef VRNGD_LISTENER_H
#define VRNGD_LISTENER_H

#include <sys/types.h>

#include <systemd/sd-event.h>

struct listener {
	const char *path; /* NULL: given to us, not ours */
	int fd;
	dev_t dev; /* of the socket file that we made */
	ino_t ino;
};

/* Whose a socket file is, and who may connect. */
struct listener_rights {
	uid_t owner; /* -1: ours */
	gid_t group; /* -1: ours */
	mode_t mode; /* 0: as umask(2) says */
};

/*
 * Makes a socket file at `path` (which must outlive the listener) and listens
 * there, a socket of that type; nobody can connect before it has its rights.
 * A socket file that nobody listens at is replaced; anything else
 * there is left alone.  Returns 0, or -1 after logging why.
 */
int listener_open(struct listener *, const char *path, int type,
    const struct listener_rights *);

/*
 * Gives the socket file that we made other rights, and nothing that may be in
 * its place by now.  Returns 0, or -1 after logging why.
 */
int listener_protect(const struct listener *, const struct listener_rights *);

/* Takes over a listening socket.  Returns 0; or -1, and in `*why` the reason. */
int listener_adopt(struct listener *, int fd, const char **why);

/* The path that a unix socket is bound to, allocated; NULL if it has none. */
char *listener_path(int fd);

/*
 * Removes the socket file if it is still the one we made.  Returns the fd, which
 * is the caller's from now on, or -1 if there is none.
 */
int listener_release(struct listener *);

/* The same, and closes it without waiting for what was written to it. */
void listener_close(struct listener *, sd_event *);

#endif
