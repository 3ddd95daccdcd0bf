/*
 * vrngctl monitor: the events of the daemon as they happen.
 */
#ifndef VRNGCTL_MONITOR_H
#define VRNGCTL_MONITOR_H

#include "ctl/args.h"

/* Prints events until the daemon ends the connection, which is a failure. */
int monitor_run(const struct args *, struct failure *);

#endif
