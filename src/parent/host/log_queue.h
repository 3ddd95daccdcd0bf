/*
 * Log lines that wait to be written: a bounded queue that keeps alarms in
 * preference to information, and counts what it has to drop.  Pure.
 */
#ifndef VRNGD_LOG_QUEUE_H
#define VRNGD_LOG_QUEUE_H

#include <sys/queue.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/log.h"

#define LOG_QUEUE_MAX 262144 /* bytes, each line with its bookkeeping */

struct log_entry {
	TAILQ_ENTRY(log_entry) entry;
	enum log_level level;
	size_t size; /* bytes of the line */
	size_t done; /* bytes of it that are written */
	char bytes[];
};

TAILQ_HEAD(log_entries, log_entry);

struct log_queue {
	struct log_entries entries; /* in the order in which they came */
	size_t used;		    /* bytes */
	uint64_t lost;		    /* lines dropped since log_queue_lost() */
	uint64_t lost_alarms;	    /* lines among these of LOG_LEVEL_ERROR */
};

void log_queue_init(struct log_queue *);

/*
 * Appends a line.  In a full queue it takes the place of the oldest of the least
 * important lines, if these are less important than it is; otherwise it is
 * dropped itself.
 */
void log_queue_put(struct log_queue *, enum log_level, const void *bytes,
    size_t size);

/* The next line to write, or NULL. */
struct log_entry *log_queue_first(struct log_queue *);

/* Removes the first line, which is written or cannot be. */
void log_queue_shift(struct log_queue *);

/* Tells how many lines were dropped, and counts from 0 again. */
void log_queue_lost(struct log_queue *, uint64_t *lost, uint64_t *alarms);

#endif
