/*
 * Creates listening unix sockets with owner and mode, and removes them.  Used
 * by guests, services, sources and the control socket.
 */
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/vfs.h>

#include <bsd/string.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "parent/host/deferred_close.h"
#include "parent/host/listener.h"
#include "common/log.h"

#define BACKLOG 16
#define LOOKS	8 /* at a name that others change */

/*
 * Tries to connect to a socket file.  Returns ECONNREFUSED for a stale file, 0
 * if a process listens, or another errno.
 */
static int
probe(const struct sockaddr_un *sun, int type)
{
	int fd, error = 0;

	fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd == -1)
		return errno;
	if (connect(fd, (const struct sockaddr *)sun, sizeof(*sun)) == -1 &&
	    errno != EAGAIN)
		error = errno;
	close(fd);
	return error;
}

/* Removes a stale socket file.  Returns 0, or -1 after logging the error. */
static int
clear_path(const struct sockaddr_un *sun, int type)
{
	struct stat st;
	int error;

	if (lstat(sun->sun_path, &st) == -1) {
		if (errno == ENOENT)
			return 0;
		log_error("socket %s: %s", sun->sun_path, strerror(errno));
		return -1;
	}
	if (!S_ISSOCK(st.st_mode)) {
		log_error("socket %s: file exists and is not a socket: remove "
			  "it, or use another path",
		    sun->sun_path);
		return -1;
	}
	error = probe(sun, type);
	if (error != ECONNREFUSED) {
		log_error("socket %s: %s", sun->sun_path,
		    error == 0 ? "another process listens there"
			       : strerror(error));
		errno = error == 0 ? EADDRINUSE : error;
		return -1;
	}
	if (unlink(sun->sun_path) == -1) {
		log_error("socket %s: cannot remove the stale socket: %s",
		    sun->sun_path, strerror(errno));
		return -1;
	}
	return 0;
}

/* Opens the socket file that this process created, if it is still there. */
static int
open_file(const struct listener *l, struct stat *st)
{
	int fd;

	fd = open(l->path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd == -1)
		return -1;
	if (fstat(fd, st) == 0 && st->st_dev == l->dev && st->st_ino == l->ino)
		return fd;
	close(fd);
	errno = ESTALE;
	return -1;
}

/* Changes the mode of a file of another owner, which needs its ownership. */
static int
set_mode(int fd, const struct stat *st, mode_t mode)
{
	char link[32];

	if (mode == 0 || (st->st_mode & ALLPERMS) == mode)
		return 0;
	if (st->st_uid != geteuid() &&
	    fchownat(fd, "", geteuid(), (gid_t)-1, AT_EMPTY_PATH) == -1)
		return -1;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	if (chmod(link, mode) == -1)
		return -1;
	return st->st_uid == geteuid()
	    ? 0
	    : fchownat(fd, "", st->st_uid, (gid_t)-1, AT_EMPTY_PATH);
}

int
listener_protect(const struct listener *l, const struct listener_rights *rights)
{
	struct stat st;
	int fd, r = -1;

	if ((fd = open_file(l, &st)) != -1) {
		r = set_mode(fd, &st, rights->mode);
		if (r == 0 &&
		    (rights->owner != (uid_t)-1 || rights->group != (gid_t)-1))
			r = fchownat(fd, "", rights->owner, rights->group,
			    AT_EMPTY_PATH);
	}
	if (r == -1)
		log_error("socket %s: cannot set its owner and mode: %s",
		    l->path, strerror(errno));
	if (fd != -1)
		close(fd);
	return r;
}

static bool
is_distant(const char *path)
{
	struct statfs fs;

	if (statfs(path, &fs) == -1)
		return true;
	switch ((uint32_t)fs.f_type) {
	case AFS_SUPER_MAGIC:
	case CEPH_SUPER_MAGIC:
	case CIFS_SUPER_MAGIC:
	case FUSE_SUPER_MAGIC:
	case NFS_SUPER_MAGIC:
	case SMB2_SUPER_MAGIC:
	case V9FS_MAGIC:
		return true;
	default:
		return false;
	}
}

/* Notes what file it is, to find out later whether it is still there. */
static int
note_file(struct listener *l, const char *path)
{
	struct statx sx;

	if (statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW,
		STATX_TYPE | STATX_INO | STATX_MNT_ID, &sx) == -1 ||
	    !S_ISSOCK(sx.stx_mode))
		return -1;
	l->dev = makedev(sx.stx_dev_major, sx.stx_dev_minor);
	l->ino = sx.stx_ino;
	l->mount = is_distant(path) ? 0 : sx.stx_mnt_id;
	return 0;
}

int
listener_open(struct listener *l, const char *path, int type,
    const struct listener_rights *rights)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };

	*l = (struct listener){ .fd = -1 };
	if (strlcpy(sun.sun_path, path, sizeof(sun.sun_path)) >=
	    sizeof(sun.sun_path)) {
		log_error("socket %s: path is too long", path);
		return -1;
	}
	if (clear_path(&sun, type) == -1)
		return -1;
	l->fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (l->fd == -1 ||
	    bind(l->fd, (struct sockaddr *)&sun, sizeof(sun)) == -1 ||
	    note_file(l, path) == -1)
		goto fail;
	l->path = path;
	if (listener_protect(l, rights) == -1) {
		close(listener_release(l));
		errno = EPERM;
		return -1;
	}
	if (listen(l->fd, BACKLOG) == 0)
		return 0;
fail:
	log_error("socket %s: %s%s", path, strerror(errno),
	    errno == ENOENT ? ": create its directory first" : "");
	if (l->fd != -1)
		close(listener_release(l));
	return -1;
}

void
listener_note_file(struct listener *l, const char *path)
{
	if (path != NULL)
		(void)note_file(l, path);
}

enum listener_file
listener_file(const struct listener *l, const char *path)
{
	struct stat st;

	if (path == NULL || l->ino == 0)
		return LISTENER_FILE_PRESENT;
	if (lstat(path, &st) == -1)
		return errno == ENOENT ? LISTENER_FILE_MISSING
				       : LISTENER_FILE_PRESENT;
	return st.st_dev == l->dev && st.st_ino == l->ino
	    ? LISTENER_FILE_PRESENT
	    : LISTENER_FILE_REPLACED;
}

int
listener_directory(const char *path, struct statx *sx)
{
	const struct open_how how = { .flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
		.resolve = RESOLVE_CACHED };
	long fd = -1;
	int error;

	/* A concurrent rename(2) or mount(2) makes it fail, too. */
	for (int i = 0; i < LOOKS && fd == -1; i++) {
		fd = syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));
		if (fd == -1 && errno != EAGAIN)
			break;
	}
	/* RestrictSUIDSGID= of systemd does not allow openat2(). */
	if (fd == -1 && errno == ENOSYS)
		fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd == -1 ||
	    statx((int)fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC,
		STATX_MTIME | STATX_MNT_ID, sx) == 0)
		return (int)fd;
	error = errno;
	close((int)fd);
	errno = error;
	return -1;
}

int
listener_bind_again(struct listener *l, int type,
    const struct listener_rights *rights)
{
	enum listener_file file = listener_file(l, l->path);
	struct listener new;
	int old = l->fd;

	if (listener_open(&new, l->path, type, rights) == -1)
		return -1;
	log_warning("socket %s: its file was %s: listening at a new one",
	    l->path, file == LISTENER_FILE_MISSING ? "removed" : "replaced");
	*l = new;
	return old;
}

static bool
socket_option_is(int fd, int option, int wanted)
{
	int value;
	socklen_t len = sizeof(value);

	return getsockopt(fd, SOL_SOCKET, option, &value, &len) == 0 &&
	    value == wanted;
}

int
listener_adopt(struct listener *l, int fd, const char **why)
{
	int flags = fcntl(fd, F_GETFL);

	*l = (struct listener){ .fd = -1 };
	if (flags == -1 || fcntl(fd, F_SETFD, FD_CLOEXEC) == -1) {
		*why = strerror(errno);
		return -1;
	}
	if (!socket_option_is(fd, SO_DOMAIN, AF_UNIX) ||
	    !socket_option_is(fd, SO_TYPE, SOCK_STREAM) ||
	    !socket_option_is(fd, SO_ACCEPTCONN, 1)) {
		*why = "not a listening unix stream socket";
		return -1;
	}
	if (fcntl(fd, F_SETFL, flags | O_NONBLOCK) == -1) {
		*why = strerror(errno);
		return -1;
	}
	l->fd = fd;
	return 0;
}

char *
listener_path(int fd)
{
	struct sockaddr_un sun = { .sun_family = AF_UNSPEC };
	socklen_t len = sizeof(sun);

	if (getsockname(fd, (struct sockaddr *)&sun, &len) == -1 ||
	    len <= offsetof(struct sockaddr_un, sun_path) ||
	    len > sizeof(sun) || sun.sun_path[0] != '/')
		return NULL;
	return strndup(sun.sun_path,
	    len - offsetof(struct sockaddr_un, sun_path));
}

int
listener_release(struct listener *l)
{
	struct stat st;
	int fd = l->fd;

	if (fd == -1)
		return -1;
	l->fd = -1;
	if (l->path != NULL && lstat(l->path, &st) == 0 &&
	    st.st_dev == l->dev && st.st_ino == l->ino && unlink(l->path) == -1)
		log_warning("socket %s: cannot remove it: %s", l->path,
		    strerror(errno));
	l->path = NULL;
	return fd;
}

void
listener_close(struct listener *l, sd_event *event)
{
	int fd = listener_release(l);

	/*
	 * Only a unix socket may contain descriptors; others free their port.
	 */
	if (fd != -1 && socket_option_is(fd, SO_DOMAIN, AF_UNIX))
		deferred_close_unstored(event, fd);
	else if (fd != -1)
		close(fd);
}
