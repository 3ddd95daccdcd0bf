/*
 * Logging: one way for every process, with levels.  The parent's sink writes
 * to standard error or the journal; a child's sink sends the line to the
 * parent, which adds the child's name.
 */
#ifndef VRNGD_LOG_H
#define VRNGD_LOG_H

#include <stdarg.h>
#include <stdint.h>

#include "common/proto.h"

/* In the order of syslog(3), of which these are a part. */
enum log_level {
	LOG_LEVEL_ERROR,   /* something does not work */
	LOG_LEVEL_WARNING, /* something is not as it should be */
	LOG_LEVEL_INFO,	   /* what an administrator wants to know */
	LOG_LEVEL_DEBUG,   /* with -v */
};

/* What a line is about; all of it may be NULL. */
struct log_subject {
	const char *kind;   /* a word: "guest", "egd", "stream"; with */
	const char *name;   /* this what the sink puts before the text */
	const char *pool;   /* that it draws on or is, and */
	const char *class;  /* the class in it, */
	const char *source; /* or the source of it */
};

/* A figure or a word of a line, for whoever reads the log by program. */
struct log_field {
	const char *name; /* in capitals; NULL: no more follow */
	const char *text; /* or NULL: */
	uint64_t number;
};

#define LOG_TEXT(key, word) \
	((struct log_field){ .name = (key), .text = (word) })
#define LOG_NUMBER(key, figure) \
	((struct log_field){ .name = (key), .number = (uint64_t)(figure) })
#define LOG_FIELDS(...) \
	((const struct log_field[]){ __VA_ARGS__, { .name = NULL } })

/* All that a sink is told. */
struct log_line {
	enum log_level level;
	const struct log_subject *about; /* NULL: nothing in particular */
	const char *id;			 /* of the event that it is, or NULL */
	const struct log_field *fields;	 /* or NULL */
	const char *text;		 /* without a newline */
};

typedef void log_sink(void *arg, const struct log_line *);

/* Sends all that follows to `sink`; before, lines go to standard error. */
void log_open(log_sink *sink, void *arg);
void log_set_level(enum log_level);

/* Has log_fatal() call this, to write what the sink has not written yet. */
void log_at_end(void (*flush)(void));

#define LOG_FORMAT(fmt, args) __attribute__((format(printf, fmt, args)))

void log_error(const char *fmt, ...) LOG_FORMAT(1, 2);
void log_warning(const char *fmt, ...) LOG_FORMAT(1, 2);
void log_info(const char *fmt, ...) LOG_FORMAT(1, 2);
void log_debug(const char *fmt, ...) LOG_FORMAT(1, 2);

/* A line about something. */
void log_about(enum log_level, const struct log_subject *, const char *fmt, ...)
    LOG_FORMAT(3, 4);

/* A line with all that is in `line`, but for its text. */
void log_send(const struct log_line *, const char *fmt, ...) LOG_FORMAT(2, 3);
void log_vsend(const struct log_line *, const char *fmt, va_list)
    LOG_FORMAT(2, 0);

/* Logs an error and ends the process with status 1, without clean-up. */
_Noreturn void log_fatal(const char *fmt, ...) LOG_FORMAT(1, 2);

/*
 * A token bucket for lines that somebody else can cause: LOG_BURST lines at
 * once, then one a second.
 */
struct log_limit {
	uint64_t at; /* ns, of the last line allowed */
	uint32_t tokens;
	uint32_t suppressed; /* lines since then */
};

#define LOG_BURST 10

/* A full bucket. */
void log_limit_init(struct log_limit *, uint64_t now);

/*
 * Whether one more line may be logged at `now` (ns, monotonic).  If so,
 * `*suppressed` tells how many were not since the last.
 */
int log_limit_pass(struct log_limit *, uint64_t now, uint32_t *suppressed);

#endif
