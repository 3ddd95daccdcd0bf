/*
 * A source of a pool in the parent: opening it, retrying, the reports of its
 * reader, and their log.  Used by pool.c.
 */
#include <sys/socket.h>

#include <bsd/string.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "common/names.h"
#include "parent/host/event.h"
#include "parent/pool/pool_source.h"
#include "parent/pool/usb.h"

/* For messages; journal fields have the names of names_test. */
static const char *const failures[TESTS] = {
	[TEST_NONE] = "failed a test",
	[TEST_REPETITION] = "failed the repetition count test",
	[TEST_PROPORTION] = "failed the adaptive proportion test",
	[TEST_LAG] = "failed the lag test",
	[TEST_STUCK] = "failed the test for stuck words",
	[TEST_DEVICE] = "failed the device's own test",
	[TEST_COMBINED] = "failed the test of all sources combined",
	[TEST_STATISTICS] =
	    "failed FIPS 140-2 six blocks in a row (2^-62 by chance)",
};

/* The failed test, if that is the cause of its state. */
static uint32_t
failed_test(const struct pool_source *s)
{
	uint32_t status = s->state.status, test = s->state.test;
	bool failed = status == SOURCE_FAILED || status == SOURCE_LATCHED;

	return failed && test < TESTS ? test : TEST_NONE;
}

/*
 * Records a failure and its cause; consequences of it before the source is
 * opened again are not counted.
 */
static void
note_failure(struct pool_source *s, const char *why)
{
	s->failures += !s->noted;
	s->noted = true;
	s->failed = clock_now();
	strlcpy(s->failure, why, sizeof(s->failure));
}

/* Logs an event of a source, at a limited rate. */
static void
say(void *arg, enum event event, const char *text, uint32_t suppressed)
{
	struct pool_source *s = arg;
	char more[FLAP_MORE_SIZE];

	event_log(event, &s->subject,
	    LOG_FIELDS(LOG_TEXT("VRNGD_REASON", s->reason),
		LOG_TEXT("VRNGD_TEST", names_test[failed_test(s)]),
		LOG_NUMBER("VRNGD_FAILURES", s->failures),
		LOG_NUMBER("VRNGD_BYTES", pool_source_bytes(s)),
		LOG_NUMBER("VRNGD_SUPPRESSED", suppressed)),
	    "pool %s: source %s: %s%s", s->subject.pool, s->text, text,
	    flap_more(more, suppressed));
}

/* The same, with a reason or NULL. */
#define report(s, event, why, ...) \
	do { \
		const char *reason_ = (why); \
\
		strlcpy((s)->reason, reason_ == NULL ? "" : reason_, \
		    sizeof((s)->reason)); \
		flap_say(&(s)->flap, (event), __VA_ARGS__); \
	} while (0)

/* Logs the state that its reader reports. */
static void
report_status(struct pool_source *s)
{
	const char *why = failures[failed_test(s)];
	uint32_t status = s->state.status;

	if (status == SOURCE_OK && s->announced)
		report(s, EVENT_SOURCE_RECOVERED, NULL, "delivers again");
	else if (status == SOURCE_OK)
		report(s, EVENT_SOURCE_HEALTHY, NULL, "healthy");
	else if (status == SOURCE_FAILED)
		report(s, EVENT_SOURCE_FAILED, why,
		    "%s: not used until it has passed the start-up tests again",
		    why);
	else if (status == SOURCE_LATCHED)
		report(s, EVENT_SOURCE_LATCHED, why,
		    "%s, and not by chance: not used until vrngctl source "
		    "retest %s",
		    why, s->config->spec.name);
	else if (status == SOURCE_STALLED) {
		report(s, EVENT_SOURCE_STALLED, NULL,
		    "delivers no bytes: not used until it does");
		note_failure(s, "delivered no bytes");
	} else
		return;
	s->announced = status != SOURCE_OK;
	s->lost = false;
}

/* A source that failed a test waits longer than one that was lost. */
#define FAILED_SLOWER 10

static void
set_status(struct pool_source *s, enum proto_source_status status)
{
	if (s->state.status != status)
		s->since = clock_now();
	s->state.status = status;
}

/* Sends a descriptor, or none (-1), to the reader. */
static void
give(struct pool_source *s, int fd)
{
	struct frame f;

	frame_init(&f, fd == -1 ? PROTO_SOURCE_START : PROTO_SOURCE_OPEN, 0, 0);
	f.u.number.number = s->config->spec.number;
	f.fds[0] = fd;
	s->closed = s->noted = false;
	s->given++;
	process_send(s->entropy, &f);
}

/* It cannot be opened: retries later. */
static void
lose(struct pool_source *s, const char *why)
{
	uint64_t now = clock_now();

	if (!s->lost)
		report(s, EVENT_SOURCE_LOST, why, "lost: %s; retrying", why);
	s->announced = s->lost = true;
	note_failure(s, why);
	set_status(s, SOURCE_LOST);
	timer_at(&s->timer, now + backoff_failed(&s->backoff, now, 0, 1));
}

/* Opens the device, a connection, or a device on USB for try_open(). */
static int
open_now(struct pool_source *s, char why[SOURCE_WHY_SIZE])
{
	bool usb = s->config->spec.kind == SOURCE_QNG;
	int fd;

	if (usb && !usb_installed(s->env->libexec, why, SOURCE_WHY_SIZE))
		return -1;
	fd = source_open(s->config, why);
	return usb && fd != -1
	    ? usb_reader_start(&s->usb, s->env, &s->subject, fd, why)
	    : fd;
}

/* Opens it, if its reader runs. */
static void
try_open(void *arg)
{
	struct pool_source *s = arg;
	char why[SOURCE_WHY_SIZE];
	int fd = -1;

	if (!process_running(s->entropy) || !s->closed)
		return;
	if (s->io != NULL) {
		sd_event_source_set_enabled(s->io, SD_EVENT_ON);
		return;
	}
	if (s->kept.fd != -1)
		fd = fcntl(s->kept.fd, F_DUPFD_CLOEXEC, 0);
	else if (source_needs_fd(s->config))
		fd = open_now(s, why);
	else {
		give(s, -1);
		return;
	}
	if (fd != -1)
		give(s, fd);
	else
		lose(s, s->kept.fd == -1 ? why : strerror(errno));
}

/* A connection, which becomes the source; others wait until it ends. */
static int
accept_event(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	struct pool_source *s = arg;
	int conn;

	(void)events;
	conn = source_accept(fd);
	if (conn == -1 && (errno == EAGAIN || errno == ECONNABORTED))
		return 0;
	sd_event_source_set_enabled(source, SD_EVENT_OFF);
	if (conn == -1) {
		lose(s, strerror(errno));
		return 0;
	}
	report(s, EVENT_SOURCE_CONNECTED, NULL, "connected");
	give(s, conn);
	return 0;
}

/* Logs why it cannot be opened.  Returns -1. */
static int
refuse(const struct pool_source *s, const char *why)
{
	log_about(LOG_LEVEL_ERROR, &s->subject, "pool %s: source %s: %s",
	    s->subject.pool, s->text, why);
	return -1;
}

/* Opens a kept socket or file.  Returns 0, or -1 after logging the error. */
static int
open_kept(struct pool_source *s)
{
	const struct listener_rights rights = {
		.owner = (uid_t)-1,
		.group = (gid_t)-1,
	};
	const struct config_source *cs = s->config;
	char why[SOURCE_WHY_SIZE];
	int r;

	if (!source_is_kept(cs))
		return 0;
	if (cs->listen && cs->socket.transport == CONFIG_UNIX) {
		if (listener_open(&s->kept, cs->socket.where, SOCK_STREAM,
			&rights) == -1)
			return -1;
	} else if ((s->kept.fd = source_keep(cs, why)) == -1)
		return refuse(s, why);
	if (!cs->listen || cs->socket.transport == CONFIG_UDP)
		return 0;
	r = sd_event_add_io(s->timer.event, &s->io, s->kept.fd, EPOLLIN,
	    accept_event, s);
	if (r >= 0)
		r = sd_event_source_set_enabled(s->io, SD_EVENT_OFF);
	return r < 0 ? refuse(s, strerror(-r)) : 0;
}

static void *
must(void *p)
{
	if (p == NULL)
		log_fatal("out of memory for a source");
	return p;
}

static struct config_source *
copy(const struct config_source *cs)
{
	struct config_source *c = must(malloc(sizeof(*c)));

	*c = *cs;
	if (cs->socket.where != NULL)
		c->socket.where = must(strdup(cs->socket.where));
	return c;
}

struct pool_source *
pool_source_new(const struct config_source *cs, const char *pool,
    struct process *entropy, struct process_env *env, bool keep)
{
	struct pool_source *s = must(calloc(1, sizeof(*s)));
	char what[POOL_SOURCE_TEXT_SIZE - GUEST_NAME_SIZE - 3];

	s->created = clock_now();
	s->config = copy(cs);
	s->subject.pool = pool;
	s->subject.source = s->config->spec.name;
	snprintf(s->text, sizeof(s->text), "%s (%s)", cs->spec.name,
	    config_source_text(cs, what, sizeof(what)));
	s->entropy = entropy;
	s->env = env;
	s->kept.fd = -1;
	s->closed = true;
	s->since = clock_now();
	flap_init(&s->flap, env->event, say, s);
	timer_init(&s->timer, env->event, try_open, s);
	if (keep && open_kept(s) == -1) {
		pool_source_free(s);
		return NULL;
	}
	return s;
}

void
pool_source_free(struct pool_source *s)
{
	usb_reader_stop(&s->usb);
	flap_end(&s->flap);
	timer_free(&s->timer);
	sd_event_source_disable_unref(s->io);
	listener_close(&s->kept, s->timer.event);
	config_source_free(s->config);
	free(s);
}

void
pool_source_inherit(struct pool_source *s, struct pool_source *from)
{
	s->kept = from->kept;
	if (s->kept.path != NULL)
		s->kept.path = s->config->socket.where;
	s->io = from->io;
	if (s->io != NULL)
		sd_event_source_set_userdata(s->io, s);
	from->kept.fd = -1;
	from->io = NULL;
}

bool
pool_source_try(const struct pool_source *s, bool may_wait)
{
	uint32_t kind = s->config->spec.kind;
	char why[SOURCE_WHY_SIZE];
	int result;

	if (s->kept.fd != -1 || !source_needs_fd(s->config) ||
	    kind == SOURCE_EGD || kind == SOURCE_STREAM)
		return true;
	if (may_wait)
		result = source_check(s->config, why);
	else if (kind == SOURCE_QNG &&
	    !usb_installed(s->env->libexec, why, sizeof(why)))
		result = -1;
	else if ((result = source_open(s->config, why)) != -1)
		close(result);
	if (result == -1)
		refuse(s, why);
	return result != -1;
}

void
pool_source_send(struct pool_source *s, const struct counters_source *page)
{
	struct frame f;

	s->counters = &page[s->config->spec.number];

	frame_init(&f, PROTO_SOURCE, 0, 0);
	f.u.source = s->config->spec;
	process_send(s->entropy, &f);
}

void
pool_source_start(struct pool_source *s)
{
	if (s->state.status == SOURCE_LATCHED ||
	    s->state.status == SOURCE_EXHAUSTED)
		return;
	/* Quarantine outlives its reader. */
	if (clock_now() < s->backoff.until)
		timer_at(&s->timer, s->backoff.until);
	else
		try_open(s);
}

#define HEALTH_N (sizeof(struct proto_health) / sizeof(uint64_t))

/* Increases a total to a larger value of its reader's page. */
static void
read_counter(uint64_t *last, const uint64_t *value)
{
	uint64_t now = counters_load(value);

	if (now > *last)
		*last = now < COUNTER_MAX ? now : COUNTER_MAX;
}

static void
read_counters(struct pool_source *s)
{
	const struct counters_source *c = s->counters;

	if (c == NULL)
		return;
	read_counter(&s->bytes, &c->meter.total);
	for (size_t i = 0; i < HEALTH_N; i++)
		read_counter((uint64_t *)&s->health + i,
		    (const uint64_t *)&c->health + i);
}

uint64_t
pool_source_bytes(struct pool_source *s)
{
	read_counters(s);
	return s->past_bytes + s->bytes;
}

struct proto_health
pool_source_health(struct pool_source *s)
{
	struct proto_health h = s->past_health;

	read_counters(s);
	for (size_t i = 0; i < HEALTH_N; i++)
		((uint64_t *)&h)[i] += ((const uint64_t *)&s->health)[i];
	return h;
}

uint64_t
pool_source_rate(const struct pool_source *s)
{
	struct meter meter;

	if (s->counters == NULL)
		return 0;
	meter.start = counters_load(&s->counters->meter.start);
	meter.current = counters_load(&s->counters->meter.current);
	meter.previous = counters_load(&s->counters->meter.previous);
	if (meter.current > COUNTER_MAX || meter.previous > COUNTER_MAX)
		return 0;
	return meter_rate(&meter, clock_now());
}

void
pool_source_stop(struct pool_source *s)
{
	enum proto_source_status status = s->state.status;

	s->past_health = pool_source_health(s);
	s->past_bytes = pool_source_bytes(s);
	s->counters = NULL;
	s->bytes = 0;
	s->health = (struct proto_health){ 0 };
	s->state = (struct proto_source_state){ .status = status };
	if (status != SOURCE_LATCHED && status != SOURCE_EXHAUSTED)
		set_status(s, SOURCE_WAITING);
	s->closed = true;
	s->given = 0;
	timer_stop(&s->timer);
	usb_reader_stop(&s->usb);
	if (s->io != NULL)
		sd_event_source_set_enabled(s->io, SD_EVENT_OFF);
}

/* Its reader has closed it: sets the time to open it again. */
static void
closed(struct pool_source *s)
{
	const struct proto_source_state *state = &s->state;
	uint64_t now = clock_now();

	s->closed = true;
	if (state->status == SOURCE_LATCHED || state->status == SOURCE_FAILED)
		note_failure(s, failures[failed_test(s)]);
	if (state->status == SOURCE_LATCHED)
		return;
	if (state->status == SOURCE_FAILED) {
		timer_at(&s->timer,
		    now + backoff_failed(&s->backoff, now, 0, FAILED_SLOWER));
		return;
	}
	if (s->config->replay && state->error == 0) {
		report(s, EVENT_SOURCE_EXHAUSTED, NULL,
		    "exhausted: end of the replay file");
		set_status(s, SOURCE_EXHAUSTED);
		return;
	}
	lose(s, state->error == 0 ? "end of file" : strerror(state->error));
}

void
pool_source_update(struct pool_source *s,
    const struct proto_source_state *state)
{
	enum proto_source_status was = s->state.status;

	s->state = *state;
	/* While no reader has it, the parent sets its state. */
	if (s->closed || state->opened != s->given) {
		s->state.status = was;
		return;
	}
	if (state->status != was) {
		s->since = clock_now();
		report_status(s);
	}
	if (state->closed)
		closed(s);
}

int
pool_source_retest(struct pool_source *s, const char **why)
{
	if (!s->closed) {
		*why = "source is in use, not rejected";
		return -1;
	}
	if (s->state.status == SOURCE_EXHAUSTED) {
		*why = "end of the replay file";
		return -1;
	}
	event_log(EVENT_SOURCE_RETESTED, &s->subject, NULL,
	    "pool %s: source %s: retested on request", s->subject.pool,
	    s->text);
	s->backoff = (struct backoff){ 0 };
	set_status(s, SOURCE_WAITING);
	timer_stop(&s->timer);
	try_open(s);
	return 0;
}
