/*
 * How a configuration is applied to outlets, and to guests' EGD sockets.
 */
#ifndef VRNGD_SERVICE_OUTLETS_H
#define VRNGD_SERVICE_OUTLETS_H

#include "parent/state/service_plan.h"

/*
 * Ends those that the configuration has not, or has elsewhere, or in another
 * pool: before guests and outlets are applied, as these may be at their places
 * and have their listeners then.
 */
void service_outlets_drop(struct service *, const struct config *,
    struct plan *);

/*
 * Makes or changes outlets as the configuration says, of which pools and
 * classes are there.  Returns 0, or -1 after logging why not all of them.
 */
int service_outlets_apply(struct service *, const struct config *,
    struct plan *);

/* The same for one guest's EGD socket. */
int service_egd_apply(struct guest *, const struct config_guest *,
    struct listener *made);

#endif
