/*
 * The log sink of the parent: the journal if standard error is connected to it,
 * otherwise standard error.  Writing does not block: lines that cannot be
 * written at once wait in a bounded queue (log_queue.h), and the number of lost
 * lines is reported when there is room again.
 */
#ifndef VRNGD_SINK_H
#define VRNGD_SINK_H

#include <sys/uio.h>

#include <stddef.h>
#include <systemd/sd-event.h>

#include "common/log.h"

/* Sends all later lines to this sink. */
void sink_open(void);

/*
 * Lets the event loop write waiting lines as soon as there is room.  Before
 * that, waiting lines are retried with the next line.
 */
void sink_watch(sd_event *);

/* Writes waiting lines, for at most a tenth of a second. */
void sink_flush(void);

#define RECORD_FIELDS_MAX 32
#define RECORD_SIZE	  4096 /* bytes, of all fields */
/* The packed size: each field with a length and two newlines, and our name. */
#define RECORD_PACKED_SIZE (RECORD_SIZE + RECORD_FIELDS_MAX * 10 + 64)

/*
 * A log line as a record of the journal: fields, each as NAME=value.  A value
 * cannot forge fields: one with a newline is sent with its length.
 */
struct record {
	int nfields;
	struct iovec fields[RECORD_FIELDS_MAX];
	size_t used;
	char text[RECORD_SIZE];
};

/* Formats a line as a record; fields that do not fit are omitted. */
void record_make(struct record *, const struct log_line *);

/*
 * Writes a record in the journal's native protocol, with SYSLOG_IDENTIFIER.
 * `out` has RECORD_PACKED_SIZE bytes.  Returns the number of bytes.
 */
size_t record_pack(const struct record *, char *out, size_t size);

#endif
