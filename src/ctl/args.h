/*
 * The parsed command line.
 */
#ifndef VRNGCTL_ARGS_H
#define VRNGCTL_ARGS_H

#include "ctl/connect.h"

/* Options, and bits for those that a command accepts. */
enum option_bit {
	OPT_JSON = 1 << 8, /* beyond any character */
	OPT_ONCE = 1 << 9,
	OPT_SOCKET = 1 << 10,
	OPT_CLASS = 1 << 11,
	OPT_POOL = 1 << 12,
	OPT_MEMORY = 1 << 13,
	OPT_CLIENTS = 1 << 14,
	OPT_EGD = 1 << 15,
	OPT_SERVICE = 1 << 16,
	OPT_STATUS = 1 << 17,
	OPT_NO_OPERAND = 1 << 18, /* of a command: it need not have one */
	OPT_DRY_RUN = 1 << 19,
	OPT_OPENMETRICS = 1 << 20,
	OPT_GUESTS = 1 << 21,
	OPT_HTTP = 1 << 22,
};

struct args {
	const char *control;		/* the control socket's path */
	char status[CONTROL_PATH_SIZE]; /* the monitoring socket's */
	const char *socket;		/* options' values, or NULL */
	const char *class;
	const char *pool;
	const char *memory;
	const char *service;
	int given;	     /* bits of enum option_bit */
	const char *operand; /* NULL: none */
};

/* Runs a command.  Returns 0, or -1 with the reason. */
typedef int command_function(const struct args *, struct failure *);

/* Exits with a message about the command line. */
_Noreturn void usage_error(const char *fmt, ...)
    __attribute__((format(printf, 1, 2)));

#endif
