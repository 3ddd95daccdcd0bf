/*
 * The capabilities of the parent, and the empty root directory of its children.
 */
#ifndef VRNGD_PRIVILEGE_H
#define VRNGD_PRIVILEGE_H

#include <sys/types.h>

#include "common/deposit.h"

/*
 * Drops all capabilities except those for starting, confining and ending
 * children, and for files of other owners.  Does nothing without privilege.
 * Ends the process on failure.
 */
void privilege_reduce(void);

/*
 * Adds a message to a deposit with another real uid ((uid_t)-1: with its own).
 * The kernel counts descriptors in queues by the real uid of the sender, and
 * lets no process of that uid send more when they exceed its limit of open
 * files.  No process may have that uid, since it could kill this one.  Returns
 * like deposit_put().
 */
int privilege_deposit(uid_t, int deposit, const struct deposit_parts *);

/*
 * Opens a directory that is and stays empty, since it was removed.  Returns its
 * fd, or -1 after logging the error.
 */
int privilege_empty_root(void);

#endif
