/*
 * What systemd is told of the daemon's life, sd_notify(3): that it is ready,
 * reads its configuration again, ends; that it is alive, if there is a
 * watchdog; and a line on how it is, for `systemctl status`.
 *
 * The line is told when something has happened, and not more often than every
 * few seconds.  Nothing here wakes up a daemon to which nothing happens, but for
 * the watchdog.
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
	sd_event_source *post; /* something has happened */
	struct timer timer;    /* to tell of it */
	struct timer watchdog;
	uint64_t watchdog_time; /* ns from one message to the next; 0: none */
	uint64_t told;		/* ns, when that was last */
	bool ready;
	char status[NOTIFY_STATUS_SIZE]; /* as it was told */
};

/* Begins, if there is a systemd to tell.  Returns 0, or -1 with errno. */
int notify_open(struct notify *, sd_event *, struct daemon *);

/* It is ready, for the first time. */
void notify_ready(struct notify *);

/* It begins to read its configuration again, and has done so. */
void notify_reload(struct notify *);
void notify_reloaded(struct notify *);

/* It ends. */
void notify_close(struct notify *);

/* "2 of 3 guests connected, 12K/s, 1 of 2 sources healthy". */
void notify_status(struct daemon *, char text[NOTIFY_STATUS_SIZE]);

#endif
