/*
 * A bounded queue of log lines that wait to be written.  It keeps important
 * lines, and counts the lines that it drops.  Pure.
 */
#ifndef VRNGD_LOG_QUEUE_H
#define VRNGD_LOG_QUEUE_H

#include <sys/queue.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/log.h"

#define LOG_QUEUE_MAX 262144 /* bytes, including the overhead of each line */

struct log_entry {
	TAILQ_ENTRY(log_entry) entry;
	enum log_level level;
	size_t size; /* bytes of the line */
	size_t done; /* bytes of it written so far */
	char bytes[];
};

TAILQ_HEAD(log_entries, log_entry);

struct log_queue {
	struct log_entries entries; /* in order of arrival */
	size_t used;		    /* bytes */
	uint64_t lost;		    /* lines dropped since log_queue_lost() */
	uint64_t lost_alarms;	    /* of these, lines of LOG_LEVEL_ERROR */
};

void log_queue_init(struct log_queue *);

/*
 * Appends a line.  In a full queue it replaces the oldest of the least
 * important lines, if these are less important; otherwise it is dropped.
 */
void log_queue_put(struct log_queue *, enum log_level, const void *bytes,
    size_t size);

/* The next line to write, or NULL. */
struct log_entry *log_queue_first(struct log_queue *);

/* Removes the first line, after it was written or failed. */
void log_queue_shift(struct log_queue *);

/* Returns the numbers of dropped lines, and resets them. */
void log_queue_lost(struct log_queue *, uint64_t *lost, uint64_t *alarms);

#endif
