/*
 * systemd's file descriptor store of this service: what is put there is passed
 * to the next vrngd (passed.h) when this one is restarted or has crashed.
 *
 * systemd says neither how much it takes nor that it has dropped something, and
 * cannot start a service whose descriptors have too long names, all together.
 * So both are counted here.
 * What is put there may wait for systemd to read (sdnotify.h), in order.
 */
#ifndef VRNGD_STORE_H
#define VRNGD_STORE_H

#include <sys/queue.h>

#include <stdbool.h>
#include <stddef.h>

#include "common/log.h"
#include "parent/host/passed.h"

/* Bytes of all names, each with its colon: exec(2) takes 128 KiB of them. */
#define STORE_NAMES_MAX 100000

struct store_entry;
TAILQ_HEAD(store_entries, store_entry);

struct store {
	struct store_entries entries;
	size_t max;   /* descriptors; 0: there is no store */
	size_t n;     /* in it */
	size_t bytes; /* of their names */
	struct log_limit log_limit;
};

/*
 * A store of as many descriptors as $FDSTORE says (as systemd since version
 * 254 does, and the unit for earlier ones), in which is what was passed from
 * it.
 */
void store_init(struct store *, const struct passed *);

/*
 * Puts a descriptor there, in place of what is there by that name: letters,
 * digits and `.`, `_`, `-`, `+`, of fewer than PASSED_NAME_SIZE bytes.  It must
 * not be there by another name, since systemd ignores that.  systemd takes it
 * out by itself if its other end is closed.  Returns whether it is kept; if
 * there is no room the log says so.
 */
bool store_put(struct store *, const char *name, int fd);

/* Takes out what is there by that name, if anything. */
void store_remove(struct store *, const char *name);

/* Forgets the store, which stays as it is. */
void store_close(struct store *);

#endif
