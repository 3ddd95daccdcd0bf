/*
 * What systemd is to a service: passes it descriptors by their names, receives
 * what it notifies of, and keeps what it wants to be kept for the next start.
 */
#ifndef MANAGER_H
#define MANAGER_H

#include "integration/admin.h"

#define MANAGER_FDS   64
#define MANAGER_STORE 16 /* size of the store, in FDSTORE */

struct manager {
	struct suite *s;
	int fd;	       /* what is notified of */
	char path[96]; /* of that */
	struct {
		char name[256];
		int fd;
	} units[MANAGER_FDS], store[MANAGER_FDS];
	size_t nunits;
	size_t nstored;
	char said[4096]; /* messages, a line each, fields separated by spaces */
	const char *names; /* in place of the right ones, or NULL */
	bool unstoring;	   /* its store has room for nothing from now on */
};

/* The manager of a suite's daemon, which starts as one from now on. */
void manager_open(struct manager *, struct suite *);
void manager_close(struct manager *);

/* A listening unix stream socket at DIR/name. */
int manager_listen(struct manager *, const char *name);

/* Has a socket, which is the manager's from now on, passed at each start. */
void manager_unit(struct manager *, const char *name, int fd);

/*
 * What has come since the last time: in the store, and in `said`, but for what
 * is about sessions.
 */
void manager_hear(struct manager *);

/* How many in the store have names that begin so. */
size_t manager_stored(const struct manager *, const char *prefix);

/*
 * Runs `vrngctl guest adopt` with `n` descriptors, as a unit does: its exit
 * status, and what it printed.
 */
int manager_adopt(struct manager *, const int *fds, size_t n, const char *name,
    const char *class, const char *pool, char *out, size_t size);

#endif
