/*
 * A log line as a record of the journal: its fields, each as NAME=value.  What
 * stands in a value cannot make fields: sd_journal_sendv(3) takes each by
 * itself, with its length.
 */
#ifndef VRNGD_RECORD_H
#define VRNGD_RECORD_H

#include <sys/uio.h>

#include <stddef.h>

#include "common/log.h"

#define RECORD_FIELDS_MAX 32
#define RECORD_SIZE	  4096 /* bytes, of all fields */

struct record {
	int nfields;
	struct iovec fields[RECORD_FIELDS_MAX];
	size_t used;
	char text[RECORD_SIZE];
};

/* Makes the record of a line; what is too much for it is left out. */
void record_make(struct record *, const struct log_line *);

#endif
