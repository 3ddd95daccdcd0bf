/*
 * Makes a service's socket, listening or connecting.  Used by outlet.c, and by
 * the state to open sockets before they are needed.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "parent/endpoint/outlet_socket.h"
#include "parent/pool/socket.h"
#include "parent/pool/unit_hint.h"

/*
 * A UDP socket is told of datagrams that nobody wanted, though it sends to
 * anybody; one of IPv6 is for that alone, so that addresses are what they seem.
 * Who is accepted by TCP has its options.
 */
static int
set_options(int fd, int family, bool datagrams)
{
	const int yes = 1;

	socket_keep_alive(fd, false);
	if (family == AF_INET6 &&
	    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &yes, sizeof(yes)) == -1)
		return -1;
	if (!datagrams)
		return 0;
	if (family == AF_INET6)
		return setsockopt(fd, IPPROTO_IPV6, IPV6_RECVERR, &yes,
		    sizeof(yes));
	return setsockopt(fd, IPPROTO_IP, IP_RECVERR, &yes, sizeof(yes));
}

static bool
option_is(int fd, int option, int wanted)
{
	int value;
	socklen_t len = sizeof(value);

	return getsockopt(fd, SOL_SOCKET, option, &value, &len) == 0 &&
	    value == wanted;
}

/* Whether a socket is what the outlet is to have. */
static bool
is_fit(int fd, const struct config_outlet *co)
{
	bool datagrams = co->socket.transport == CONFIG_UDP;

	if (co->socket.transport == CONFIG_UNIX
		? !option_is(fd, SO_DOMAIN, AF_UNIX)
		: !option_is(fd, SO_DOMAIN, AF_INET) &&
		    !option_is(fd, SO_DOMAIN, AF_INET6))
		return false;
	return option_is(fd, SO_TYPE, datagrams ? SOCK_DGRAM : SOCK_STREAM) &&
	    (datagrams || option_is(fd, SO_ACCEPTCONN, 1));
}

int
outlet_socket_pass(struct listener *l, const struct config_outlet *co, int fd)
{
	const int yes = 1;
	int flags = fcntl(fd, F_GETFL);

	*l = (struct listener){ .fd = -1 };
	if (!is_fit(fd, co))
		return -1;
	if (co->socket.transport == CONFIG_UDP) {
		/* One of them does not apply. */
		setsockopt(fd, IPPROTO_IP, IP_RECVERR, &yes, sizeof(yes));
		setsockopt(fd, IPPROTO_IPV6, IPV6_RECVERR, &yes, sizeof(yes));
	} else
		socket_keep_alive(fd, false);
	if (flags == -1 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) == -1)
		return -1;
	l->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	return l->fd == -1 ? -1 : 0;
}

void
outlet_socket_place(struct config_outlet *co, int fd)
{
	char text[INET6_ADDRSTRLEN];
	union socket_address a = { 0 };
	socklen_t len = sizeof(a);
	const char *where = NULL;

	if (getsockname(fd, &a.sa, &len) == -1 || len > sizeof(a))
		return;
	switch (a.sa.sa_family) {
	case AF_UNIX:
		if (a.sun.sun_path[0] == '/')
			co->socket.where = strndup(a.sun.sun_path,
			    len - offsetof(struct sockaddr_un, sun_path));
		return;
	case AF_INET:
		where = inet_ntop(AF_INET, &a.sin.sin_addr, text, sizeof(text));
		co->socket.port = ntohs(a.sin.sin_port);
		break;
	case AF_INET6:
		where =
		    inet_ntop(AF_INET6, &a.sin6.sin6_addr, text, sizeof(text));
		co->socket.port = ntohs(a.sin6.sin6_port);
		break;
	}
	if (where != NULL)
		co->socket.where = strdup(where);
}

/*
 * Whether others that want it too may have the port.  Of UDP that is so only
 * for a moment, as it would be anybody who may.
 */
static int
set_reuse(int fd, bool reuse)
{
	const int value = reuse;

	return setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &value, sizeof(value));
}

void
outlet_socket_retire(int fd, const struct config_outlet *co)
{
	if (co->connect || co->socket.passed ||
	    co->socket.transport == CONFIG_UNIX)
		return;
	set_reuse(fd, true);
	if (co->socket.transport == CONFIG_TCP)
		shutdown(fd, SHUT_RDWR);
}

static int
listen_inet(const struct config_outlet *co)
{
	bool datagrams = co->socket.transport == CONFIG_UDP;
	union socket_address a;
	socklen_t len;
	int fd;

	fd = socket_make(co->socket.transport, co->socket.where,
	    co->socket.port, &a, &len);
	if (fd == -1)
		return -1;
	if (set_options(fd, a.sa.sa_family, datagrams) == 0 &&
	    set_reuse(fd, true) == 0 && bind(fd, &a.sa, len) == 0 &&
	    set_reuse(fd, !datagrams) == 0 &&
	    (datagrams || listen(fd, SOMAXCONN) == 0))
		return fd;
	close(fd);
	return -1;
}

int
outlet_socket_listen(struct listener *l, const struct config_outlet *co)
{
	char text[CONFIG_WHERE_SIZE];

	*l = (struct listener){ .fd = -1 };
	if (co->connect)
		return 0;
	if (co->socket.transport == CONFIG_UNIX) {
		if (listener_open(l, co->socket.where, SOCK_STREAM,
			&co->rights) == -1)
			return -1;
		/* Many may come at once; whoever cannot wait is refused. */
		return listen(l->fd, SOMAXCONN);
	}
	if ((l->fd = listen_inet(co)) != -1)
		return 0;
	log_error("%s: cannot listen there: %s%s",
	    config_socket_text(&co->socket, text, sizeof(text)),
	    strerror(errno), unit_hint_network(errno));
	return -1;
}

/*
 * Has datagrams come from the port that was configured, if one was: some peers
 * take them from nowhere else.
 */
static int
bind_local(int fd, const struct config_outlet *co, int family)
{
	union socket_address a;
	socklen_t len = sizeof(a.sin);

	if (co->local_port == 0)
		return 0;
	memset(&a, 0, sizeof(a));
	a.sa.sa_family = (sa_family_t)family;
	if (family == AF_INET6) {
		a.sin6.sin6_port = htons(co->local_port);
		len = sizeof(a.sin6);
	} else
		a.sin.sin_port = htons(co->local_port);
	return bind(fd, &a.sa, len);
}

int
outlet_socket_connect(const struct config_outlet *co, bool *pending)
{
	union socket_address a;
	socklen_t len;
	int fd, error;

	fd = socket_make(co->socket.transport, co->socket.where,
	    co->socket.port, &a, &len);
	if (fd == -1)
		return -1;
	*pending = bind_local(fd, co, a.sa.sa_family) == -1 ||
	    connect(fd, &a.sa, len) == -1;
	if (*pending && errno != EINPROGRESS) {
		error = errno;
		close(fd);
		errno = error;
		return -1;
	}
	socket_keep_alive(fd, false);
	return fd;
}

int
outlet_socket_error(int fd)
{
	int error;
	socklen_t len = sizeof(error);

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) == -1)
		return errno;
	return error;
}
