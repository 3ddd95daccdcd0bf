/*
 * Gathers events and passes them to the status process.  Used by status.c; the
 * log calls it for each event.
 */
#include <sys/mman.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/names.h"
#include "parent/control/monitor.h"
#include "parent/host/event.h"

/* The time now, in UTC as in RFC 3339, with milliseconds. */
static void
put_now(struct json *j)
{
	char text[64], seconds[32];
	struct timespec ts;
	struct tm tm;

	clock_gettime(CLOCK_REALTIME, &ts);
	gmtime_r(&ts.tv_sec, &tm);
	strftime(seconds, sizeof(seconds), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(text, sizeof(text), "%s.%03ldZ", seconds,
	    ts.tv_nsec / 1000000);
	json_put_string(j, "time", text);
}

static void
put_event(struct json *j, const char *id)
{
	const struct event_type *type = event_find(id);
	char key[EVENT_KEY_SIZE];

	if (type == NULL)
		return;
	event_key(type, key);
	json_put_string(j, "event", key);
	json_put_string(j, "message_id", id);
}

/* The same text as in the journal. */
static void
put_message(struct json *j, const struct log_line *line)
{
	char text[LOG_TEXT_SIZE + GUEST_NAME_SIZE + 16];

	if (line->about == NULL || line->about->kind == NULL) {
		json_put_string(j, "message", line->text);
		return;
	}
	snprintf(text, sizeof(text), "%s %s: %s", line->about->kind,
	    line->about->name, line->text);
	json_put_string(j, "message", text);
}

/* The text of a field, or NULL. */
static const char *
field_text(const struct log_line *line, const char *name)
{
	for (const struct log_field *f = line->fields;
	     f != NULL && f->name != NULL; f++)
		if (strcmp(f->name, name) == 0)
			return f->text;
	return NULL;
}

static void
put_subject(struct json *j, const struct log_line *line)
{
	static const struct log_subject none;
	const struct log_subject *about =
	    line->about == NULL ? &none : line->about;
	bool guest = about->kind != NULL && strcmp(about->kind, "guest") == 0;

	/* A guest that does not exist is named by a field. */
	json_put_name(j, "guest",
	    guest ? about->name : field_text(line, "VRNGD_GUEST"));
	json_put_name(j, "service", guest ? NULL : about->name);
	json_put_name(j, "kind", guest ? NULL : about->kind);
	json_put_name(j, "pool", about->pool);
	json_put_name(j, "class", about->class);
	json_put_name(j, "source", about->source);
}

static void
put_fields(struct json *j, const struct log_line *line)
{
	char number[32];

	json_open(j, "fields", '{');
	for (const struct log_field *f = line->fields;
	     f != NULL && f->name != NULL; f++) {
		if (strcmp(f->name, "VRNGD_GUEST") == 0)
			continue;
		snprintf(number, sizeof(number), "%" PRIu64, f->number);
		json_put_string(j, f->name, f->text != NULL ? f->text : number);
	}
	if (field_text(line, "VRNGD_PROCESS") == NULL)
		json_put_string(j, "VRNGD_PROCESS", "parent");
	json_close(j, '}');
}

/* Removes the file; its events are lost. */
static void
discard(struct monitor *m)
{
	if (m->fd != -1)
		close(m->fd);
	m->fd = -1;
	m->lost += m->nevents;
	m->nevents = 0;
}

/* Creates the file if there is none.  Returns whether there is room in it. */
static bool
ready(struct monitor *m)
{
	if (m->fd == -1) {
		m->fd = memfd_create("events", MFD_CLOEXEC | MFD_ALLOW_SEALING);
		if (m->fd == -1)
			return false;
		json_init(&m->json, m->fd);
		json_open(&m->json, NULL, '[');
	}
	return m->json.size + m->json.used < MONITOR_EVENTS_SIZE;
}

/*
 * Sends what there is soon, from the event loop, if it was asked for; not too
 * often, however often clients begin to monitor.
 */
static void
send_soon(struct monitor *m)
{
	uint64_t now = clock_now();

	if (m->asked)
		timer_at(&m->timer, now < m->next ? m->next : now);
}

static void
gather(void *arg, const struct log_line *line)
{
	struct monitor *m = arg;
	struct json *j = &m->json;

	if (!ready(m)) {
		m->lost++;
		send_soon(m);
		return;
	}
	json_open(j, NULL, '{');
	put_event(j, line->id);
	json_put_string(j, "level", names_text(names_log_level, line->level));
	put_now(j);
	put_message(j, line);
	put_subject(j, line);
	put_fields(j, line);
	json_close(j, '}');
	m->nevents++;
	send_soon(m);
}

/* Sends the file, empty if there are no events yet. */
static void
send_events(void *arg)
{
	struct monitor *m = arg;
	struct frame f;

	if (!m->asked)
		return;
	(void)ready(m);
	if (m->fd != -1) {
		json_close(&m->json, ']');
		json_flush(&m->json);
	}
	if (m->fd == -1 || m->json.error != 0 ||
	    fcntl(m->fd, F_ADD_SEALS, JSON_SEALS) == -1) {
		discard(m);
		timer_after(&m->timer, NS_PER_SEC);
		return;
	}
	frame_init(&f, PROTO_EVENTS, 0, 0);
	f.u.events.size = m->json.size;
	f.u.events.lost = m->lost;
	f.u.events.serial = m->serial;
	f.fds[0] = m->fd;
	m->fd = -1;
	m->nevents = 0;
	m->lost = 0;
	m->asked = false;
	m->next = clock_now() + MONITOR_INTERVAL;
	process_send(m->process, &f);
}

void
monitor_init(struct monitor *m, sd_event *event, struct process *process)
{
	m->process = process;
	m->fd = -1;
	timer_init(&m->timer, event, send_events, m);
}

void
monitor_ask(struct monitor *m, const struct proto_events_ask *ask)
{
	bool first = !m->on;

	if (ask->on == 0) {
		monitor_stop(m);
		return;
	}
	m->on = true;
	m->asked = true;
	m->serial = ask->serial;
	log_watch(gather, m);
	if (first || m->nevents > 0 || m->lost > 0)
		send_soon(m);
}

void
monitor_stop(struct monitor *m)
{
	if (!m->on)
		return;
	log_watch(NULL, NULL);
	timer_stop(&m->timer);
	discard(m);
	m->lost = 0;
	m->on = false;
	m->asked = false;
}

void
monitor_free(struct monitor *m)
{
	monitor_stop(m);
	timer_free(&m->timer);
}
