/*
 * The status for people and, as JSON, for programs; and the names of what there
 * is, for the completion of command lines.
 */
#ifndef VRNGCTL_STATUS_H
#define VRNGCTL_STATUS_H

#include "ctl/args.h"

int status_run(const struct args *, struct failure *);
int status_run_names(const struct args *, struct failure *);

#endif
