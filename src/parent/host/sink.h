/*
 * The parent's log sink: the journal if standard error is connected to it,
 * else standard error.  Writing never waits for the reader: lines that cannot
 * be written at once wait in a bounded queue (log_queue.h), and how many of them
 * were lost is reported when there is room again.
 */
#ifndef VRNGD_SINK_H
#define VRNGD_SINK_H

#include <sys/uio.h>

#include <stddef.h>
#include <systemd/sd-event.h>

#include "common/log.h"

/* Has all that is logged from now on written there. */
void sink_open(void);

/*
 * Has the event loop write what waits, as soon as there is room.  Before, and
 * without, lines that wait are tried again with the next line.
 */
void sink_watch(sd_event *);

/* Writes what waits; gives up after a tenth of a second. */
void sink_flush(void);

#define RECORD_FIELDS_MAX 32
#define RECORD_SIZE	  4096 /* bytes, of all fields */
/* As it is sent: each field with a length and two newlines, and our name. */
#define RECORD_PACKED_SIZE (RECORD_SIZE + RECORD_FIELDS_MAX * 10 + 64)

/*
 * A log line as a record of the journal: its fields, each as NAME=value.  What
 * stands in a value cannot make fields: one with a newline in it is sent with its
 * length.
 */
struct record {
	int nfields;
	struct iovec fields[RECORD_FIELDS_MAX];
	size_t used;
	char text[RECORD_SIZE];
};

/* Makes the record of a line; what is too much for it is left out. */
void record_make(struct record *, const struct log_line *);

/*
 * Writes a record in the journal's native protocol, with SYSLOG_IDENTIFIER.
 * `out` has RECORD_PACKED_SIZE bytes.  Returns the number of bytes.
 */
size_t record_pack(const struct record *, char *out, size_t size);

#endif
