/*
 * The answer to vrngctl's question how all is (control_proto.h).
 */
#ifndef VRNGD_SERVICE_TELL_H
#define VRNGD_SERVICE_TELL_H

#include "parent/control/control.h"
#include "parent/state/service.h"

/* Tells all pools with what belongs to them, as it is known to be now. */
void service_tell(struct service *, struct control_client *);

#endif
