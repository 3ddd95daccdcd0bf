/*
 * The system calls of a vhost worker.
 */
#ifndef VRNGD_VHOST_FILTER_H
#define VRNGD_VHOST_FILTER_H

#include "common/sandbox.h"

/*
 * Every system call that a worker may make once it has started.  Returns how
 * many rules there are.
 */
size_t vhost_filter(struct sandbox_rule rules[SANDBOX_RULES_MAX]);

#endif
