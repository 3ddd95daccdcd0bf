/*
 * The start of a child: it opens the channel to the parent, receives its
 * identity (HELLO), and sends its log lines to the parent.
 */
#ifndef VRNGD_CHILD_H
#define VRNGD_CHILD_H

#include "common/sandbox.h"

/*
 * Starts a child of the given role: checks its channel, closes every other
 * descriptor above that, reads HELLO and passes through sandbox_confine().
 * Returns the payload of the frame.  Ends the process on any error.
 */
struct proto_hello child_start(enum proto_role role);

/*
 * Completes the start: enters sandbox_filter(), and notifies the parent that
 * this child is ready.
 */
void child_ready(const struct sandbox_rule *rules, size_t nrules,
    unsigned long nofile);

#endif
