/*
 * vrngctl top.
 */
#ifndef VRNGCTL_TOP_H
#define VRNGCTL_TOP_H

#include "ctl/args.h"

/* Shows the status once per second until q is pressed, or once. */
int top_run(const struct args *, struct failure *);

#endif
