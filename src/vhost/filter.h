/*
 * The system calls of a vhost worker.
 */
#ifndef VRNGD_VHOST_FILTER_H
#define VRNGD_VHOST_FILTER_H

#include "common/sandbox.h"

/*
 * The system calls that a worker may make after its start.  Returns the number
 * of rules.
 */
size_t vhost_filter(struct sandbox_rule rules[SANDBOX_RULES_MAX]);

#endif
