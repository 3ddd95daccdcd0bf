/*
 * Guests without a configuration: added by vrngctl, or with adopted listeners,
 * mostly from systemd.
 */
#ifndef VRNGD_ADOPT_H
#define VRNGD_ADOPT_H

#include "parent/state/daemon.h"

enum adopt_from {
	ADOPT_NOW,    /* passed once: must be stored */
	ADOPT_STORED, /* from the store, under that name */
	ADOPT_UNIT,   /* from a socket unit, which passes it at each start */
};

/*
 * A listener for a guest, which may exist already.  Without a configuration,
 * the guest is in a class ("": the pool itself) of a pool ("": the default
 * pool).
 */
struct adoption {
	const char *name;
	const char *pool;
	const char *class;
	int fd; /* owned by the callee in any case */
	enum adopt_from from;
};

/*
 * Sets the listener of a guest, which is added if it does not exist.  Its
 * connection continues.  If it already uses this socket, only its place in the
 * tree changes.  Returns 0, or an errno with the reason in `*why`: EBUSY if the
 * guest continues to use this socket, at its old place.
 */
int adopt_guest(struct daemon *, const struct adoption *, const char **why);

/*
 * Adopts the sockets from systemd at the start: before the first configuration,
 * which may use them, those of services and of guests that vrngctl had added;
 * after it the listeners of guests, stored ones first, and logs unused sockets
 * of services.
 */
void adopt_places(struct daemon *);
void adopt_guests(struct daemon *);

/*
 * Adds a guest that listens at a path, in a class and pool as above, until it
 * is removed or configured; its socket is stored for a restart.  Returns like adopt_guest().
 */
int adopt_add(struct daemon *, const char *name, const char *path,
    const char *pool, const char *class, const char **why);

/* Removes a guest, until a reload adds it again.  -1: unknown guest. */
int adopt_remove(struct daemon *, const char *name);

/*
 * Removes a guest whose adopted socket is gone, because its unit was stopped;
 * leaves a guest with another socket.
 */
void adopt_release(struct daemon *, const char *name);

#endif
