/*
 * Applies a configuration, at the start and while guests run.
 */
#ifndef VRNGD_RELOAD_H
#define VRNGD_RELOAD_H

#include "parent/state/daemon.h"

enum reload_result {
	RELOAD_DONE,
	RELOAD_PARTLY,	  /* some sockets could not be created */
	RELOAD_UNCHANGED, /* rejected */
};

/*
 * Applies the configuration, or keeps the current one.  Guests in both keep
 * their connection and their tokens, unless they move to another pool.  Returns
 * the result, after logging errors.
 */
enum reload_result reload_apply(struct daemon *, const struct config *);

/*
 * Reports what reload_apply() would change, and which connections would end: a
 * line each, without newline, or "no changes".
 */
typedef void reload_say(void *arg, const char *line);
void reload_changes(struct daemon *, const struct config *, reload_say *,
    void *arg);

#endif
