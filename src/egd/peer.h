/*
 * The peer of a socket.
 */
#ifndef VRNGD_PEER_H
#define VRNGD_PEER_H

#include <sys/socket.h>

#include <stdbool.h>
#include <stdint.h>

#include "common/proto.h"

struct peer {
	bool inet;	     /* has an internet address, see below, */
	bool vsock;	     /* or is a virtual machine */
	uint8_t address[16]; /* IPv6, or IPv4 mapped to it */
	uint16_t port;
	/* "127.0.0.1:4711", "vsock:42:1025", "pid 12, uid 0" */
	char text[CLIENT_TEXT_SIZE];
};

/* The peer of a connection.  Returns false if it has disconnected. */
bool peer_of(struct peer *, int fd);

/* The peer with that internet address. */
void peer_at(struct peer *, const struct sockaddr_storage *);

/* Whether they have the same internet address and port. */
bool peer_same(const struct peer *, const struct peer *);

#endif
