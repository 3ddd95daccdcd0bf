/*
 * The connections of a service's clients, kept while workers come and go: a
 * deposit (deposit.h) with memory for the worker's state, the page of counters
 * and each connection under the id of its place.  The parent alone adds to it
 * and reads it; a worker gets the memory, and a deposit of its own with the
 * connections.  systemd's store keeps it all as one descriptor.
 */
#ifndef VRNGD_PARENT_CLIENTS_H
#define VRNGD_PARENT_CLIENTS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/proto.h"
#include "parent/host/store.h"

#define CLIENTS_WORDS (CLIENTS_MAX / 64)

struct clients {
	int deposit;	/* -1: no session, and nothing else counts */
	int state;	/* memory of the worker */
	uint32_t n;	/* clients */
	uint32_t ngone; /* that were, with a connection in the deposit */
	uint64_t used[CLIENTS_WORDS]; /* places of clients, a bit each, */
	uint64_t gone[CLIENTS_WORDS]; /* and of those that were */
	uid_t uid;		      /* that keeps descriptors */
	uint64_t serial;	      /* of the name in the store */
};

/* No session.  Descriptors are kept by that uid: see privilege_deposit(). */
void clients_init(struct clients *, uid_t);

/*
 * Begins a session without clients, with a page of counters (fd), which stays
 * the caller's.  Returns 0, or -1 with errno.
 */
int clients_begin(struct clients *, int counters);

/*
 * Resumes the session of a deposit that was stored by another vrngd, which is
 * the session's from now on.  Returns the page of counters (fd), or -1 if it is
 * not such a deposit, and closed by the caller.
 */
int clients_resume(struct clients *, int deposit);

/*
 * Adds a connection, which stays the caller's, in a free place.  Returns that,
 * or -1 with errno: EAGAIN if there is none.
 */
int clients_add(struct clients *, int conn);

/*
 * A worker has closed the connection in that place.  Returns whether there was
 * one.  When many were, the deposit should be made anew.
 */
bool clients_remove(struct clients *, uint32_t place);
bool clients_sparse(const struct clients *);

/*
 * Makes a deposit with the connections alone, as it is sent to a worker; -1:
 * errno.
 */
int clients_copy(const struct clients *);

/*
 * Makes the deposit anew, with that page of counters and without connections
 * that were closed.  Returns the old one, for the caller to close, or -1 with
 * errno.
 */
int clients_renew(struct clients *, int counters);

/* Ends the session.  Returns its deposit, for the caller to close, or -1. */
int clients_end(struct clients *);

#endif
