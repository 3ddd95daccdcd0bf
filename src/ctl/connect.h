/*
 * The daemon, as vrngctl reaches it: connections to its sockets, a request on
 * the control socket and its answer.
 */
#ifndef VRNGCTL_CONNECT_H
#define VRNGCTL_CONNECT_H

#include <sys/types.h>

#include "common/control_proto.h"

/* Exit statuses. */
enum exit_status {
	EXIT_DONE = 0,
	EXIT_REFUSED = 1,     /* the daemon refused, or something failed */
	EXIT_USAGE = 2,	      /* the command line is wrong */
	EXIT_UNREACHABLE = 3, /* no daemon at the socket */
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
 * Connects to a socket of the daemon, `option` being how it is named on the
 * command line.  Returns the connection, or -1 with the reason.
 */
int connect_open(const char *path, int type, const char *option,
    struct failure *);

/* The daemon at `path` did not answer to the end: fills in why. */
int connect_fail_read(const char *path, ssize_t received, struct failure *);

/*
 * Asks the daemon for a change at its control socket, giving it the descriptor
 * `passed` unless that is -1.  What it says goes to standard output.  Returns 0
 * if the daemon did what was asked, or -1 with the reason, which is what it
 * says then.
 */
int connect_ask(const char *path, const struct control_request *, int passed,
    struct failure *);

/* A request with nothing but a command; the rest is 0. */
struct control_request connect_request(enum control_command);

#endif
