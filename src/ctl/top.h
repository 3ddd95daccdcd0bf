/*
 * Who gets how much, live.
 */
#ifndef VRNGCTL_TOP_H
#define VRNGCTL_TOP_H

#include <stdbool.h>
#include <stdio.h>

#include "ctl/snapshot.h"

/*
 * One picture: a line for each pool, class, guest and service, with a bar, and one for
 * each pool's sources.  For a screen, that one begins with TERM_ALERT if they
 * do not supply the pool as they are meant to.
 */
void top_print(struct json_object *, FILE *, size_t columns, bool screen);

/*
 * Shows the daemon at `path` once a second until q is pressed; without a
 * terminal, as plain text until the process is ended; or just once.  Returns
 * 0, or -1 with the reason.
 */
int top_run(const char *path, bool once, struct failure *);

#endif
