/*
 * The connections of a service's clients, which outlive its workers: a deposit
 * (deposit.h) with memory for the worker's state, the page of counters, and
 * each connection under the id of its place.  Only the parent adds to it and
 * reads it; a worker receives the memory, and another deposit with the
 * connections.  systemd's store keeps it as one descriptor.
 */
#ifndef VRNGD_PARENT_CLIENTS_H
#define VRNGD_PARENT_CLIENTS_H

#include <sys/types.h>

#include <stdbool.h>
#include <stdint.h>

#include "common/proto.h"
#include "parent/host/store.h"

#define CLIENTS_WORDS (CLIENTS_MAX / 64)

struct clients {
	int deposit;		      /* -1: no session, and no clients */
	int state;		      /* memory of the worker */
	uint32_t n;		      /* clients */
	uint32_t ngone;		      /* closed connections in the deposit */
	uint64_t used[CLIENTS_WORDS]; /* places of clients, one bit each */
	uint64_t gone[CLIENTS_WORDS]; /* places of closed connections */
	uid_t uid;		      /* whose limit counts the descriptors */
	uint64_t serial;	      /* of the name in the store */
};

/* Without session.  For the uid see privilege_deposit(). */
void clients_init(struct clients *, uid_t);

/*
 * Begins a session without clients, with a page of counters (fd), which the
 * caller keeps.  Returns 0, or -1 with errno.
 */
int clients_begin(struct clients *, int counters);

/*
 * Resumes the session of a deposit that another vrngd stored, and owns it from
 * now on.  Passes each connection to `check`, which keeps no copy of it and may
 * shut it down.  Returns the page of counters (fd), or -1 if it is not such a
 * deposit; then the caller closes it.
 */
typedef void clients_check(void *arg, int conn);
int clients_resume(struct clients *, int deposit, clients_check *, void *arg);

/*
 * Adds a connection, which the caller keeps, in a free place.  Returns the
 * place, or -1 with errno: EAGAIN if none is free.
 */
int clients_add(struct clients *, int conn);

/*
 * A worker has closed the connection in that place.  Returns whether there was
 * one.  When many were, the deposit should be made anew.
 */
bool clients_remove(struct clients *, uint32_t place);
bool clients_sparse(const struct clients *);

/*
 * Creates a deposit with only the connections, for a worker; -1 with errno.
 */
int clients_copy(const struct clients *);

/*
 * Replaces the deposit by one with that page of counters and without closed
 * connections.  Returns the old one, which the caller closes, or -1 with errno.
 */
int clients_renew(struct clients *, int counters);

/* Ends the session.  Returns its deposit, which the caller closes, or -1. */
int clients_end(struct clients *);

#endif
