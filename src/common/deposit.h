/*
 * Deposits: what a session of vhost-user needs to outlive the process that
 * serves it.  A deposit is one descriptor, of a socket that sends to itself: in
 * its queue wait the session's descriptors, each under an id, and one of them
 * is a small memory file that tells which of them count and in what state the
 * session is.  The parent makes it and keeps it, and so may a service manager;
 * only workers look inside.
 *
 * Everything is looked at with MSG_PEEK and stays, so that a process may die at
 * any moment.  How far a reader has come is the socket's own SO_PEEK_OFF.
 */
#ifndef VRNGD_DEPOSIT_H
#define VRNGD_DEPOSIT_H

#include <stddef.h>
#include <stdint.h>

#define DEPOSIT_PARTS_MAX  64	 /* descriptors in one message */
#define DEPOSIT_STATE_SIZE 65536 /* bytes of the memory file */

/* The first ids, which the parent gives. */
enum deposit_id {
	DEPOSIT_CONNECTION = 1, /* 0: none */
	DEPOSIT_STATE,
	DEPOSIT_OTHERS,
};

/*
 * An EGD worker's deposit (CLIENTS in proto.h) has the connections of clients
 * alone, each under the id of its place and this.  The state of all clients is
 * in memory of its own, sealed against resizing, all 0 at first.
 */
#define CLIENT_ID_FIRST	   16
#define CLIENTS_STATE_SIZE (97 * 4096) /* bytes */

/* A message: descriptors and their ids. */
struct deposit_parts {
	size_t n;
	uint32_t ids[DEPOSIT_PARTS_MAX];
	int fds[DEPOSIT_PARTS_MAX];
};

/* Makes an empty deposit.  Returns its descriptor, or -1 with errno. */
int deposit_make(void);

/*
 * Adds a message; the descriptors stay the caller's.  Returns 0, or -1 with
 * errno: EAGAIN if there is no room for it.
 */
int deposit_put(int deposit, const struct deposit_parts *);

/* The next deposit_peek() is of the oldest message.  -1: errno. */
int deposit_rewind(int deposit);

/*
 * Reads the next message, which stays; its descriptors are the caller's.
 * Returns 1, 0 if there is none, or -1 with errno.  One that makes no sense has
 * no parts.
 */
int deposit_peek(int deposit, struct deposit_parts *);

/* Removes the next message, and reads it like deposit_peek(). */
int deposit_take(int deposit, struct deposit_parts *);

/* Closes the descriptors of a message, but those that are -1. */
void deposit_close(struct deposit_parts *);

/* Removes the oldest message.  -1: errno. */
int deposit_drop(int deposit);

#endif
