/*
 * Opens sources without reading them.  Used by pool_source.c.
 */
#include <sys/socket.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "parent/pool/socket.h"
#include "parent/pool/source_open.h"
#include "parent/pool/unit_hint.h"
#include "parent/pool/usb.h"

#define BACKLOG	       1
#define RECEIVE_BUFFER 8192 /* bytes */

static int __attribute__((format(printf, 2, 3)))
fail(char why[SOURCE_WHY_SIZE], const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, SOURCE_WHY_SIZE, fmt, ap);
	va_end(ap);
	return -1;
}

bool
source_needs_fd(const struct config_source *cs)
{
	return cs->spec.kind != SOURCE_KERNEL && cs->spec.kind != SOURCE_CPU;
}

bool
source_is_kept(const struct config_source *cs)
{
	return cs->listen || cs->replay;
}

static bool
same_text(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

bool
source_shares_kept(const struct config_source *a, const struct config_source *b)
{
	return source_is_kept(a) && a->spec.kind == b->spec.kind &&
	    a->listen == b->listen && a->replay == b->replay &&
	    a->socket.transport == b->socket.transport &&
	    a->socket.port == b->socket.port &&
	    same_text(a->socket.where, b->socket.where);
}

/* Fails with the reason of errno. */
static int
fail_device(const struct config_source *cs, char why[SOURCE_WHY_SIZE])
{
	return fail(why, "%s%s", strerror(errno),
	    unit_hint_device(cs->socket.where, errno));
}

static int
fail_socket(const struct config_source *cs, char why[SOURCE_WHY_SIZE])
{
	return fail(why, "%s%s", strerror(errno),
	    cs->socket.transport == CONFIG_UNIX ? ""
						: unit_hint_network(errno));
}

/* Checks the kind of file.  Returns 0, or -1 with the reason. */
static int
check_device(const struct config_source *cs, const struct stat *st,
    char why[SOURCE_WHY_SIZE])
{
	if (S_ISREG(st->st_mode) && !cs->replay)
		return fail(why,
		    "a regular file repeats its bytes after every start: use "
		    "a device or a FIFO, or replay = yes for a test");
	if (!S_ISREG(st->st_mode) && cs->replay)
		return fail(why, "replay needs a regular file");
	if (!S_ISREG(st->st_mode) && !S_ISCHR(st->st_mode) &&
	    !S_ISFIFO(st->st_mode))
		return fail(why, "not a character device or a FIFO");
	return 0;
}

int
source_check(const struct config_source *cs, char why[SOURCE_WHY_SIZE])
{
	struct stat st;

	switch (cs->spec.kind) {
	case SOURCE_DEVICE:
	case SOURCE_SERIAL:
		/* An error, for example of a driver, may pass. */
		return stat(cs->socket.where, &st) == -1
		    ? 0
		    : check_device(cs, &st, why);
	default:
		return 0;
	}
}

/*
 * Opens the checked file by its O_PATH descriptor: its path may lead to another
 * file by now.
 */
static int
open_again(int path_fd, int flags)
{
	char link[32];

	snprintf(link, sizeof(link), "/proc/self/fd/%d", path_fd);
	return open(link, flags);
}

/*
 * A FIFO is opened for writing too, so that the end of one writer is not the
 * end of file for the reader, and that opening does not wait for a writer.
 */
static int
open_checked(const struct config_source *cs, int path_fd,
    char why[SOURCE_WHY_SIZE])
{
	int fd, flags = O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
	struct stat st;

	if (fstat(path_fd, &st) == -1)
		return fail_device(cs, why);
	if (check_device(cs, &st, why) == -1)
		return -1;
	flags |= S_ISFIFO(st.st_mode) || cs->spec.kind == SOURCE_SERIAL
	    ? O_RDWR
	    : O_RDONLY;
	if ((fd = open_again(path_fd, flags)) == -1)
		return fail_device(cs, why);
	/*
	 * It must not wait in open(2), which cannot be stopped: only in
	 * read(2).
	 */
	if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK) == -1) {
		close(fd);
		return fail(why, "%s", strerror(errno));
	}
	return fd;
}

/* Opening some devices has effects, which O_PATH avoids. */
static int
open_device(const struct config_source *cs, char why[SOURCE_WHY_SIZE])
{
	int path_fd, fd;

	if ((path_fd = open(cs->socket.where, O_PATH | O_CLOEXEC)) == -1)
		return fail_device(cs, why);
	fd = open_checked(cs, path_fd, why);
	close(path_fd);
	return fd;
}

/* A socket, and the address to bind or connect it to. */
static int
make_socket(const struct config_source *cs, union socket_address *a,
    socklen_t *len, char why[SOURCE_WHY_SIZE])
{
	const int ahead = RECEIVE_BUFFER;
	int fd;

	fd = socket_make(cs->socket.transport, cs->socket.where,
	    cs->socket.port, a, len);
	if (fd == -1)
		return fail_socket(cs, why);
	/* A stream must not send much ahead while it is not read. */
	if (cs->spec.kind == SOURCE_STREAM &&
	    cs->socket.transport != CONFIG_UDP)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &ahead, sizeof(ahead));
	return fd;
}

static int
open_connection(const struct config_source *cs, char why[SOURCE_WHY_SIZE])
{
	union socket_address a;
	socklen_t len;
	int fd;

	if ((fd = make_socket(cs, &a, &len, why)) == -1)
		return -1;
	if (connect(fd, &a.sa, len) == -1 && errno != EINPROGRESS) {
		fail_socket(cs, why);
		close(fd);
		return -1;
	}
	socket_keep_alive(fd, true);
	return fd;
}

static int
open_usb(const struct config_source *cs, char why[SOURCE_WHY_SIZE])
{
	const char *reason;
	int fd;

	fd = usb_open(cs->vendor, cs->product, cs->usb_serial, &reason);
	return fd == -1 ? fail(why, "%s", reason) : fd;
}

int
source_open(const struct config_source *cs, char why[SOURCE_WHY_SIZE])
{
	switch (cs->spec.kind) {
	case SOURCE_DEVICE:
	case SOURCE_SERIAL:
		return open_device(cs, why);
	case SOURCE_QNG:
		return open_usb(cs, why);
	default:
		return open_connection(cs, why);
	}
}

int
source_accept(int kept)
{
	int fd;

	fd = accept4(kept, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd != -1)
		socket_keep_alive(fd, true);
	return fd;
}

int
source_keep(const struct config_source *cs, char why[SOURCE_WHY_SIZE])
{
	const int yes = 1;
	union socket_address a;
	socklen_t len;
	int fd;

	if (cs->replay)
		return open_device(cs, why);
	if ((fd = make_socket(cs, &a, &len, why)) == -1)
		return -1;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) == -1 ||
	    bind(fd, &a.sa, len) == -1 ||
	    (cs->socket.transport == CONFIG_TCP && listen(fd, BACKLOG) == -1)) {
		fail_socket(cs, why);
		close(fd);
		return -1;
	}
	return fd;
}
