/*
 * Connections of virtual machines by vsock (vsock(7)): one listener, of an EGD
 * service, for all guests that have a CID.  The kernel, which connects a CID with
 * a VMM, sets the CID of a connection; so a guest cannot be another.
 */
#ifndef VRNGD_PARENT_VSOCK_H
#define VRNGD_PARENT_VSOCK_H

#include <bsd/sys/tree.h>

#include "parent/endpoint/endpoint.h"

/* The vsock of a service. */
struct vsock {
	struct endpoint *endpoint; /* NULL: the service uses another kind */
	uint32_t cid;		   /* of a guest; 0: it listens */
	struct cids *cids;	   /* of all guests, set by the owner */
	RB_ENTRY(vsock) entry;	   /* there, of a guest */
	struct accepts incoming;   /* connections of all guests */
	struct timer relisten;
};

/* Guests by their CIDs. */
struct cids {
	RB_HEAD(cid_tree, vsock) tree;
};

void cids_init(struct cids *);

/* The guest with that CID, or NULL. */
struct vsock *cids_find(struct cids *, uint32_t cid);

/* Initializes the vsock of a service, which must not move. */
void vsock_init(struct vsock *, struct endpoint *, uint32_t cid);

/*
 * Adds a guest, whose CID no other one has; removes it, if it was added, and
 * frees what vsock_init() allocated.
 */
void vsock_add(struct vsock *);
void vsock_remove(struct vsock *);

/*
 * Accepts a connection.  Returns it, with the CID of its peer; or -1, after a
 * pause of the listener alone has begun if there are too many connections, or no
 * descriptors or memory.
 */
int vsock_accept(struct vsock *, uint32_t *cid);

/* Whether a connection is one of vsock; the CID of its peer. */
bool vsock_peer(int conn, uint32_t *cid);

#endif
