/*
 * The sockets of services: where they listen, and what they connect to.
 */
#ifndef VRNGD_SERVICE_SOCKET_H
#define VRNGD_SERVICE_SOCKET_H

#include "parent/config/config.h"

/* The key of its place in the registry of listeners.  Returns the buffer. */
const char *service_socket_key(const struct config_service *, char *key,
    size_t size);

/*
 * Makes the socket at a TCP or UDP address that a service's clients connect to,
 * or send datagrams to.  Returns it, or -1 after logging why.
 */
int service_socket_listen(const struct config_service *);

/* Whether a socket that systemd passed is of the kind that is configured. */
bool service_socket_fits(int fd, const struct config_service *);

/* Prepares such a socket, and fills in where it is: an allocated string. */
void service_socket_adopt(struct config_service *, int fd);

/*
 * Connects, or begins to: then `*pending` is set, and the socket can be written
 * to when that has been decided.  Returns it, or -1 with errno.
 */
int service_socket_connect(const struct config_service *, bool *pending);

/*
 * Frees the TCP or UDP address of a socket for another one, even while a worker
 * that does not end has a copy of it.
 */
void service_socket_retire(int fd);

/* Whether a socket that was on its way is connected: 0, or errno if not. */
int service_socket_error(int fd);

#endif
