/*
 * vrngctl why, and vrngctl status of one guest or service.
 */
#ifndef VRNGCTL_WHY_H
#define VRNGCTL_WHY_H

#include <stdio.h>

#include "ctl/args.h"
#include "ctl/snapshot.h"

/* Prints in one sentence why the guest or service of the operand waits. */
int why_run(const struct args *, struct failure *);

/* Prints that sentence about an object of the list "guests" or "services". */
void why_print(struct json_object *, FILE *);

#endif
