/*
 * The command line: that of vhost-device-rng, and QEMU's conventions for
 * vhost-user backend programs.
 */
#ifndef VRNGD_OPTIONS_H
#define VRNGD_OPTIONS_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "parent/config/config.h"

#define GUESTS_MAX 10000

struct options {
	const char *config;  /* path of the configuration; NULL: none */
	bool check;	     /* -n: only check and print it */
	const char *control; /* path of the control socket, or NULL */
	const char *status;  /* path of the monitoring socket, or NULL */
	gid_t control_group; /* may query the status; -1: no group */
	uid_t control_owner; /* of the socket; -1: the daemon's user */
	char **socket_paths; /* of each guest, in order */
	size_t nguests;
	int listen_fd;	     /* --fd: one guest; -1: none */
	const char *source;  /* path */
	const char *libexec; /* directory of the roles' programs */
	uint64_t max_bytes;  /* per period, for all guests; 0: no limit */
	uint64_t period;     /* ns */
	uint32_t poll_us;    /* as in struct proto_limits */
	uint32_t uid_base;
	int verbose;
};

/*
 * Reads the command line.  Prints and exits itself: with 0 for --help,
 * --version and --print-capabilities, with 2 and one line for an error.  The
 * strings belong to argv or to the process.
 */
void options_parse(struct options *, int argc, char **argv);

/* What the options say, as a configuration: to be freed with config_free(). */
struct config *options_config(const struct options *);

#endif
