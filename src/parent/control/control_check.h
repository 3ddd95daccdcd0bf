/*
 * Whether a control request is in order, and what its sender may do.
 */
#ifndef VRNGD_CONTROL_CHECK_H
#define VRNGD_CONTROL_CHECK_H

#include <sys/socket.h>
#include <sys/types.h>

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

/* The right that a checked request takes. */
enum control_right control_right_needed(const struct control_request *);

/*
 * What the peer of a connection, with credentials `cred`, may do: root and
 * our own user everything, members of `group` (-1: none) `group_rights`.
 */
uint32_t control_rights(int fd, const struct ucred *cred, gid_t group,
    uint32_t group_rights);

#endif
