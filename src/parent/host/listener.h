/*
 * Listeners: the unix sockets for guests, services and vrngctl.
 */
#ifndef VRNGD_LISTENER_H
#define VRNGD_LISTENER_H

#include <sys/stat.h>
#include <sys/types.h>

#include <stdint.h>
#include <systemd/sd-event.h>

struct listener {
	const char *path; /* NULL: passed by systemd */
	int fd;
	dev_t dev; /* of the socket file */
	ino_t ino;
	uint64_t mount; /* of the file; 0: to look at it may wait */
};

/* The owner, group and mode of a socket file. */
struct listener_rights {
	uid_t owner; /* -1: that of the process */
	gid_t group; /* -1: that of the process */
	mode_t mode; /* 0: from umask(2) */
};
#define LISTENER_RIGHTS_DEFAULT \
	((struct listener_rights){ .owner = (uid_t)-1, .group = (gid_t)-1 })

/*
 * Creates a socket of that type at `path` (which must outlive the listener),
 * and listens; connections fail until its owner and mode are set.  Replaces a
 * stale socket file, but no other file.  Returns 0, or -1 after logging the
 * error; errno is EADDRINUSE if another process listens there.
 */
int listener_open(struct listener *, const char *path, int type,
    const struct listener_rights *);

/*
 * Changes owner and mode of the socket file, but not of another file at its
 * path.  Returns 0, or -1 after logging the error.
 */
int listener_protect(const struct listener *, const struct listener_rights *);

/* The state of a socket file. */
enum listener_file {
	LISTENER_FILE_PRESENT,
	LISTENER_FILE_MISSING,	/* no file at the path */
	LISTENER_FILE_REPLACED, /* another file */
};

/*
 * Notes the file at the path of an adopted socket; compares the file at the
 * path of a listener with the one that was there at first.  Without a known
 * file, nothing is missing.
 */
void listener_note_file(struct listener *, const char *path);
enum listener_file listener_file(const struct listener *, const char *path);

/*
 * Looks up a directory without waiting for its file system.  Returns a
 * descriptor (O_PATH), or -1 with errno: EAGAIN, if the kernel does not hold
 * that name, which shows that no listener's file is there.  May wait where
 * openat2(2) is not allowed, as in the systemd unit.
 */
int listener_directory(const char *path, struct statx *);

/*
 * Replaces a listener whose file is missing or was replaced by a new one at its
 * path.  Returns the old descriptor, for deferred_close(); or -1 after logging
 * the error, without a change.
 */
int listener_bind_again(struct listener *, int type,
    const struct listener_rights *);

/* Adopts a listening socket.  Returns 0, or -1 with the reason in `*why`. */
int listener_adopt(struct listener *, int fd, const char **why);

/* The path that a unix socket is bound to, allocated; NULL if it has none. */
char *listener_path(int fd);

/*
 * Removes the socket file if this process created it.  Returns the fd, which
 * the caller owns from now on, or -1 if there is none.
 */
int listener_release(struct listener *);

/* The same, and closes it by a short-lived process (deferred_close.h). */
void listener_close(struct listener *, sd_event *);

#endif
