/*
 * The status process (src/status), which serves the monitoring socket, as the
 * parent sees it: it is started and started again, is given the listening
 * socket, and gets the status in a sealed memory file whenever it asks.
 *
 * Nobody waits for anybody: a status is written in slices, between other work,
 * and not more often than STATUS_RATE times a second.  A question that comes
 * too early is answered when the next may be written, so that an answer never
 * tells of a time before the question.
 */
#ifndef VRNGD_STATUS_H
#define VRNGD_STATUS_H

#include <systemd/sd-event.h>

#include "parent/control/status_json.h"
#include "parent/host/backoff.h"
#include "parent/host/listener.h"
#include "parent/host/timer.h"

#define STATUS_RATE  5		      /* a second, */
#define STATUS_BURST 5		      /* and so many at once */
#define STATUS_SLICE UINT64_C(500000) /* ns of writing at a time */

struct status {
	struct daemon *daemon;
	struct process_env *env;
	char *path;
	struct listener listener;
	struct process process;
	struct deaths deaths;
	struct backoff backoff;
	struct log_limit limit; /* of what the process says */
	struct timer retry;	/* to start it again */
	struct timer writer;	/* the next slice */
	struct status_json json;
	int fd;		     /* that a status is written to; -1: none is */
	bool asked;	     /* a question is not answered */
	uint64_t next_write; /* ns; see STATUS_RATE */
};

/*
 * Makes the monitoring socket.  Call it while the socket can be given away.
 * Returns 0, or -1 after logging why.
 */
int status_open(struct status *, struct daemon *, const char *path,
    gid_t group);

/* Starts the process, if the socket was made. */
void status_start(struct status *);

/* Ends the process by the deadline (ns) and removes the socket. */
void status_close(struct status *, uint64_t deadline);

#endif
