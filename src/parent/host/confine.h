/*
 * The sandbox of the parent, which its children inherit.
 */
#ifndef VRNGD_CONFINE_H
#define VRNGD_CONFINE_H

/*
 * Sets no_new_privs and a system call filter.  All children inherit the filter,
 * so it denies only calls that no process of the daemon needs: they fail with
 * EPERM, clone3(2) with ENOSYS.  Ends the process on failure.
 */
void confine_parent(void);

#endif
