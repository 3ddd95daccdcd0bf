/*
 * The daemon, as vrngctl reaches it: a connection to the control socket, one
 * request and its answer.
 */
#ifndef VRNGCTL_CONNECT_H
#define VRNGCTL_CONNECT_H

#include <stdbool.h>

#include "common/control_proto.h"

/* Exit statuses. */
enum exit_status {
	EXIT_DONE = 0,
	EXIT_REFUSED = 1,     /* the daemon refused, or something failed */
	EXIT_USAGE = 2,	      /* the command line is wrong */
	EXIT_UNREACHABLE = 3, /* no daemon at the control socket */
};

/* Why something did not work.  It begins as zeros. */
struct failure {
	enum exit_status status;
	char *text; /* lines for standard error, allocated; or NULL */
};

/* Fills in a failure, in place of the last one; returns -1. */
int fail(struct failure *, enum exit_status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/*
 * What becomes of a pool, a source, a class, a guest, an outlet or a client in
 * an answer.  Returns false if it makes no sense where it came.
 */
typedef bool answer_handler(void *arg, const struct control_reply *);

/*
 * Asks the daemon at `path`, giving it the descriptor `passed` unless that is
 * -1, and passes what it answers to `handler`: frames of the right size and
 * version, whose strings are terminated.  What it says goes to standard output.
 * Returns 0 if the daemon did what was asked, or -1 with the reason, which is
 * what it says then.
 */
int connect_ask(const char *path, const struct control_request *, int passed,
    answer_handler *handler, void *arg, struct failure *);

/* A request with nothing but a command; the rest is 0. */
struct control_request connect_request(enum control_command);

#endif
