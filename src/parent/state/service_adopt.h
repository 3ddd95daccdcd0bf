/*
 * Guests whose listeners are made by somebody else, most of all by systemd.
 */
#ifndef VRNGD_SERVICE_ADOPT_H
#define VRNGD_SERVICE_ADOPT_H

#include "parent/state/service.h"

enum service_adopted {
	ADOPTED_NOW,	/* nobody will pass it again: the store is to keep it */
	ADOPTED_STORED, /* from the store, where it is by that name */
	ADOPTED_UNIT,	/* of a socket unit, which passes it at each start */
};

/*
 * A listener for a guest, which may be there already.  As long as no
 * configuration has the guest, it is in a class ("": the pool itself) of a pool
 * ("": the one that a configuration would mean).
 */
struct service_adoption {
	const char *name;
	const char *pool;
	const char *class;
	int fd; /* is taken in any case */
	enum service_adopted from;
};

/*
 * Has a guest listen there, which is added if there is none of that name, until
 * it is removed; a connection that it has goes on.  If that is where it listens
 * already, nothing changes but its place.
 * Returns 0, or an errno and in `*why` the reason.
 */
int service_adopt(struct service *, const struct service_adoption *,
    const char **why);

/*
 * Adopts the listeners of guests that were passed at the start, in the store
 * first, and logs which of services the configuration has no use for.
 */
void service_adopt_passed(struct service *);

#endif
