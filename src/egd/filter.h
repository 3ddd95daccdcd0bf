/*
 * The system calls of an EGD worker.
 */
#ifndef VRNGD_EGD_FILTER_H
#define VRNGD_EGD_FILTER_H

#include "common/sandbox.h"

/*
 * The system calls that a worker may make after its start.  `addressed`: it has
 * a socket for datagrams from any address, and may set the address of each sent
 * datagram.  Returns the number of rules.
 */
size_t egd_filter(struct sandbox_rule rules[SANDBOX_RULES_MAX], bool addressed);

#endif
