/*
 * Connections to the daemon's sockets, and a request on the control socket with
 * its answer.
 */
#ifndef VRNGCTL_CONNECT_H
#define VRNGCTL_CONNECT_H

#include <sys/types.h>

#include "common/control_proto.h"

/* Exit statuses. */
enum exit_status {
	EXIT_DONE = 0,
	EXIT_REFUSED = 1,     /* rejected by the daemon, or another failure */
	EXIT_USAGE = 2,	      /* the command line is wrong */
	EXIT_UNREACHABLE = 3, /* no daemon at the socket */
	EXIT_KEPT = 4,	      /* rejected; the guest is served as before */
};

/* The reason of a failure; zeros at first. */
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

/* Fills in the failure of a read: the daemon at `path` did not answer. */
int connect_fail_read(const char *path, ssize_t received, struct failure *);

/*
 * Sends a request to the control socket, with the descriptor `passed` unless
 * that is -1, and prints the answer on standard output.  Returns 0 if the
 * daemon has carried out the request, or -1 with the reason from its answer.
 */
int connect_ask(const char *path, const struct control_request *, int passed,
    struct failure *);

/* A request with this command; all other fields are 0. */
struct control_request connect_request(enum control_command);

#endif
