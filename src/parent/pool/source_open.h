/*
 * Opening sources: devices, sockets, USB devices.  The parent opens them and
 * never reads them.
 */
#ifndef VRNGD_SOURCE_OPEN_H
#define VRNGD_SOURCE_OPEN_H

#include <stdbool.h>
#include <stddef.h>

#include "parent/config/config.h"

#define SOURCE_WHY_SIZE 160 /* bytes, of a reason in words */

/* Whether there is anything to open for the source. */
bool source_needs_fd(const struct config_source *);

/*
 * Opens a source for its reader: a device that blocks, or a socket that is
 * connected or about to be.  Never waits.  Not for what source_listen() is
 * for.  Returns the descriptor, or -1 and why.
 */
int source_open(const struct config_source *, char why[SOURCE_WHY_SIZE]);

/*
 * Whether the source is something that is opened once, before anything is
 * served: a socket that others connect or send to, and test data that must not
 * begin again.
 */
bool source_is_kept(const struct config_source *);

/* Whether what one of them keeps is what the other is to keep. */
bool source_shares_kept(const struct config_source *,
    const struct config_source *);

/*
 * Opens that: a listening TCP or UDP socket (unix ones are made by
 * listener_open()) or a file.  Returns the descriptor, or -1 and why.
 */
int source_keep(const struct config_source *, char why[SOURCE_WHY_SIZE]);

/*
 * Accepts a connection on such a socket.  Returns it, or -1 if there is none
 * now.
 */
int source_accept(int kept);

#endif
