#include <sys/stat.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>

#include "log.h"
#include "sink.h"

static const struct {
	const char *name;
	int priority; /* syslog(3) */
} levels[] = {
	[LOG_LEVEL_ERROR] = { "error", LOG_ERR },
	[LOG_LEVEL_WARNING] = { "warning", LOG_WARNING },
	[LOG_LEVEL_INFO] = { "info", LOG_INFO },
	[LOG_LEVEL_DEBUG] = { "debug", LOG_DEBUG },
};

static void
sink_stderr(void *arg, enum log_level level, const struct log_subject *about,
    const char *text)
{
	char stamp[32], subject[GUEST_NAME_SIZE + 16] = "";
	struct timespec ts;
	struct tm tm;

	(void)arg;
	if (about != NULL)
		snprintf(subject, sizeof(subject), "%s %s: ", about->kind,
		    about->name);
	clock_gettime(CLOCK_REALTIME, &ts);
	gmtime_r(&ts.tv_sec, &tm);
	strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &tm);
	fprintf(stderr, "%s.%03ldZ %s %s%s\n", stamp, ts.tv_nsec / 1000000,
	    levels[level].name, subject, text);
}

static void
sink_journal(void *arg, enum log_level level, const struct log_subject *about,
    const char *text)
{
	const char *field = "VRNGD_SERVICE";

	(void)arg;
	if (about != NULL && strcmp(about->kind, "guest") == 0)
		field = "VRNGD_GUEST";
	if (about != NULL)
		sd_journal_send("MESSAGE=%s %s: %s", about->kind, about->name,
		    text, "PRIORITY=%d", levels[level].priority, "%s=%s", field,
		    about->name, NULL);
	else
		sd_journal_send("MESSAGE=%s", text, "PRIORITY=%d",
		    levels[level].priority, NULL);
}

/* Whether standard error is the stream that systemd.exec(5) describes. */
static int
stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long dev, ino;
	struct stat st;

	return stream != NULL && sscanf(stream, "%llu:%llu", &dev, &ino) == 2 &&
	    fstat(STDERR_FILENO, &st) == 0 && st.st_dev == dev &&
	    st.st_ino == ino;
}

void
sink_open(void)
{
	log_open(stderr_is_journal() ? sink_journal : sink_stderr, NULL);
}
