/*
 * Descriptors that systemd passes at the start (sd_listen_fds(3)): listening
 * sockets of socket units, and the contents of the file descriptor store.  The
 * prefix of the name is the kind of the descriptor.
 */
#ifndef VRNGD_LISTEN_FDS_H
#define VRNGD_LISTEN_FDS_H

#include <sys/queue.h>

#include <stdbool.h>
#include <stddef.h>

/* Prefixes of socket units, followed by the name of a guest or service. */
#define FDNAME_GUEST  "guest-"
#define FDNAME_EGD    "egd-"
#define FDNAME_STREAM "stream-"
/* Prefixes of the store. */
/* NAME, or NAME+POOL+CLASS, either may be "": adopted, and of guests added. */
#define FDNAME_LISTENER "g-"
#define FDNAME_ADDED	"a-"
#define FDNAME_SESSION	"s-" /* NAME */
#define FDNAME_CLIENTS	"c-" /* guest+NAME+NUMBER, or egd or stream */

#define FDNAME_SIZE 256 /* the longest name, with the NUL */

struct listen_fd {
	TAILQ_ENTRY(listen_fd) entry;
	char name[FDNAME_SIZE];
	int fd; /* with FD_CLOEXEC */
};

TAILQ_HEAD(listen_fd_list, listen_fd);

struct listen_fds {
	struct listen_fd_list fds; /* in their order */
};

/*
 * Reads the passed descriptors, if any, and removes them from the environment.
 * Closes and logs descriptors with an unknown prefix or a duplicate name.
 * Returns 0, or -1 after logging the error, if the numbers of names and
 * descriptors differ.
 */
int listen_fds_read(struct listen_fds *);

/*
 * Removes the first descriptor whose name begins with `prefix`.  Returns its
 * fd, which the caller owns, and the rest of its name; or -1 if there is none.
 */
int listen_fds_take(struct listen_fds *, const char *prefix,
    char name[FDNAME_SIZE]);

/* Removes the descriptor with that prefix and name.  -1: none. */
int listen_fds_claim(struct listen_fds *, const char *prefix, const char *name);

/* Whether a name is a name in the store. */
bool listen_fds_is_stored(const char *name);

/* Closes the remaining descriptors. */
void listen_fds_close(struct listen_fds *);

#endif
