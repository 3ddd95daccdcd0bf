/*
 * Messages to the service manager (sd_notify(3)) in one queue.  Sending does
 * not block: if the manager does not read, the event loop sends them later, in
 * order.
 *
 * The queue is bounded: it holds only the last status line, one watchdog
 * message, one message for each stored name, and one of several barriers in a
 * row.
 */
#ifndef VRNGD_SDNOTIFY_H
#define VRNGD_SDNOTIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <systemd/sd-event.h>

#include "common/log.h"

/* Whether there is a manager; without one the functions below do nothing. */
bool sdnotify_available(void);

/* Lets the event loop send waiting messages. */
void sdnotify_watch(sd_event *);

/* Sends READY=1 and the like, never dropped. */
void sdnotify_send(const char *fmt, ...) LOG_FORMAT(1, 2);

/* Sends STATUS=, which replaces a waiting one, and WATCHDOG=1. */
void sdnotify_status(const char *text);
void sdnotify_watchdog(void);

/*
 * Stores a descriptor under a name, of which the queue keeps a copy; and
 * removes it.  Removing cancels a waiting message to store it.
 * sdnotify_store() returns 0, or -1 with errno if the descriptor cannot be
 * copied.
 */
int sdnotify_store(const char *name, int fd);
void sdnotify_unstore(const char *name);

/* The number of waiting messages to store names with that prefix. */
size_t sdnotify_waiting(const char *prefix);

/*
 * Returns a descriptor that is at its end when the manager has processed all
 * earlier messages; -1: no manager, or no descriptor.
 */
int sdnotify_barrier(void);

/* Sends waiting messages, for at most a tenth of a second. */
void sdnotify_flush(void);

/* Drops waiting messages and the connection. */
void sdnotify_close(void);

#endif
