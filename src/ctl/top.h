/*
 * Who gets how much, live.
 */
#ifndef VRNGCTL_TOP_H
#define VRNGCTL_TOP_H

#include "ctl/args.h"

/* Once a second until q is pressed, or just once. */
int top_run(const struct args *, struct failure *);

#endif
