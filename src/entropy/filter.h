/*
 * The system calls of an entropy process.
 */
#ifndef VRNGD_ENTROPY_FILTER_H
#define VRNGD_ENTROPY_FILTER_H

#include "common/sandbox.h"

/*
 * Every system call that the main thread and the readers may make after set-up,
 * with sources of these kinds: bits, 1 << enum proto_source_kind.  Returns how
 * many rules there are.
 */
size_t entropy_filter(struct sandbox_rule rules[SANDBOX_RULES_MAX],
    uint32_t kinds);

#endif
