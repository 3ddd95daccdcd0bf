/*
 * Making the daemon serve what a configuration says, which may be replaced by
 * another while guests run.
 */
#ifndef VRNGD_RELOAD_H
#define VRNGD_RELOAD_H

#include "parent/state/daemon.h"

enum reload_result {
	RELOAD_DONE,
	RELOAD_PARTLY,	  /* some sockets could not be made: another may */
	RELOAD_UNCHANGED, /* nothing was done */
};

/*
 * Makes the daemon serve what the configuration says, or leaves it as it is.
 * Guests that are in both keep their connection and what they are owed, unless
 * they move to another pool.  Returns, after logging why not all of it.
 */
enum reload_result reload_apply(struct daemon *, const struct config *);

#endif
