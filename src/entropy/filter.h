/*
 * The system calls of an entropy process.
 */
#ifndef VRNGD_ENTROPY_FILTER_H
#define VRNGD_ENTROPY_FILTER_H

#include "common/sandbox.h"

/*
 * The system calls that the main thread and the readers may make after their
 * start, with sources of these kinds (bits, 1 << enum proto_source_kind).
 * Returns the number of rules.
 */
size_t entropy_filter(struct sandbox_rule rules[SANDBOX_RULES_MAX],
    uint32_t kinds);

#endif
