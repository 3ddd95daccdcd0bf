/*
 * The log output of the parent: the journal, or standard error.  Used by main.c,
 * which sets it.
 *
 * The reader of the log may hang, so writes do not block.  The socket to the
 * journal is private and non-blocking.  Standard error is shared with other
 * processes, so its description must not be made non-blocking: a pipe or
 * terminal is opened again, a socket is written with MSG_DONTWAIT, and any
 * other is polled first.  A regular file has no reader.
 */
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/journal_stream.h"
#include "common/names.h"
#include "parent/host/event.h"
#include "parent/host/log_queue.h"
#include "parent/host/log_output.h"

#define JOURNAL_SOCKET "/run/systemd/journal/socket"
#define FLUSH_TIME     (100 * NS_PER_MS)
#define LINE_SIZE      (LOG_TEXT_SIZE + GUEST_NAME_SIZE + 80)

enum output_kind {
	OUTPUT_JOURNAL,
	OUTPUT_SOCKET, /* standard error, as are the following */
	OUTPUT_OPENED, /* opened again, non-blocking */
	OUTPUT_SHARED, /* as inherited: polled before each write */
	OUTPUT_FILE,   /* never blocks */
};

static struct {
	enum output_kind kind;
	int fd; /* -1: no journal */
	struct log_queue queue;
	sd_event *event;	/* NULL: none yet */
	sd_event_source *watch; /* of fd; NULL: it cannot be watched */
} output;

static const int priorities[] = {
	[LOG_LEVEL_ERROR] = LOG_ERR,
	[LOG_LEVEL_WARNING] = LOG_WARNING,
	[LOG_LEVEL_INFO] = LOG_INFO,
	[LOG_LEVEL_DEBUG] = LOG_DEBUG,
};

static void add(struct journal_entry *, const char *, ...) LOG_FORMAT(2, 3);

static void
add(struct journal_entry *r, const char *fmt, ...)
{
	size_t room = sizeof(r->text) - r->used;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(r->text + r->used, room, fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= room || r->nfields == JOURNAL_FIELDS_MAX)
		return;
	r->fields[r->nfields++] = (struct iovec){
		.iov_base = r->text + r->used,
		.iov_len = (size_t)n,
	};
	r->used += (size_t)n;
}

/* Adds the subject of a line, with its pool and class. */
static void
add_subject(struct journal_entry *r, const struct log_subject *about)
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
add_fields(struct journal_entry *r, const struct log_field *f)
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
journal_entry_make(struct journal_entry *r, const struct log_line *line)
{
	const struct log_subject *about = line->about;

	r->nfields = 0;
	r->used = 0;
	/* journalctl shows a record without MESSAGE only with all its fields. */
	if (line->view == LOG_VIEW_TEXT && about != NULL && about->kind != NULL)
		add(r, "MESSAGE=%s %s: %s", about->kind, about->name,
		    line->text);
	else if (line->view == LOG_VIEW_TEXT)
		add(r, "MESSAGE=%s", line->text);
	add(r, "PRIORITY=%d", priorities[line->level]);
	if (line->id != NULL)
		add(r, "MESSAGE_ID=%s", line->id);
	if (about != NULL)
		add_subject(r, about);
	add_fields(r, line->fields);
}

/* Copies bytes, and returns the end. */
static char *
put(char *to, const void *bytes, size_t n)
{
	memcpy(to, bytes, n);
	return to + n;
}

size_t
journal_entry_pack(const struct journal_entry *r, char *out, size_t size)
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

/* Formats a line for standard error.  Returns its length. */
static size_t
format_line(const struct log_line *line, char *out, size_t size)
{
	char stamp[32], subject[GUEST_NAME_SIZE + 16] = "";
	const struct log_subject *about = line->about;
	struct timespec ts;
	struct tm tm;
	int n;

	if (about != NULL && about->kind != NULL)
		snprintf(subject, sizeof(subject), "%s %s: ", about->kind,
		    about->name);
	clock_gettime(CLOCK_REALTIME, &ts);
	gmtime_r(&ts.tv_sec, &tm);
	strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &tm);
	n = snprintf(out, size, "%s.%03ldZ %s %s%s\n", stamp,
	    ts.tv_nsec / 1000000, names_log_level[line->level], subject,
	    line->text);
	if (n < 0)
		return 0;
	return (size_t)n < size ? (size_t)n : size - 1;
}

static int
connect_journal(void)
{
	const struct sockaddr_un sun = {
		.sun_family = AF_UNIX,
		.sun_path = JOURNAL_SOCKET,
	};
	int fd;

	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd == -1)
		return -1;
	if (connect(fd, (const struct sockaddr *)&sun, sizeof(sun)) == -1) {
		close(fd);
		return -1;
	}
	return fd;
}

static void
close_journal(void)
{
	output.watch = sd_event_source_disable_unref(output.watch);
	if (output.fd != -1)
		close(output.fd);
	output.fd = -1;
}

/* A restarted journal has a new socket. */
static ssize_t
write_journal(const void *bytes, size_t size)
{
	ssize_t n;

	for (int tries = 0; tries < 2; tries++) {
		if (output.fd == -1 && (output.fd = connect_journal()) == -1)
			return -1;
		n = send(output.fd, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n != -1 || errno == EAGAIN || errno == EMSGSIZE)
			return n;
		close_journal();
	}
	return -1;
}

/* The minimum room of a pipe that polls as writable. */
static ssize_t
write_shared(const void *bytes, size_t size)
{
	struct pollfd pfd = { .fd = output.fd, .events = POLLOUT };

	if (poll(&pfd, 1, 0) == 0) {
		errno = EAGAIN;
		return -1;
	}
	return write(output.fd, bytes, size < PIPE_BUF ? size : PIPE_BUF);
}

static ssize_t
write_some(const void *bytes, size_t size)
{
	switch (output.kind) {
	case OUTPUT_JOURNAL:
		return write_journal(bytes, size);
	case OUTPUT_SOCKET:
		return send(output.fd, bytes, size,
		    MSG_DONTWAIT | MSG_NOSIGNAL);
	case OUTPUT_SHARED:
		return write_shared(bytes, size);
	default:
		return write(output.fd, bytes, size);
	}
}

static int writable(sd_event_source *, int, uint32_t, void *);

/* Waits for room in the event loop, if lines wait. */
static void
watch(void)
{
	bool waits = log_queue_first(&output.queue) != NULL;

	if (output.event == NULL || (!waits && output.watch == NULL))
		return;
	/* A file that epoll rejects always has room. */
	if (output.watch == NULL && output.fd != -1)
		sd_event_add_io(output.event, &output.watch, output.fd,
		    EPOLLOUT, writable, NULL);
	if (output.watch != NULL)
		sd_event_source_set_enabled(output.watch,
		    waits ? SD_EVENT_ON : SD_EVENT_OFF);
}

/* Drops lines that cannot be written now or later. */
static void
write_waiting(void)
{
	struct log_entry *e;
	ssize_t n;

	while ((e = log_queue_first(&output.queue)) != NULL) {
		n = write_some(e->bytes + e->done, e->size - e->done);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1 && errno == EAGAIN)
			break;
		e->done += n == -1 ? e->size - e->done : (size_t)n;
		if (e->done == e->size)
			log_queue_shift(&output.queue);
	}
	watch();
}

/* Reports lost lines when there is room again. */
static void
report_lost(void)
{
	uint64_t lost, alarms;

	if (output.queue.lost == 0 || log_queue_first(&output.queue) != NULL)
		return;
	log_queue_lost(&output.queue, &lost, &alarms);
	event_log(EVENT_LOG_LOST, NULL,
	    LOG_FIELDS(LOG_NUMBER("VRNGD_LOST", lost),
		LOG_NUMBER("VRNGD_LOST_ALARMS", alarms)),
	    "log records lost, as the log was not read: %" PRIu64
	    ", alarms: %" PRIu64,
	    lost, alarms);
}

static int
writable(sd_event_source *source, int fd, uint32_t revents, void *arg)
{
	(void)source, (void)fd, (void)revents, (void)arg;
	write_waiting();
	report_lost();
	return 0;
}

static void
sink_line(void *arg, const struct log_line *line)
{
	char packed[JOURNAL_PACKED_SIZE];
	struct journal_entry r;
	size_t size;

	(void)arg;
	if (output.kind == OUTPUT_JOURNAL) {
		journal_entry_make(&r, line);
		size = journal_entry_pack(&r, packed, sizeof(packed));
	} else if (line->view != LOG_VIEW_FIELDS)
		size = format_line(line, packed, LINE_SIZE);
	else
		return;
	log_queue_put(&output.queue, line->level, packed, size);
	write_waiting();
	report_lost();
}

static void
open_stderr(const struct stat *st)
{
	output.fd = STDERR_FILENO;
	if (S_ISREG(st->st_mode))
		output.kind = OUTPUT_FILE;
	else if (S_ISSOCK(st->st_mode))
		output.kind = OUTPUT_SOCKET;
	else
		output.kind = OUTPUT_SHARED;
	if (!S_ISFIFO(st->st_mode) && isatty(STDERR_FILENO) == 0)
		return;
	output.fd = open("/proc/self/fd/2",
	    O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (output.fd != -1)
		output.kind = OUTPUT_OPENED;
	else
		output.fd = STDERR_FILENO;
}

void
log_output_open(void)
{
	struct stat st = { 0 };

	log_queue_init(&output.queue);
	if (journal_stream_is_stderr()) {
		output.kind = OUTPUT_JOURNAL;
		output.fd = connect_journal();
	} else {
		(void)fstat(STDERR_FILENO, &st);
		open_stderr(&st);
	}
	log_open(sink_line, NULL);
	log_at_end(log_output_flush);
}

void
log_output_watch(sd_event *event)
{
	output.event = event;
	watch();
}

void
log_output_flush(void)
{
	struct pollfd pfd = { .fd = output.fd, .events = POLLOUT };
	uint64_t now = clock_now(), deadline = now + FLUSH_TIME;

	while (log_queue_first(&output.queue) != NULL && now < deadline) {
		if (poll(&pfd, 1, (int)((deadline - now) / NS_PER_MS) + 1) > 0)
			write_waiting();
		report_lost();
		now = clock_now();
	}
}
