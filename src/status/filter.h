/*
 * The system calls of the status process.
 */
#ifndef VRNGD_STATUS_FILTER_H
#define VRNGD_STATUS_FILTER_H

#include "common/sandbox.h"

/*
 * Every system call that the process may make once it has started.  Returns how
 * many rules there are.
 */
size_t status_filter(struct sandbox_rule rules[SANDBOX_RULES_MAX]);

#endif
