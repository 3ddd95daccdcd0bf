/*
 * Notifications to systemd (sd_notify(3)): ready, reloading, stopping, the
 * watchdog, and a status line for `systemctl status`.
 *
 * The line is sent after a change, at most every few seconds.  An idle daemon
 * is woken up only for the watchdog.
 */
#ifndef VRNGD_NOTIFY_H
#define VRNGD_NOTIFY_H

#include <stdbool.h>
#include <systemd/sd-event.h>

#include "parent/host/timer.h"
#include "parent/state/reload.h"

#define NOTIFY_STATUS_SIZE 160 /* with the terminating NUL */

struct notify {
	struct daemon *daemon;
	sd_event_source *post; /* a change is pending */
	struct timer timer;    /* to report it */
	struct timer watchdog;
	uint64_t watchdog_time; /* ns between messages; 0: none */
	uint64_t sent;		/* ns, time of the last one */
	bool ready;
	char status[NOTIFY_STATUS_SIZE]; /* as last sent */
};

/*
 * Starts notifications, if systemd expects them.  Returns 0, or -1 with errno.
 */
int notify_open(struct notify *, sd_event *, struct daemon *);

/* The daemon is ready, for the first time. */
void notify_ready(struct notify *);

/* A reload begins; and ends. */
void notify_reload(struct notify *);
void notify_reloaded(struct notify *);

/* The daemon is stopping. */
void notify_close(struct notify *);

/* "2 of 3 guests connected, 12K/s, 1 of 2 sources healthy". */
void notify_status(struct daemon *, char text[NOTIFY_STATUS_SIZE]);

#endif
