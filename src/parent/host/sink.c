/*
 * The parent's log sink: the journal, or standard error.  Used by main.c,
 * which sets it.
 */
#include <sys/stat.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>

#include "common/log.h"
#include "parent/host/record.h"
#include "parent/host/sink.h"

static const char *const levels[] = {
	[LOG_LEVEL_ERROR] = "error",
	[LOG_LEVEL_WARNING] = "warning",
	[LOG_LEVEL_INFO] = "info",
	[LOG_LEVEL_DEBUG] = "debug",
};

static void
sink_stderr(void *arg, const struct log_line *line)
{
	char stamp[32], subject[GUEST_NAME_SIZE + 16] = "";
	const struct log_subject *about = line->about;
	struct timespec ts;
	struct tm tm;

	(void)arg;
	if (about != NULL && about->kind != NULL)
		snprintf(subject, sizeof(subject), "%s %s: ", about->kind,
		    about->name);
	clock_gettime(CLOCK_REALTIME, &ts);
	gmtime_r(&ts.tv_sec, &tm);
	strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &tm);
	fprintf(stderr, "%s.%03ldZ %s %s%s\n", stamp, ts.tv_nsec / 1000000,
	    levels[line->level], subject, line->text);
}

static void
sink_journal(void *arg, const struct log_line *line)
{
	struct record r;

	(void)arg;
	record_make(&r, line);
	sd_journal_sendv(r.fields, r.nfields);
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
