/*
 * Opening sources: devices, sockets, USB devices.  The parent opens them and
 * never reads them.
 */
#ifndef VRNGD_SOURCE_OPEN_H
#define VRNGD_SOURCE_OPEN_H

#include <stdbool.h>
#include <stddef.h>

#include "parent/config/config.h"

#define SOURCE_WHY_SIZE 160 /* bytes, for the text of a reason */

/* Whether the source is a file or socket. */
bool source_needs_fd(const struct config_source *);

/*
 * Whether the source can be opened later if not now: a device may be absent.
 * Returns 0; or -1 with the reason if the configuration must change first, as
 * for a regular file.
 */
int source_check(const struct config_source *, char why[SOURCE_WHY_SIZE]);

/*
 * Opens a source for its reader: a blocking device, or a connected or
 * connecting socket.  Never waits.  Not for sources that are kept.  Returns
 * the descriptor, or -1 with the reason.
 */
int source_open(const struct config_source *, char why[SOURCE_WHY_SIZE]);

/*
 * Whether the source is opened once, before its reader starts, and kept: a
 * socket to which peers connect or send, or a replay file, which must not start
 * again.
 */
bool source_is_kept(const struct config_source *);

/* Whether both keep the same socket or file. */
bool source_shares_kept(const struct config_source *,
    const struct config_source *);

/*
 * Opens it: a listening TCP or UDP socket (listener_open() creates unix ones)
 * or a file.  Returns the descriptor, or -1 with the reason.
 */
int source_keep(const struct config_source *, char why[SOURCE_WHY_SIZE]);

/*
 * Accepts a connection on such a socket.  Returns it, or -1 if there is none
 * now.
 */
int source_accept(int kept);

#endif
