/*
 * The sockets of outlets: where they listen, and what they connect to.
 */
#ifndef VRNGD_OUTLET_SOCKET_H
#define VRNGD_OUTLET_SOCKET_H

#include "parent/config/config.h"
#include "parent/host/listener.h"

/*
 * Makes the socket that an outlet's clients come by, or send datagrams to; with
 * `connect`, none (fd -1).  The configuration's path must outlive it.  Returns
 * 0, or -1 after logging why.
 */
int outlet_socket_listen(struct listener *, const struct config_outlet *);

/*
 * The same with a socket that systemd passed, which stays open as it is: the
 * outlet has a copy.  Fails if it is not of the configured kind.
 */
int outlet_socket_pass(struct listener *, const struct config_outlet *, int fd);

/* Fills in where a socket is that systemd passed; its strings are allocated. */
void outlet_socket_place(struct config_outlet *, int fd);

/*
 * Connects, or begins to: then `*pending` is set, and the socket can be written
 * to when that has been decided.  Returns it, or -1 with errno.
 */
int outlet_socket_connect(const struct config_outlet *, bool *pending);

/*
 * Frees the address of a socket of outlet_socket_listen() for another one, even
 * while a worker that does not end has it still.
 */
void outlet_socket_retire(int fd, const struct config_outlet *);

/*
 * Whether a socket that was on its way is connected: 0, or errno if not.
 */
int outlet_socket_error(int fd);

#endif
