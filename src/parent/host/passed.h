/*
 * What systemd passed when it started the daemon (sd_listen_fds(3)): listening
 * sockets of socket units, and what an earlier vrngd has put in the file
 * descriptor store.  Each has a name, which begins with what it is.
 */
#ifndef VRNGD_PASSED_H
#define VRNGD_PASSED_H

#include <sys/queue.h>

#include <stdbool.h>
#include <stddef.h>

/* Of socket units, followed by the name of a guest or a service. */
#define PASSED_GUEST  "guest-"
#define PASSED_EGD    "egd-"
#define PASSED_STREAM "stream-"
/* Of the store. */
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
	struct passed_fds fds; /* in the order in which they were passed */
};

/*
 * Takes up what was passed, which may be nothing, and takes that out of the
 * environment.  What has a name that begins with none of these, or that is
 * there already, is closed and logged.  Returns 0; or -1 after logging why, if
 * it cannot be told which name is whose: then nothing can be trusted.
 */
int passed_read(struct passed *);

/*
 * Takes the first whose name begins with `prefix` out of the set.  Returns its
 * fd, which is the caller's, and what follows the prefix; or -1: there is none.
 */
int passed_take(struct passed *, const char *prefix,
    char name[PASSED_NAME_SIZE]);

/* Takes the one of that name and prefix out of it.  -1: there is none. */
int passed_claim(struct passed *, const char *prefix, const char *name);

/* The one of that name and prefix, which stays in the set; -1: none. */
int passed_find(const struct passed *, const char *prefix, const char *name);

/* Whether a name is one of the store's. */
bool passed_is_stored(const char *name);

/* Closes what nobody has taken. */
void passed_close(struct passed *);

#endif
