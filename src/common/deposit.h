/*
 * Deposits: the stored state of a vhost-user session, which outlives its
 * worker.  A deposit is one descriptor, of a socket that is connected to
 * itself: its queue holds the descriptors of the session, each with an id.  One
 * of them is a small memory file with the state of the session and the ids in
 * use.  The parent creates and keeps the deposit, a service manager may store
 * it, and only workers read it.
 *
 * Messages are read with MSG_PEEK and stay, so that a process may die at any
 * moment.  SO_PEEK_OFF of the socket is the position of the reader.
 */
#ifndef VRNGD_DEPOSIT_H
#define VRNGD_DEPOSIT_H

#include <stddef.h>
#include <stdint.h>

#define DEPOSIT_PARTS_MAX  64	 /* descriptors in one message */
#define DEPOSIT_STATE_SIZE 65536 /* bytes of the memory file */

/* The first ids, which the parent assigns. */
enum deposit_id {
	DEPOSIT_CONNECTION = 1, /* 0: none */
	DEPOSIT_STATE,
	DEPOSIT_OTHERS,
};

/*
 * The deposit of an EGD worker (CLIENTS in proto.h) has only the connections of
 * clients, each with the id of its place plus this.  The state of all clients
 * is in separate memory, sealed against resizing and zeroed at first.
 */
#define CLIENT_ID_FIRST	   16
#define CLIENTS_STATE_SIZE (97 * 4096) /* bytes */

/* A message: descriptors and their ids. */
struct deposit_parts {
	size_t n;
	uint32_t ids[DEPOSIT_PARTS_MAX];
	int fds[DEPOSIT_PARTS_MAX];
};

/* Creates an empty deposit.  Returns its descriptor, or -1 with errno. */
int deposit_make(void);

/*
 * Adds a message; the caller still owns the descriptors.  Returns 0, or -1 with
 * errno: EAGAIN if there is no room.
 */
int deposit_put(int deposit, const struct deposit_parts *);

/* Makes the next deposit_peek() read the oldest message.  -1: errno. */
int deposit_rewind(int deposit);

/*
 * Reads the next message, which stays; the caller owns its descriptors.
 * Returns 1, 0 without a message, or -1 with errno.  An invalid message has no
 * parts.
 */
int deposit_peek(int deposit, struct deposit_parts *);

/* Removes the next message, and reads it like deposit_peek(). */
int deposit_take(int deposit, struct deposit_parts *);

/* Closes the descriptors of a message, except those that are -1. */
void deposit_close(struct deposit_parts *);

/* Removes the oldest message.  -1: errno. */
int deposit_drop(int deposit);

#endif
