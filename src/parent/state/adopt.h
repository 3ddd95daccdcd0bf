/*
 * Guests that come without a configuration: added by vrngctl, or with
 * listeners that others made, most of all systemd.
 */
#ifndef VRNGD_ADOPT_H
#define VRNGD_ADOPT_H

#include "parent/state/daemon.h"

enum adopt_from {
	ADOPT_NOW,    /* it is passed once: the store is to keep it */
	ADOPT_STORED, /* from the store, where it is by that name */
	ADOPT_UNIT,   /* of a socket unit, which passes it at each start */
};

/*
 * A listener for a guest, which may be there already.  As long as no
 * configuration has the guest, it is in a class ("": the pool itself) of a pool
 * ("": the one that a configuration would mean).
 */
struct adoption {
	const char *name;
	const char *pool;
	const char *class;
	int fd; /* is taken in any case */
	enum adopt_from from;
};

/*
 * Has a guest listen there, which is added if there is none of that name, until
 * it is removed; a connection that it has goes on.  If that is where it listens
 * already, nothing changes but its place.
 * Returns 0, or an errno and in `*why` the reason.
 */
int adopt_guest(struct daemon *, const struct adoption *, const char **why);

/*
 * Takes what systemd passed at the start: before the first configuration the
 * sockets of services; after it the listeners of guests, those in the store
 * first, and logs which of services the configuration has no use for.
 */
void adopt_services(struct daemon *);
void adopt_guests(struct daemon *);

/*
 * Adds a guest that listens at a path, in a class and pool as above, which
 * stays until it is removed or a configuration has it.  Returns as
 * adopt_guest().
 */
int adopt_add(struct daemon *, const char *name, const char *path,
    const char *pool, const char *class, const char **why);

/* Removes a guest, until a configuration brings it back.  -1: there is none. */
int adopt_remove(struct daemon *, const char *name);

#endif
