/*
 * Logging with levels, for all processes.  The parent's sink writes to standard
 * error or the journal; a child's sink sends the line to the parent, which adds
 * the name of the child.
 */
#ifndef VRNGD_LOG_H
#define VRNGD_LOG_H

#include <stdarg.h>
#include <stdint.h>

#include "common/proto.h"

/* A subset of the levels of syslog(3), in the same order. */
enum log_level {
	LOG_LEVEL_ERROR,   /* a function fails */
	LOG_LEVEL_WARNING, /* a degraded or unexpected state */
	LOG_LEVEL_INFO,	   /* normal events */
	LOG_LEVEL_DEBUG,   /* with -v */
};

/* The subject of a line; all fields may be NULL. */
struct log_subject {
	const char *kind;   /* "guest", "egd" or "stream", with */
	const char *name;   /* its name: the sink prefixes both to the text */
	const char *pool;   /* its pool, or the subject itself */
	const char *class;  /* its class */
	const char *source; /* a source of the pool */
};

/* A field of a line, for programs that read the log. */
struct log_field {
	const char *name; /* in capitals; NULL: end of the list */
	const char *text; /* NULL: `number` is the value */
	uint64_t number;
};

#define LOG_TEXT(key, word) \
	((struct log_field){ .name = (key), .text = (word) })
#define LOG_NUMBER(key, figure) \
	((struct log_field){ .name = (key), .number = (uint64_t)(figure) })
#define LOG_FIELDS(...) \
	((const struct log_field[]){ __VA_ARGS__, { .name = NULL } })

/* Where the text of a line is shown. */
enum log_view {
	LOG_VIEW_TEXT,	 /* everywhere */
	LOG_VIEW_STDERR, /* on standard error; the journal has the fields */
	LOG_VIEW_FIELDS, /* nowhere; the journal has the fields */
};

/* The input of a sink. */
struct log_line {
	enum log_level level;
	const struct log_subject *about; /* or NULL */
	enum log_view view;
	const char *id;			/* MESSAGE_ID of the event, or NULL */
	const struct log_field *fields; /* or NULL */
	const char *text;		/* without a newline */
};

typedef void log_sink(void *arg, const struct log_line *);

/* Sends all later lines to `sink`; before, they go to standard error. */
void log_open(log_sink *sink, void *arg);
void log_set_level(enum log_level);

/*
 * Passes all later lines of events, those with an id, to `watch` too, whatever
 * the level that is logged; NULL: no longer.  It must not log.
 */
void log_watch(log_sink *watch, void *arg);

/* Sets the function that log_fatal() calls to flush the sink. */
void log_at_end(void (*flush)(void));

#define LOG_FORMAT(fmt, args) __attribute__((format(printf, fmt, args)))

void log_error(const char *fmt, ...) LOG_FORMAT(1, 2);
void log_warning(const char *fmt, ...) LOG_FORMAT(1, 2);
void log_info(const char *fmt, ...) LOG_FORMAT(1, 2);
void log_debug(const char *fmt, ...) LOG_FORMAT(1, 2);

/* Logs a line with a subject. */
void log_about(enum log_level, const struct log_subject *, const char *fmt, ...)
    LOG_FORMAT(3, 4);

/* Logs a line with all fields of `line` except its text. */
void log_send(const struct log_line *, const char *fmt, ...) LOG_FORMAT(2, 3);
void log_vsend(const struct log_line *, const char *fmt, va_list)
    LOG_FORMAT(2, 0);

/* Logs an error and exits with status 1, without cleanup. */
_Noreturn void log_fatal(const char *fmt, ...) LOG_FORMAT(1, 2);

/*
 * A token bucket for lines that an outsider can cause: LOG_BURST lines at once,
 * then one per second.
 */
struct log_limit {
	uint64_t at; /* ns, time of the last line that was logged */
	uint32_t tokens;
	uint32_t suppressed; /* lines suppressed since then */
};

#define LOG_BURST 10

/* A full bucket. */
void log_limit_init(struct log_limit *, uint64_t now);

/*
 * Whether one more line may be logged at `now` (ns, monotonic).  If so,
 * `*suppressed` is the number of lines suppressed before it.
 */
int log_limit_pass(struct log_limit *, uint64_t now, uint32_t *suppressed);

#endif
