/*
 * The parent's own privilege: what it keeps, and the empty directory that its
 * children get for a root.
 */
#ifndef VRNGD_PRIVILEGE_H
#define VRNGD_PRIVILEGE_H

#include <sys/types.h>

#include "common/deposit.h"

/*
 * Gives up every capability but those that starting, confining and ending
 * children and handling files of other owners take.  Does nothing without
 * privilege.  Ends the process if that fails.
 */
void privilege_reduce(void);

/*
 * Adds a message to a deposit, with another real uid meanwhile ((uid_t)-1: with
 * its own): the kernel counts descriptors that wait in queues by the sender's,
 * and lets no process of that uid send any when they are more than its limit of
 * open files.  No process may have that uid, as it could end this one.  Returns
 * as deposit_put().
 */
int privilege_deposit(uid_t, int deposit, const struct deposit_parts *);

/*
 * Opens a directory that is empty and stays so, since it has been removed.
 * Returns its fd, or -1 after logging why.
 */
int privilege_empty_root(void);

#endif
