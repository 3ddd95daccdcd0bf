/*
 * The sockets of services, listening and connecting.
 */
#ifndef VRNGD_SERVICE_SOCKET_H
#define VRNGD_SERVICE_SOCKET_H

#include "parent/config/config.h"

/* The key of the place in the registry of listeners.  Returns the buffer. */
const char *service_socket_key(const struct config_service *, char *key,
    size_t size);

/*
 * Creates the listening socket of a service of TCP, UDP or vsock.  Returns
 * it, or -1 after logging the error.
 */
int service_socket_listen(const struct config_service *);

/* Whether a socket from systemd is of the configured kind. */
bool service_socket_fits(int fd, const struct config_service *);

/* Prepares such a socket, and fills in its address, an allocated string. */
void service_socket_adopt(struct config_service *, int fd);

/*
 * Connects, or starts to: then sets `*pending`, and the socket becomes writable
 * with the result.  Returns it, or -1 with errno.
 */
int service_socket_connect(const struct config_service *, bool *pending);

/*
 * Frees the TCP or UDP address of a socket for another one, even while a worker
 * that does not exit has a copy.
 */
void service_socket_retire(int fd);

/* The result of a pending connection: 0 or errno. */
int service_socket_error(int fd);

#endif
