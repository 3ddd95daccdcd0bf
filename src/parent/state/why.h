/*
 * Why a guest or service waits, or has received nothing: a word for programs
 * and a text for people.
 */
#ifndef VRNGD_WHY_H
#define VRNGD_WHY_H

#include "parent/state/daemon.h"

#define WHY_TEXT_SIZE 256

struct why {
	const char *cause; /* NULL: it does not wait */
	char text[WHY_TEXT_SIZE];
};

/*
 * Finds the cause at `now` (ns); a guest has one for both of its sockets.  The
 * state of a socket file is that of the last listeners_look().
 */
void why_guest(struct guest *, uint64_t now, struct why *);
void why_service(struct service *, uint64_t now, struct why *);

/*
 * The owner of a limit, as in "class gold".  Returns its kind: "pool", "class"
 * or "guest".
 */
const char *why_limit(struct pool *, const struct alloc_node *limit, char *text,
    size_t size);

/* The class of a pool that a node is; NULL: another kind of node. */
struct daemon_class *why_class(struct pool *, const struct alloc_node *);

#endif
