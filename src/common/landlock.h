/*
 * Landlock (Linux 5.13 and later): a ruleset that handles everything that the
 * running kernel knows and allows none of it.
 */
#ifndef VRNGD_LANDLOCK_H
#define VRNGD_LANDLOCK_H

/* The kernel's Landlock ABI version, or 0 if it has none or it is off. */
int landlock_version(void);

/*
 * Denies this thread, and those it starts, all that Landlock controls.  Needs
 * no_new_privs.  Returns 0, or -1 with errno.
 */
int landlock_deny_all(void);

#endif
