/*
 * The system calls of the status process.
 */
#ifndef VRNGD_STATUS_FILTER_H
#define VRNGD_STATUS_FILTER_H

#include "common/sandbox.h"

/*
 * The system calls that the process may make after its start.  Returns the
 * number of rules.
 */
size_t status_filter(struct sandbox_rule rules[SANDBOX_RULES_MAX]);

#endif
