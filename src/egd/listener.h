/*
 * The socket by which clients come: a listener, one for datagrams, or a
 * connection that the parent has made.
 */
#ifndef VRNGD_LISTENER_H
#define VRNGD_LISTENER_H

#include <sys/socket.h>

#include <stdbool.h>
#include <stdint.h>

#include "common/proto.h"
#include "egd/peer.h"
#include "egd/worker.h"

struct listener {
	int fd;			    /* of listeners and datagrams; or -1 */
	uint64_t opens_at;	    /* ns; 0: it is open, or there is none */
	uint64_t pause_until;	    /* ns; not accepting; 0: it is */
	int error;		    /* why; the last that was logged */
	struct sockaddr_storage to; /* the last sender, of SOCKET_BOUND */
	socklen_t to_len;
};

/* No socket yet. */
void listener_init(struct listener *);

/*
 * Takes the socket `fd`.  It is used from the first bytes of the window on, so
 * that there are some for the first command, or from soon after if none come.
 */
void listener_open(struct worker *, uint32_t kind, int fd);

/* The same, without a socket: the parent accepts. */
void listener_hold(struct worker *);

/* Takes a connection for a place: it becomes a client, or is closed. */
void listener_admit(struct worker *, uint32_t place, int fd);

/* Whether the service allows an address. */
bool listener_permits(const struct worker *, const struct peer *);

/* The same; a refused peer is counted and logged. */
bool listener_allows(struct worker *, const struct peer *);

/* Accepts the clients that have connected, a few at a time. */
void listener_accept(struct worker *);

/*
 * Opens the socket and ends a pause when it is time, and the worker when there
 * has been no client for long.
 */
void listener_expire(struct worker *);

/* When that is to be called next (ns); 0: not. */
uint64_t listener_deadline(const struct worker *);

#endif
