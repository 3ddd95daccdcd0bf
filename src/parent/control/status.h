/*
 * Supervision of the status process (src/status), which serves the monitoring
 * socket: starts and replaces it, passes it the listening socket, and answers
 * each query with the status in a sealed memory file.
 *
 * The status is written in slices between other work, at most STATUS_RATE times
 * per second.  An early query waits for the next status, so that an answer is
 * never older than its query.
 */
#ifndef VRNGD_STATUS_H
#define VRNGD_STATUS_H

#include <systemd/sd-event.h>

#include "parent/control/monitor.h"
#include "parent/control/status_json.h"
#include "parent/host/backoff.h"
#include "parent/host/listener.h"
#include "parent/host/timer.h"

#define STATUS_RATE  5		      /* per second */
#define STATUS_BURST 5		      /* at once */
#define STATUS_SLICE UINT64_C(500000) /* ns of writing at a time */

struct status {
	struct daemon *daemon;
	struct process_env *env;
	char *path;
	struct listener listener;
	struct listener_rights rights;
	struct process process;
	struct deaths deaths;
	struct backoff backoff;
	struct log_limit limit; /* of the log lines of the process */
	struct timer retry;	/* to start it again */
	struct timer writer;	/* the next slice */
	struct status_json json;
	struct monitor monitor;
	int fd;		     /* file of the current status; -1: none */
	bool asked;	     /* a query is pending */
	uint64_t next_write; /* ns; see STATUS_RATE */
};

/*
 * Creates the monitoring socket.  Call it while the process can change its
 * owner.  Returns 0, or -1 after logging the error.
 */
int status_open(struct status *, struct daemon *, const char *path,
    gid_t group);

/* Starts the process, if the socket exists. */
void status_start(struct status *);

/*
 * Listens again at its path if the socket file is missing or was replaced, and
 * replaces the process.  Returns 0, or -1 after logging the error.
 */
int status_bind_again(struct status *);

/* Ends the process by the deadline (ns) and removes the socket. */
void status_close(struct status *, uint64_t deadline);

#endif
