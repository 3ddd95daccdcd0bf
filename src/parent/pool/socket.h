/*
 * Sockets at addresses of the configuration, which are valid and numeric.
 */
#ifndef VRNGD_SOCKET_H
#define VRNGD_SOCKET_H

#include <sys/socket.h>
#include <sys/un.h>

#include <linux/vm_sockets.h>
#include <netinet/in.h>
#include <stdint.h>

#include "parent/config/config.h"

union socket_address {
	struct sockaddr sa;
	struct sockaddr_un sun;
	struct sockaddr_in sin;
	struct sockaddr_in6 sin6;
	struct sockaddr_vm svm;
};

/*
 * Creates a non-blocking socket, and the address to bind or connect it to: from
 * a path (unix), from an address and a port, or from a port (vsock).  Returns
 * it, or -1 with errno.
 */
int socket_make(enum config_transport, const char *where, uint16_t port,
    union socket_address *, socklen_t *);

/*
 * Lets TCP detect a vanished peer within about a minute; with `reads`, a peer
 * that does not read for so long counts as vanished.  No effect on other
 * sockets.
 */
void socket_keep_alive(int fd, bool reads);

#endif
