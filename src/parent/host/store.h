/*
 * systemd's file descriptor store of this service.  After a restart or crash,
 * systemd passes the stored descriptors to the next vrngd (listen_fds.h).
 *
 * systemd does not report its limit or dropped descriptors, and cannot start a
 * service if the names of its descriptors are too long in total.  So both are
 * counted here.  Messages to the store may wait until systemd reads them
 * (sdnotify.h), in order.
 */
#ifndef VRNGD_STORE_H
#define VRNGD_STORE_H

#include <sys/queue.h>

#include <stdbool.h>
#include <stddef.h>

#include "common/log.h"
#include "parent/host/listen_fds.h"

/* Bytes of all names with a colon each: exec(2) accepts 128 KiB. */
#define STORE_NAMES_MAX 100000

struct store_entry;
TAILQ_HEAD(store_entries, store_entry);

struct store {
	struct store_entries entries;
	size_t max;   /* descriptors; 0: no store */
	size_t n;     /* stored descriptors */
	size_t bytes; /* bytes of their names */
	struct log_limit log_limit;
};

/*
 * Initializes a store with the capacity of $FDSTORE (set by systemd since
 * version 254, and by the unit for earlier versions), which contains the passed
 * descriptors.
 */
void store_init(struct store *, const struct listen_fds *);

/*
 * Stores a descriptor under a name, and replaces one with the same name.  The
 * name has letters, digits and `.`, `_`, `-`, `+`, and fewer than
 * FDNAME_SIZE bytes.  The descriptor must not be stored under another
 * name, which systemd would ignore.  systemd removes it if its other end is
 * closed.  Returns whether it is stored; logs a full store.
 */
bool store_put(struct store *, const char *name, int fd);

/* Removes the descriptor with that name, if any. */
void store_remove(struct store *, const char *name);

/* Frees this struct; the store stays unchanged. */
void store_close(struct store *);

#endif
