/*
 * Messages to the service manager, sd_notify(3), in one queue.  Sending never
 * waits: a manager that does not read gets them later, in order, from the event
 * loop.
 *
 * The queue has an end, whatever happens meanwhile: of status lines the last
 * one waits, of watchdog messages one, of what is to be stored by a name one,
 * and barriers in a row are one.
 */
#ifndef VRNGD_SDNOTIFY_H
#define VRNGD_SDNOTIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <systemd/sd-event.h>

#include "common/log.h"

/* Whether there is a manager; without one nothing below does anything. */
bool sdnotify_available(void);

/* Has the event loop send what waits. */
void sdnotify_watch(sd_event *);

/* Sends READY=1 and the like, never dropped. */
void sdnotify_send(const char *fmt, ...) LOG_FORMAT(1, 2);

/* Sends STATUS=, in place of one that still waits, and WATCHDOG=1. */
void sdnotify_status(const char *text);
void sdnotify_watchdog(void);

/*
 * Has a descriptor stored by a name, of which the queue keeps a copy, and has
 * it removed.  What was not sent yet is never sent.  sdnotify_store() returns
 * 0, or -1 with errno if it cannot be copied.
 */
int sdnotify_store(const char *name, int fd);
void sdnotify_unstore(const char *name);

/* How many that are to be stored, with names that begin so, still wait. */
size_t sdnotify_waiting(const char *prefix);

/*
 * Returns a descriptor that is at its end as soon as the manager has done what
 * it was sent before; -1: there is no manager, or no descriptor.
 */
int sdnotify_barrier(void);

/* Sends what waits; gives up after a tenth of a second. */
void sdnotify_flush(void);

/* Drops what waits, and the connection. */
void sdnotify_close(void);

#endif
