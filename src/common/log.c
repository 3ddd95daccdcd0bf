/*
 * Log lines with a level, a subject and fields, and their rate limits.  Used by
 * all processes, with different sinks.
 */
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"

static void sink_stderr(void *, const struct log_line *);

static struct {
	log_sink *sink;
	void *arg;
	enum log_level level;
	void (*at_end)(void);
	log_sink *watch; /* NULL: none */
	void *watch_arg;
} logger = { .sink = sink_stderr, .level = LOG_LEVEL_INFO };

/* The sink of a process before log_open(). */
static void
sink_stderr(void *arg, const struct log_line *line)
{
	char out[LOG_TEXT_SIZE + GUEST_NAME_SIZE + 16];
	const char *name = line->about == NULL ? NULL : line->about->name;
	int n;

	(void)arg;
	n = snprintf(out, sizeof(out), "vrngd: %s%s%s\n",
	    name != NULL ? name : "", name != NULL ? ": " : "", line->text);
	if (n > 0 && (size_t)n >= sizeof(out))
		n = sizeof(out) - 1;
	if (n > 0 && write(STDERR_FILENO, out, (size_t)n) == -1)
		return;
}

void
log_open(log_sink *sink, void *arg)
{
	logger.sink = sink;
	logger.arg = arg;
}

void
log_watch(log_sink *watch, void *arg)
{
	logger.watch = watch;
	logger.watch_arg = arg;
}

void
log_at_end(void (*flush)(void))
{
	logger.at_end = flush;
}

void
log_set_level(enum log_level level)
{
	logger.level = level;
}

void
log_vsend(const struct log_line *line, const char *fmt, va_list ap)
{
	char text[LOG_TEXT_SIZE];
	struct log_line full = *line;
	bool logged = line->level <= logger.level;
	bool watched = line->id != NULL && logger.watch != NULL;

	if (!logged && !watched)
		return;
	vsnprintf(text, sizeof(text), fmt, ap);
	full.text = text;
	if (logged)
		logger.sink(logger.arg, &full);
	if (watched)
		logger.watch(logger.watch_arg, &full);
}

void
log_send(const struct log_line *line, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_vsend(line, fmt, ap);
	va_end(ap);
}

#define LOG_FUNCTION(name, severity) \
	void name(const char *fmt, ...) \
	{ \
		const struct log_line line = { .level = (severity) }; \
		va_list ap; \
\
		va_start(ap, fmt); \
		log_vsend(&line, fmt, ap); \
		va_end(ap); \
	}

LOG_FUNCTION(log_error, LOG_LEVEL_ERROR)
LOG_FUNCTION(log_warning, LOG_LEVEL_WARNING)
LOG_FUNCTION(log_info, LOG_LEVEL_INFO)
LOG_FUNCTION(log_debug, LOG_LEVEL_DEBUG)

void
log_about(enum log_level level, const struct log_subject *about,
    const char *fmt, ...)
{
	const struct log_line line = { .level = level, .about = about };
	va_list ap;

	va_start(ap, fmt);
	log_vsend(&line, fmt, ap);
	va_end(ap);
}

void
log_fatal(const char *fmt, ...)
{
	const struct log_line line = { .level = LOG_LEVEL_ERROR };
	va_list ap;

	va_start(ap, fmt);
	log_vsend(&line, fmt, ap);
	va_end(ap);
	if (logger.at_end != NULL)
		logger.at_end();
	_exit(1);
}

void
log_limit_init(struct log_limit *limit, uint64_t now)
{
	*limit = (struct log_limit){ .at = now, .tokens = LOG_BURST };
}

int
log_limit_pass(struct log_limit *limit, uint64_t now, uint32_t *suppressed)
{
	uint64_t seconds;

	seconds = now > limit->at ? (now - limit->at) / NS_PER_SEC : 0;
	if (seconds > 0) {
		limit->tokens = seconds + limit->tokens > LOG_BURST
		    ? LOG_BURST
		    : limit->tokens + (uint32_t)seconds;
		limit->at += seconds * NS_PER_SEC;
	}
	if (limit->tokens == 0) {
		limit->suppressed++;
		return 0;
	}
	limit->tokens--;
	*suppressed = limit->suppressed;
	limit->suppressed = 0;
	return 1;
}
