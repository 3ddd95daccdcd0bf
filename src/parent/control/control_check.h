/*
 * Checks a control request and its sender.
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
 * Checks a frame of `size` bytes: its size, version and command, and the
 * strings of the command.  Returns 0, or an errno with the reason in `*why`.
 * Pure.
 */
int control_check(const struct control_request *, size_t size,
    const char **why);

/* Whether a peer may make requests: root, and the user of the daemon. */
bool control_allowed(const struct ucred *);

#endif
