/*
 * Passes events to the status process while clients monitor them: the lines of
 * the log that have an id, as a JSON array in a sealed memory file.
 *
 * An event is only written to the file when it is logged.  The status process
 * asks for each file, so that the parent holds one at most; events for which it
 * has no room are counted.
 */
#ifndef VRNGD_MONITOR_H
#define VRNGD_MONITOR_H

#include <stdbool.h>
#include <stdint.h>

#include "common/clock.h"
#include "parent/control/json.h"
#include "parent/host/process.h"
#include "parent/host/timer.h"

#define MONITOR_EVENTS_SIZE 262144 /* bytes, of the events in a file */

#define MONITOR_INTERVAL (10 * NS_PER_MS) /* ns, from file to file */

struct monitor {
	struct process *process;
	struct timer timer; /* to send the file */
	struct json json;
	int fd;		  /* the file; -1: none */
	uint64_t nevents; /* in it */
	uint64_t lost;	  /* events since the last file */
	uint64_t next;	  /* ns, the earliest time of the next file */
	uint32_t serial;
	bool on;    /* events are gathered */
	bool asked; /* a query is pending */
};

/* Initializes it for a process that need not run yet, and gathers no events. */
void monitor_init(struct monitor *, sd_event *, struct process *);

/* Handles a query of the process. */
void monitor_ask(struct monitor *, const struct proto_events_ask *);

/* Gathers no more events; the process has ended. */
void monitor_stop(struct monitor *);
void monitor_free(struct monitor *);

#endif
