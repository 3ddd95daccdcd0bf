/*
 * Whether a control request is in order, and what its sender may do.
 */
#ifndef VRNGD_CONTROL_CHECK_H
#define VRNGD_CONTROL_CHECK_H

#include <sys/socket.h>
#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/control_proto.h"

/*
 * Checks a frame of `size` bytes: its size and version, the command, and of
 * what the command takes every string.  Returns 0, or an errno and in `*why`
 * the reason.  Pure.
 */
int control_check(const struct control_request *, size_t size,
    const char **why);

/* Whether a peer with these credentials may do anything: root and we may. */
bool control_allowed(const struct ucred *);

#endif
