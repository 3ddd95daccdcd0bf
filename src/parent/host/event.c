/*
 * Logs events, which have an id and fields.  Used by all of the parent.
 */
#include <ctype.h>
#include <string.h>

#include "parent/host/event.h"

#define EVENT_TYPE(name, id, level, subject) \
	[EVENT_##name] = { #name, id, LOG_LEVEL_##level, subject },
static const struct event_type types[EVENT_TYPES] = { EVENTS(EVENT_TYPE) };
#undef EVENT_TYPE

static uint64_t counts[EVENT_TYPES];

const struct event_type *
event_type(enum event event)
{
	return &types[event];
}

void
event_key(const struct event_type *type, char key[EVENT_KEY_SIZE])
{
	size_t i;

	for (i = 0; i < EVENT_KEY_SIZE - 1 && type->name[i] != '\0'; i++)
		key[i] = (char)tolower((unsigned char)type->name[i]);
	key[i] = '\0';
}

uint64_t
event_count(enum event event)
{
	return counts[event];
}

const struct event_type *
event_find(const char *id)
{
	for (size_t i = 0; i < EVENT_TYPES; i++)
		if (strcmp(types[i].id, id) == 0)
			return &types[i];
	return NULL;
}

static void __attribute__((format(printf, 5, 0)))
send(enum event event, enum log_view view, const struct log_subject *about,
    const struct log_field *fields, const char *fmt, va_list ap)
{
	const struct log_line line = {
		.level = types[event].level,
		.about = about,
		.view = view,
		.id = types[event].id,
		.fields = fields,
	};

	counts[event]++;
	log_vsend(&line, fmt, ap);
}

void
event_line(const struct log_line *line, const char *fmt, ...)
{
	const struct event_type *type =
	    line->id == NULL ? NULL : event_find(line->id);
	va_list ap;

	if (type != NULL)
		counts[type - types]++;
	va_start(ap, fmt);
	log_vsend(line, fmt, ap);
	va_end(ap);
}

void
event_log(enum event event, const struct log_subject *about,
    const struct log_field *fields, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	send(event, LOG_VIEW_TEXT, about, fields, fmt, ap);
	va_end(ap);
}

void
event_log_view(enum event event, enum log_view view,
    const struct log_subject *about, const struct log_field *fields,
    const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	send(event, view, about, fields, fmt, ap);
	va_end(ap);
}
