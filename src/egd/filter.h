/*
 * The system calls of an EGD worker.
 */
#ifndef VRNGD_EGD_FILTER_H
#define VRNGD_EGD_FILTER_H

#include "common/sandbox.h"

/*
 * Every system call that a worker may make once it has started.  `addressed`:
 * it has a socket for datagrams from any address, and may say where to each of
 * its own goes.  Returns how many rules there are.
 */
size_t egd_filter(struct sandbox_rule rules[SANDBOX_RULES_MAX], bool addressed);

#endif
