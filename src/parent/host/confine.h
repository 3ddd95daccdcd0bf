/*
 * The parent's own sandbox, in which its children start.
 */
#ifndef VRNGD_CONFINE_H
#define VRNGD_CONFINE_H

/*
 * Gives this process no_new_privs and a filter of system calls, which what it
 * starts inherits: so the filter leaves out only what neither it nor any child
 * needs.  Those calls fail with EPERM, clone3(2) with ENOSYS.  Ends the process
 * if that cannot be had.
 */
void confine_parent(void);

#endif
