/*
 * The parent's own privilege: what it keeps, and the empty directory that its
 * children get for a root.
 */
#ifndef VRNGD_PRIVILEGE_H
#define VRNGD_PRIVILEGE_H

/*
 * Gives up every capability but those that starting, confining and ending
 * children and handling files of other owners take.  Does nothing without
 * privilege.  Ends the process if that fails.
 */
void privilege_reduce(void);

/*
 * Opens a directory that is empty and stays so, since it has been removed.
 * Returns its fd, or -1 after logging why.
 */
int privilege_empty_root(void);

#endif
