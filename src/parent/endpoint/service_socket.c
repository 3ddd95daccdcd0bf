/*
 * Creates the socket of a service, listening or connecting.  Used by service.c,
 * by the registry of listeners, and by the state at a reload.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "parent/endpoint/service_socket.h"
#include "parent/host/listen_fds.h"
#include "parent/pool/socket.h"
#include "parent/pool/unit_hint.h"

/*
 * A UDP socket reports datagrams that were rejected, though it is not
 * connected.  One of IPv6 takes no IPv4, so that addresses are what they seem.
 * Accepted TCP connections inherit the options.
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

bool
service_socket_fits(int fd, const struct config_service *cs)
{
	bool datagrams = cs->socket.transport == CONFIG_UDP;

	switch (cs->socket.transport) {
	case CONFIG_UNIX:
		if (!option_is(fd, SO_DOMAIN, AF_UNIX))
			return false;
		break;
	case CONFIG_VSOCK:
		if (!option_is(fd, SO_DOMAIN, AF_VSOCK))
			return false;
		break;
	default:
		if (!option_is(fd, SO_DOMAIN, AF_INET) &&
		    !option_is(fd, SO_DOMAIN, AF_INET6))
			return false;
	}
	return option_is(fd, SO_TYPE, datagrams ? SOCK_DGRAM : SOCK_STREAM) &&
	    (datagrams || option_is(fd, SO_ACCEPTCONN, 1));
}

const char *
service_socket_key(const struct config_service *cs, char *key, size_t size)
{
	if (!cs->socket.passed)
		return config_socket_text(&cs->socket, key, size);
	snprintf(key, size, "%s%s",
	    cs->kind == CONFIG_SERVICE_EGD ? FDNAME_EGD : FDNAME_STREAM,
	    cs->name);
	return key;
}

/* Fills in its address. */
static void
set_where(struct config_service *cs, int fd)
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
			cs->socket.where = strndup(a.sun.sun_path,
			    len - offsetof(struct sockaddr_un, sun_path));
		return;
	case AF_INET:
		where = inet_ntop(AF_INET, &a.sin.sin_addr, text, sizeof(text));
		cs->socket.port = ntohs(a.sin.sin_port);
		break;
	case AF_INET6:
		where =
		    inet_ntop(AF_INET6, &a.sin6.sin6_addr, text, sizeof(text));
		cs->socket.port = ntohs(a.sin6.sin6_port);
		break;
	case AF_VSOCK:
		/* A larger one is not shown. */
		if (a.svm.svm_port <= UINT16_MAX)
			cs->socket.port = (uint16_t)a.svm.svm_port;
		break;
	}
	if (where != NULL)
		cs->socket.where = strdup(where);
}

void
service_socket_adopt(struct config_service *cs, int fd)
{
	const int yes = 1;
	int flags = fcntl(fd, F_GETFL);

	if (cs->socket.transport == CONFIG_UDP) {
		/* One of them does not apply to the socket. */
		setsockopt(fd, IPPROTO_IP, IP_RECVERR, &yes, sizeof(yes));
		setsockopt(fd, IPPROTO_IPV6, IPV6_RECVERR, &yes, sizeof(yes));
	} else
		socket_keep_alive(fd, false);
	if (flags != -1)
		fcntl(fd, F_SETFL, flags | O_NONBLOCK);
	set_where(cs, fd);
}

/*
 * Whether others that want it too may have the port.  Of UDP that is so only
 * for a moment, as any process could take it.
 */
static int
set_reuse(int fd, bool reuse)
{
	const int value = reuse;

	return setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &value, sizeof(value));
}

void
service_socket_retire(int fd)
{
	if (option_is(fd, SO_DOMAIN, AF_UNIX))
		return;
	set_reuse(fd, true);
	if (option_is(fd, SO_TYPE, SOCK_STREAM))
		shutdown(fd, SHUT_RDWR);
}

static int
listen_inet(const struct config_service *cs)
{
	bool datagrams = cs->socket.transport == CONFIG_UDP;
	union socket_address a;
	socklen_t len;
	int fd;

	fd = socket_make(cs->socket.transport, cs->socket.where,
	    cs->socket.port, &a, &len);
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

/* What to do if it cannot listen. */
static const char *
hint(const struct config_service *cs, int error)
{
	return cs->socket.transport == CONFIG_VSOCK && error == EAFNOSUPPORT
	    ? " (check that the kernel has vsock: modprobe vhost_vsock; "
	      "vrngd.service needs network.conf of the examples)"
	    : unit_hint_network(error);
}

int
service_socket_listen(const struct config_service *cs)
{
	char text[CONFIG_WHERE_SIZE];
	int fd = listen_inet(cs);

	if (fd == -1)
		log_error("%s: cannot listen: %s%s",
		    config_socket_text(&cs->socket, text, sizeof(text)),
		    strerror(errno), hint(cs, errno));
	return fd;
}

/*
 * Binds the configured source port of datagrams, if any: some peers accept them
 * only from this port.
 */
static int
bind_local(int fd, const struct config_service *cs, int family)
{
	union socket_address a;
	socklen_t len = sizeof(a.sin);

	if (cs->local_port == 0)
		return 0;
	memset(&a, 0, sizeof(a));
	a.sa.sa_family = (sa_family_t)family;
	if (family == AF_INET6) {
		a.sin6.sin6_port = htons(cs->local_port);
		len = sizeof(a.sin6);
	} else
		a.sin.sin_port = htons(cs->local_port);
	return bind(fd, &a.sa, len);
}

int
service_socket_connect(const struct config_service *cs, bool *pending)
{
	union socket_address a;
	socklen_t len;
	int fd, error;

	fd = socket_make(cs->socket.transport, cs->socket.where,
	    cs->socket.port, &a, &len);
	if (fd == -1)
		return -1;
	*pending = bind_local(fd, cs, a.sa.sa_family) == -1 ||
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
service_socket_error(int fd)
{
	int error;
	socklen_t len = sizeof(error);

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) == -1)
		return errno;
	return error;
}
