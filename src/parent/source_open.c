#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <arpa/inet.h>
#include <bsd/string.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "source_open.h"
#include "usb.h"

#define BACKLOG 1

/* A peer that has vanished is noticed after a minute. */
#define KEEPALIVE_IDLE	   30 /* s */
#define KEEPALIVE_INTERVAL 10 /* s */
#define KEEPALIVE_COUNT	   3

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
	    a->transport == b->transport && a->port == b->port &&
	    same_text(a->path, b->path) && same_text(a->address, b->address);
}

/*
 * A FIFO is opened for writing too, so that the end of one writer is not the
 * end of file for the reader, and that opening does not wait for a writer.
 */
static int
open_device(const struct config_source *cs, char why[SOURCE_WHY_SIZE])
{
	int fd, flags = O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
	struct stat st;

	if (stat(cs->path, &st) == -1)
		return fail(why, "%s", strerror(errno));
	if (S_ISREG(st.st_mode) && !cs->replay)
		return fail(why,
		    "it is a regular file, whose bytes would be served again "
		    "after every start: give a device or a FIFO (or, for a "
		    "test, replay = yes)");
	if (!S_ISREG(st.st_mode) && cs->replay)
		return fail(why,
		    "replay is for a regular file, which it is not");
	if (!S_ISREG(st.st_mode) && !S_ISCHR(st.st_mode) &&
	    !S_ISFIFO(st.st_mode))
		return fail(why, "it is neither a character device nor a FIFO");
	flags |= S_ISFIFO(st.st_mode) || cs->spec.kind == SOURCE_SERIAL
	    ? O_RDWR
	    : O_RDONLY;
	if ((fd = open(cs->path, flags)) == -1)
		return fail(why, "%s", strerror(errno));
	/* Not to wait in open(2), where nobody can stop it: only in read(2). */
	if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK) == -1) {
		close(fd);
		return fail(why, "%s", strerror(errno));
	}
	return fd;
}

union address {
	struct sockaddr sa;
	struct sockaddr_un sun;
	struct sockaddr_in sin;
	struct sockaddr_in6 sin6;
};

/* The socket address of a source, whose text is known to be good. */
static socklen_t
address_of(const struct config_source *cs, union address *a)
{
	memset(a, 0, sizeof(*a));
	if (cs->transport == CONFIG_UNIX) {
		a->sun.sun_family = AF_UNIX;
		strlcpy(a->sun.sun_path, cs->path, sizeof(a->sun.sun_path));
		return sizeof(a->sun);
	}
	if (inet_pton(AF_INET, cs->address, &a->sin.sin_addr) == 1) {
		a->sin.sin_family = AF_INET;
		a->sin.sin_port = htons(cs->port);
		return sizeof(a->sin);
	}
	inet_pton(AF_INET6, cs->address, &a->sin6.sin6_addr);
	a->sin6.sin6_family = AF_INET6;
	a->sin6.sin6_port = htons(cs->port);
	return sizeof(a->sin6);
}

/* Has TCP find out that the other side is gone; not a TCP socket: nothing. */
static void
keep_alive(int fd)
{
	static const struct {
		int option;
		int value;
	} options[] = {
		{ TCP_KEEPIDLE, KEEPALIVE_IDLE },
		{ TCP_KEEPINTVL, KEEPALIVE_INTERVAL },
		{ TCP_KEEPCNT, KEEPALIVE_COUNT },
		{ TCP_USER_TIMEOUT,
		    (KEEPALIVE_IDLE + KEEPALIVE_INTERVAL * KEEPALIVE_COUNT) *
			1000 },
	};
	const int yes = 1;

	for (size_t i = 0; i < sizeof(options) / sizeof(*options); i++)
		if (setsockopt(fd, IPPROTO_TCP, options[i].option,
			&options[i].value, sizeof(options[i].value)) == -1)
			return;
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &yes, sizeof(yes));
}

/* A socket, and the address that it is to be bound or connected to. */
static int
make_socket(const struct config_source *cs, union address *a, socklen_t *len,
    char why[SOURCE_WHY_SIZE])
{
	int fd, type = SOCK_CLOEXEC | SOCK_NONBLOCK;

	type |= cs->transport == CONFIG_UDP ? SOCK_DGRAM : SOCK_STREAM;
	*len = address_of(cs, a);
	if ((fd = socket(a->sa.sa_family, type, 0)) == -1)
		return fail(why, "%s", strerror(errno));
	return fd;
}

static int
open_connection(const struct config_source *cs, char why[SOURCE_WHY_SIZE])
{
	union address a;
	socklen_t len;
	int fd;

	if ((fd = make_socket(cs, &a, &len, why)) == -1)
		return -1;
	if (connect(fd, &a.sa, len) == -1 && errno != EINPROGRESS) {
		fail(why, "%s", strerror(errno));
		close(fd);
		return -1;
	}
	keep_alive(fd);
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
		keep_alive(fd);
	return fd;
}

int
source_keep(const struct config_source *cs, char why[SOURCE_WHY_SIZE])
{
	const int yes = 1;
	union address a;
	socklen_t len;
	int fd;

	if (cs->replay)
		return open_device(cs, why);
	if ((fd = make_socket(cs, &a, &len, why)) == -1)
		return -1;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) == -1 ||
	    bind(fd, &a.sa, len) == -1 ||
	    (cs->transport == CONFIG_TCP && listen(fd, BACKLOG) == -1)) {
		fail(why, "%s", strerror(errno));
		close(fd);
		return -1;
	}
	return fd;
}
