/*
 * What every child does first: take the channel that the parent gave it, hear
 * from the parent who it is to be, and send its log lines there.
 */
#ifndef VRNGD_CHILD_H
#define VRNGD_CHILD_H

#include "common/channel.h"
#include "common/counters.h"
#include "common/sandbox.h"

/*
 * Starts a child of the given role: checks its channel, closes every other
 * descriptor above that, reads HELLO and passes through sandbox_confine().
 * Returns the frame's payload.  Ends the process if anything is amiss.
 */
struct proto_hello child_start(enum proto_role role);

/* Waits for the next frame, which must be of that type. */
void child_await(struct frame *, enum proto_role, enum proto_type);

/*
 * Waits for COUNTERS and maps them, as large as the role has them
 * (counters_size()).  To be called before child_ready().
 */
void *child_counters(enum proto_role);

/*
 * Ends the set-up: passes through sandbox_filter() and tells the parent that
 * this child is ready.
 */
void child_ready(const struct sandbox_rule *rules, size_t nrules,
    unsigned long nofile);

#endif
