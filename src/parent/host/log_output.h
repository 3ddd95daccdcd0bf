/*
 * The log output of the parent: the journal if standard error is connected to it,
 * otherwise standard error.  Writing does not block: lines that cannot be
 * written at once wait in a bounded queue (log_queue.h), and the number of lost
 * lines is reported when there is room again.
 */
#ifndef VRNGD_LOG_OUTPUT_H
#define VRNGD_LOG_OUTPUT_H

#include <sys/uio.h>

#include <stddef.h>
#include <systemd/sd-event.h>

#include "common/log.h"

/* Sends all later lines to this output. */
void log_output_open(void);

/*
 * Lets the event loop write waiting lines as soon as there is room.  Before
 * that, waiting lines are retried with the next line.
 */
void log_output_watch(sd_event *);

/* Writes waiting lines, for at most a tenth of a second. */
void log_output_flush(void);

#define JOURNAL_FIELDS_MAX 32
#define JOURNAL_ENTRY_SIZE 4096 /* bytes, of all fields */
/* The packed size: each field with a length and two newlines, and our name. */
#define JOURNAL_PACKED_SIZE (JOURNAL_ENTRY_SIZE + JOURNAL_FIELDS_MAX * 10 + 64)

/*
 * A log line as a record of the journal: fields, each as NAME=value.  A value
 * cannot forge fields: one with a newline is sent with its length.
 */
struct journal_entry {
	int nfields;
	struct iovec fields[JOURNAL_FIELDS_MAX];
	size_t used;
	char text[JOURNAL_ENTRY_SIZE];
};

/* Formats a line as a record; fields that do not fit are omitted. */
void journal_entry_make(struct journal_entry *, const struct log_line *);

/*
 * Writes a record in the journal's native protocol, with SYSLOG_IDENTIFIER.
 * `out` has JOURNAL_PACKED_SIZE bytes.  Returns the number of bytes.
 */
size_t journal_entry_pack(const struct journal_entry *, char *out, size_t size);

#endif
