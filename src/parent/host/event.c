/*
 * Logs events, which have an id and fields.  Used by all of the parent.
 */

#include "parent/host/event.h"

#define EVENT_TYPE(name, id, level, subject) \
	[EVENT_##name] = { #name, id, LOG_LEVEL_##level, subject },
static const struct event_type types[EVENT_TYPES] = { EVENTS(EVENT_TYPE) };
#undef EVENT_TYPE

const struct event_type *
event_type(enum event event)
{
	return &types[event];
}

void
event_log(enum event event, const struct log_subject *about,
    const struct log_field *fields, const char *fmt, ...)
{
	const struct log_line line = {
		.level = types[event].level,
		.about = about,
		.id = types[event].id,
		.fields = fields,
	};
	va_list ap;

	va_start(ap, fmt);
	log_vsend(&line, fmt, ap);
	va_end(ap);
}
