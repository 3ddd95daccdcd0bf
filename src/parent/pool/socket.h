/*
 * Sockets whose addresses the configuration has: known to be good, and numeric.
 */
#ifndef VRNGD_SOCKET_H
#define VRNGD_SOCKET_H

#include <sys/socket.h>
#include <sys/un.h>

#include <netinet/in.h>
#include <stdint.h>

#include "parent/config/config.h"

union socket_address {
	struct sockaddr sa;
	struct sockaddr_un sun;
	struct sockaddr_in sin;
	struct sockaddr_in6 sin6;
};

/*
 * Makes a socket that does not block, and the address that it is to be bound or
 * connected to: of a path (unix) or of an address and a port.  Returns it, or
 * -1 with errno.
 */
int socket_make(enum config_transport, const char *where, uint16_t port,
    union socket_address *, socklen_t *);

/*
 * Has TCP find out, within a minute or so, that the other side has vanished; of
 * another kind of socket: nothing.  With `reads`, not reading for so long counts
 * as having vanished.
 */
void socket_keep_alive(int fd, bool reads);

#endif
