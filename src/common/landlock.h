/*
 * Landlock (Linux 5.13 and later): a ruleset that handles all access rights of
 * the running kernel and allows none of them.
 */
#ifndef VRNGD_LANDLOCK_H
#define VRNGD_LANDLOCK_H

/* The kernel's Landlock ABI version, or 0 if it is missing or disabled. */
int landlock_version(void);

/*
 * Denies this thread, and the threads that it starts, all that Landlock
 * controls.  Needs no_new_privs.  Returns 0, or -1 with errno.
 */
int landlock_deny_all(void);

#endif
