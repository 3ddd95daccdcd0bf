/*
 * The commands that change something in the daemon.  Its answer goes to
 * standard output.
 */
#ifndef VRNGCTL_CHANGE_H
#define VRNGCTL_CHANGE_H

#include "ctl/args.h"

int change_reload(const struct args *, struct failure *);
int change_guest_add(const struct args *, struct failure *);
int change_guest_adopt(const struct args *, struct failure *);
int change_guest_remove(const struct args *, struct failure *);
int change_guest_release(const struct args *, struct failure *);
int change_source_retest(const struct args *, struct failure *);
int change_log_level(const struct args *, struct failure *);

#endif
