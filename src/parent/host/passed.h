/*
 * Descriptors that systemd passes at the start (sd_listen_fds(3)): listening
 * sockets of socket units, and the contents of the file descriptor store.  The
 * prefix of the name is the kind of the descriptor.
 */
#ifndef VRNGD_PASSED_H
#define VRNGD_PASSED_H

#include <sys/queue.h>

#include <stdbool.h>
#include <stddef.h>

/* Prefixes of socket units, followed by the name of a guest or service. */
#define PASSED_GUEST  "guest-"
#define PASSED_EGD    "egd-"
#define PASSED_STREAM "stream-"
/* Prefixes of the store. */
#define PASSED_LISTENER "g-" /* NAME, or NAME+POOL+CLASS, either may be "" */
#define PASSED_SESSION	"s-" /* NAME */
#define PASSED_CLIENTS	"c-" /* guest+NAME+NUMBER, or egd or stream */

#define PASSED_NAME_SIZE 256 /* the longest name, with the NUL */

struct passed_fd {
	TAILQ_ENTRY(passed_fd) entry;
	char name[PASSED_NAME_SIZE];
	int fd; /* with FD_CLOEXEC */
};

TAILQ_HEAD(passed_fds, passed_fd);

struct passed {
	struct passed_fds fds; /* in their order */
};

/*
 * Reads the passed descriptors, if any, and removes them from the environment.
 * Closes and logs descriptors with an unknown prefix or a duplicate name.
 * Returns 0, or -1 after logging the error, if the numbers of names and
 * descriptors differ.
 */
int passed_read(struct passed *);

/*
 * Removes the first descriptor whose name begins with `prefix`.  Returns its
 * fd, which the caller owns, and the rest of its name; or -1 if there is none.
 */
int passed_take(struct passed *, const char *prefix,
    char name[PASSED_NAME_SIZE]);

/* Removes the descriptor with that prefix and name.  -1: none. */
int passed_claim(struct passed *, const char *prefix, const char *name);

/*
 * Finds the descriptor with that prefix and name, without removing it; -1:
 * none.
 */
int passed_find(const struct passed *, const char *prefix, const char *name);

/* Whether a name is a name in the store. */
bool passed_is_stored(const char *name);

/* Closes the remaining descriptors. */
void passed_close(struct passed *);

#endif
