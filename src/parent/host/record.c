/*
 * Formats a log line as a record of the journal.  Used by sink.c.
 */
#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>

#include "parent/host/record.h"

static const int priorities[] = {
	[LOG_LEVEL_ERROR] = LOG_ERR,
	[LOG_LEVEL_WARNING] = LOG_WARNING,
	[LOG_LEVEL_INFO] = LOG_INFO,
	[LOG_LEVEL_DEBUG] = LOG_DEBUG,
};

static void add(struct record *, const char *, ...) LOG_FORMAT(2, 3);

static void
add(struct record *r, const char *fmt, ...)
{
	size_t room = sizeof(r->text) - r->used;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(r->text + r->used, room, fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= room || r->nfields == RECORD_FIELDS_MAX)
		return;
	r->fields[r->nfields++] = (struct iovec){
		.iov_base = r->text + r->used,
		.iov_len = (size_t)n,
	};
	r->used += (size_t)n;
}

/* Whom a line is about, and where that is. */
static void
add_subject(struct record *r, const struct log_subject *about)
{
	if (about->kind != NULL)
		add(r, "%s=%s",
		    strcmp(about->kind, "guest") == 0 ? "VRNGD_GUEST"
						      : "VRNGD_SERVICE",
		    about->name);
	if (about->pool != NULL)
		add(r, "VRNGD_POOL=%s", about->pool);
	if (about->class != NULL)
		add(r, "VRNGD_CLASS=%s", about->class);
	if (about->source != NULL)
		add(r, "VRNGD_SOURCE=%s", about->source);
}

static void
add_fields(struct record *r, const struct log_field *f)
{
	bool process = false;

	for (; f != NULL && f->name != NULL; f++) {
		process = process || strcmp(f->name, "VRNGD_PROCESS") == 0;
		if (f->text != NULL)
			add(r, "%s=%s", f->name, f->text);
		else
			add(r, "%s=%" PRIu64, f->name, f->number);
	}
	if (!process)
		add(r, "VRNGD_PROCESS=parent");
}

void
record_make(struct record *r, const struct log_line *line)
{
	const struct log_subject *about = line->about;

	r->nfields = 0;
	r->used = 0;
	if (about != NULL && about->kind != NULL)
		add(r, "MESSAGE=%s %s: %s", about->kind, about->name,
		    line->text);
	else
		add(r, "MESSAGE=%s", line->text);
	add(r, "PRIORITY=%d", priorities[line->level]);
	if (line->id != NULL)
		add(r, "MESSAGE_ID=%s", line->id);
	if (about != NULL)
		add_subject(r, about);
	add_fields(r, line->fields);
}

/* The place after what was copied there. */
static char *
put(char *to, const void *bytes, size_t n)
{
	memcpy(to, bytes, n);
	return to + n;
}

size_t
record_pack(const struct record *r, char *out, size_t size)
{
	const char *field, *value;
	uint64_t length;
	char *at = out;
	int n;

	for (int i = 0; i < r->nfields; i++) {
		field = r->fields[i].iov_base;
		value = memchr(field, '=', r->fields[i].iov_len);
		if (value == NULL)
			continue;
		value++;
		length = r->fields[i].iov_len - (size_t)(value - field);
		if (memchr(value, '\n', length) == NULL) {
			at = put(at, field, r->fields[i].iov_len);
		} else {
			at = put(at, field, (size_t)(value - field) - 1);
			*at++ = '\n';
			at = put(at, &(uint64_t){ htole64(length) },
			    sizeof(length));
			at = put(at, value, length);
		}
		*at++ = '\n';
	}
	size -= (size_t)(at - out);
	n = snprintf(at, size, "SYSLOG_IDENTIFIER=%s\n",
	    program_invocation_short_name);
	if (n > 0 && (size_t)n < size)
		at += n;
	return (size_t)(at - out);
}
