/*
 * The table of metrics, and the way from the status to their samples.  Used by
 * main.c.  A new metric is a row here and a line in docs/metrics.md.
 */
#include <bsd/string.h>
#include <err.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/names.h"
#include "ctl/http.h"
#include "ctl/metrics.h"

/* The objects that a family has samples of. */
enum level {
	LEVEL_DAEMON,
	LEVEL_POOL,
	LEVEL_SOURCE,
	LEVEL_CLASS,
	LEVEL_SERVICE,
	LEVEL_GUEST, /* only on request */
};

/* The array of these objects in a pool, and the label with their name. */
static const struct {
	const char *list;
	const char *label;
} levels[] = {
	[LEVEL_SOURCE] = { "sources", "source" },
	[LEVEL_CLASS] = { "classes", "class" },
	[LEVEL_SERVICE] = { "services", "service" },
	[LEVEL_GUEST] = { "guests", "guest" },
};

/* How the samples of an object derive from the value of the key. */
enum value {
	VALUE_NUMBER,
	VALUE_SECONDS, /* from nanoseconds */
	VALUE_RATE,    /* an object with "bytes" and "period_ns"; null: none */
	VALUE_FLAG,    /* true: 1 */
	VALUE_INFO,    /* 1; the keys, after their spaces, are labels */
	VALUE_WORD,    /* a sample for each word; 1 for that in the status */
	VALUE_GUESTS,  /* a sample for each word: the guests that have it */
	VALUE_EACH,    /* an object of numbers: a sample for each of its keys */
	VALUE_SUPPLY,  /* as VALUE_WORD, of snapshot_supply() */
};

struct metric {
	enum level level;
	struct family family;
	enum value value;
	const char *key;	  /* "a.b": in an object */
	const char *label;	  /* of each word or key */
	const char *const *words; /* the last one is NULL */
};

static names guest_states = { "idle", "paused", "connected", "waiting", NULL };
static names service_states = { "idle", "paused", "connecting", "connected",
	"waiting", NULL };
static names supplies = { "full", "fallback", "none", NULL };

/* Why a guest waits or cannot be served; the last one stands for any other. */
static names causes = { "ceiling", "sources", "stock", "seed", "memory", "ring",
	"iommu", "paused", "process", "worker", "socket-file", "other", NULL };

#define GAUGE(name, unit, help) \
	{ \
		name, FAMILY_GAUGE, unit, help \
	}
#define COUNTER(name, unit, help) \
	{ \
		name, FAMILY_COUNTER, unit, help \
	}
#define NUMBER(key)  VALUE_NUMBER, key, NULL, NULL
#define SECONDS(key) VALUE_SECONDS, key, NULL, NULL
#define RATE(key)    VALUE_RATE, key, NULL, NULL
#define FLAG(key)    VALUE_FLAG, key, NULL, NULL
#define LABELS(keys) VALUE_INFO, keys, NULL, NULL
#define INFO(name, help) \
	{ \
		name, FAMILY_INFO, NULL, help \
	}

/* clang-format off */
/* Requests, of guests and of services. */
#define REQUEST_METRICS(level, name, in, of) \
	{ level, COUNTER(name "_bytes", "bytes", \
	    "Bytes delivered to " of "."), NUMBER(in "bytes") }, \
	{ level, COUNTER(name "_requests", NULL, \
	    "Completed requests of " of "."), NUMBER(in "requests") }, \
	{ level, COUNTER(name "_short_answers", NULL, \
	    "Requests of " of " completed with fewer bytes than requested."), \
	    NUMBER(in "short_answers") }, \
	{ level, COUNTER(name "_malformed_requests", NULL, \
	    "Malformed requests of " of "."), NUMBER(in "malformed") }, \
	{ level, COUNTER(name "_wait_seconds", "seconds", \
	    "Time during which requests of " of " waited."), \
	    SECONDS(in "wait_ns") }, \
	{ level, COUNTER(name "_throttled_seconds", "seconds", \
	    "Time that " of " waited for limits."), \
	    SECONDS(in "throttled_ns") }
#define POLL_METRICS(level, name) \
	{ level, COUNTER(name "_polls", NULL, \
	    "Polls for the next request."), NUMBER("polling.polls") }, \
	{ level, COUNTER(name "_poll_hits", NULL, \
	    "Polls that found a request."), NUMBER("polling.hits") }, \
	{ level, COUNTER(name "_poll_seconds", "seconds", \
	    "Time spent polling."), SECONDS("polling.ns") }

static const struct metric metrics[] = {
	{ LEVEL_DAEMON, INFO("build", "Version of the daemon."),
	    LABELS("version") },
	{ LEVEL_DAEMON, GAUGE("uptime_seconds", "seconds",
	    "Time since the start of the daemon."),
	    SECONDS("uptime_ns") },
	{ LEVEL_DAEMON, GAUGE("sessions_not_stored", NULL,
	    "Sessions that systemd has not stored yet."),
	    NUMBER("sessions_not_stored") },
	{ LEVEL_DAEMON, COUNTER("events", NULL,
	    "Logged events, by the name of their type."),
	    VALUE_EACH, "events", "event", NULL },

	{ LEVEL_POOL, GAUGE("pool_limit_bytes_per_second", "bytes_per_second",
	    "Limit of the pool, if it has one."), RATE("limit") },
	{ LEVEL_POOL, GAUGE("pool_stock_bytes", "bytes",
	    "Tested bytes ready for delivery."), NUMBER("stock") },
	{ LEVEL_POOL, GAUGE("pool_stock_capacity_bytes", "bytes",
	    "Maximum of the stock."), NUMBER("stock_capacity") },
	{ LEVEL_POOL, COUNTER("pool_granted_bytes", "bytes",
	    "Bytes granted to guests and services of the pool."),
	    NUMBER("bytes_granted") },
	{ LEVEL_POOL, GAUGE("pool_sources", NULL, "Sources of the pool."),
	    NUMBER("sources_total") },
	{ LEVEL_POOL, GAUGE("pool_sources_serving", NULL,
	    "Sources whose bytes are delivered."),
	    NUMBER("sources_serving") },
	{ LEVEL_POOL, GAUGE("pool_supply", NULL,
	    "1 for what the pool serves from: all that it should (full), "
	    "other or fewer sources (fallback), or no source (none)."),
	    VALUE_SUPPLY, "", "supply", supplies },
	{ LEVEL_POOL, GAUGE("pool_unserved_seconds", "seconds",
	    "Time since the pool has too few healthy sources, or 0."),
	    SECONDS("unserved_ns") },

	{ LEVEL_SOURCE, INFO("source", "Type and address of the source."),
	    LABELS("kind noise what") },
	{ LEVEL_SOURCE, GAUGE("source_state", NULL,
	    "1 for the state of the source, 0 for all others."),
	    VALUE_WORD, "state", "state", names_source_status },
	{ LEVEL_SOURCE, GAUGE("source_state_age_seconds", "seconds",
	    "Time since the last change of state."),
	    SECONDS("since_ns") },
	{ LEVEL_SOURCE, GAUGE("source_serving", NULL,
	    "Whether bytes of the source are delivered."),
	    FLAG("serving") },
	{ LEVEL_SOURCE, COUNTER("source_bytes", "bytes",
	    "Bytes read from the source."), NUMBER("bytes") },
	{ LEVEL_SOURCE, COUNTER("source_failures", NULL,
	    "Times that the source was lost or failed a test."),
	    NUMBER("failures") },
	{ LEVEL_SOURCE, COUNTER("source_tested_bytes", "bytes",
	    "Bytes of the source that were tested."),
	    NUMBER("health.bytes_tested") },
	{ LEVEL_SOURCE, COUNTER("source_startups_passed", NULL,
	    "Start-up tests that the source passed."),
	    NUMBER("health.startups_passed") },
	{ LEVEL_SOURCE, COUNTER("source_alarms", NULL,
	    "Alarms of each health test."),
	    VALUE_EACH, "health.alarms", "test", NULL },
	{ LEVEL_SOURCE, COUNTER("source_fips_blocks", NULL,
	    "Blocks of 20,000 bits that were tested by FIPS 140-2."),
	    NUMBER("health.fips_blocks") },
	{ LEVEL_SOURCE, COUNTER("source_fips_failed_blocks", NULL,
	    "Those of them that failed; about 1 in 1,300 is normal."),
	    NUMBER("health.fips_failed") },

	{ LEVEL_CLASS, INFO("class", "Parent and delivery of the class."),
	    LABELS("parent delivery") },
	{ LEVEL_CLASS, GAUGE("class_rate_bytes_per_second", "bytes_per_second",
	    "Guaranteed rate of the class, if it has one."),
	    RATE("rate") },
	{ LEVEL_CLASS, GAUGE("class_ceil_bytes_per_second", "bytes_per_second",
	    "Maximum rate of the class, if it has one."), RATE("ceil") },
	{ LEVEL_CLASS, GAUGE("class_guests", NULL,
	    "Guests of the class and of those in it."),
	    NUMBER("guests") },
	{ LEVEL_CLASS, COUNTER("class_granted_bytes", "bytes",
	    "Bytes granted to guests and services of the class."),
	    NUMBER("bytes_granted") },

	{ LEVEL_POOL, GAUGE("guests", NULL, "Guests in each state."),
	    VALUE_GUESTS, "state", "state", guest_states },
	{ LEVEL_POOL, GAUGE("guests_unserved", NULL,
	    "Guests that wait or cannot be served, by cause."),
	    VALUE_GUESTS, "cause", "cause", causes },
	REQUEST_METRICS(LEVEL_POOL, "guests", "guests_total.",
	    "all guests"),
	{ LEVEL_POOL, COUNTER("guests_connections", NULL,
	    "Connections of all guests."),
	    NUMBER("guests_total.connections") },

	{ LEVEL_SERVICE, GAUGE("service_state", NULL,
	    "1 for the state of the service, 0 for all others."),
	    VALUE_WORD, "state", "state", service_states },
	REQUEST_METRICS(LEVEL_SERVICE, "service", "", "clients"),
	{ LEVEL_SERVICE, GAUGE("service_clients", NULL, "Connected clients."),
	    NUMBER("clients_connected") },
	{ LEVEL_SERVICE, GAUGE("service_clients_limit", NULL,
	    "Maximum number of clients."), NUMBER("max_clients") },
	{ LEVEL_SERVICE, COUNTER("service_connections", NULL,
	    "Accepted clients."), NUMBER("connections") },
	{ LEVEL_SERVICE, COUNTER("service_rejected_connections", NULL,
	    "Clients that were not allowed or above the limit."),
	    NUMBER("turned_away") },
	POLL_METRICS(LEVEL_SERVICE, "service"),

	{ LEVEL_GUEST, INFO("guest", "Class and delivery of the guest."),
	    LABELS("class delivery") },
	{ LEVEL_GUEST, GAUGE("guest_state", NULL,
	    "1 for the state of the guest, 0 for all others."),
	    VALUE_WORD, "state", "state", guest_states },
	{ LEVEL_GUEST, GAUGE("guest_ceil_bytes_per_second", "bytes_per_second",
	    "Maximum rate of the guest, if it has one."), RATE("ceil") },
	REQUEST_METRICS(LEVEL_GUEST, "guest", "", "the guest"),
	{ LEVEL_GUEST, COUNTER("guest_granted_bytes", "bytes",
	    "Bytes granted to the guest."), NUMBER("bytes_granted") },
	{ LEVEL_GUEST, COUNTER("guest_connections", NULL,
	    "Connections to the vhost-user socket of the guest."),
	    NUMBER("connections") },
	POLL_METRICS(LEVEL_GUEST, "guest"),
};
/* clang-format on */

#define WORDS_MAX 16 /* of a list */

/* An object and its labels. */
struct place {
	const struct exposition *e;
	struct json_object *object;
	struct labels labels;
	uint64_t counting; /* ns, time for which its counters count */
};

/* Finds the object that has the key "a.b" as "b", and sets it to that. */
static struct json_object *
holder(struct json_object *o, const char **key)
{
	const char *dot;
	char outer[32];

	while ((dot = strchr(*key, '.')) != NULL) {
		snprintf(outer, sizeof(outer), "%.*s", (int)(dot - *key), *key);
		o = snapshot_object(o, outer);
		*key = dot + 1;
	}
	return o;
}

/* A sample with one label more. */
static void
put_labeled(const struct place *p, const struct metric *m, const char *value,
    uint64_t n)
{
	struct labels labels = p->labels;

	exposition_label(&labels, m->label, value);
	exposition_number(p->e, &m->family, &labels, n, p->counting);
}

/* The number of a word in a list that ends with NULL; there: none. */
static size_t
word_index(const char *const *words, const char *word)
{
	size_t i = 0;

	while (words[i] != NULL && strcmp(words[i], word) != 0)
		i++;
	return i;
}

static void
put_word(const struct place *p, const struct metric *m, const char *word)
{
	size_t found = word_index(m->words, word);

	for (size_t i = 0; m->words[i] != NULL; i++)
		put_labeled(p, m, m->words[i], i == found);
}

/* Whether a cause is the normal state of a guest that is not used. */
static bool
is_normal(const char *cause)
{
	return cause[0] == '\0' || strcmp(cause, "not-connected") == 0 ||
	    strcmp(cause, "no-request") == 0;
}

/* Counts the guests of a pool by word, with those of any other as the last. */
static void
put_guests(const struct place *p, const struct metric *m)
{
	uint64_t n[WORDS_MAX] = { 0 };
	size_t len = word_index(m->words, ""), i;
	struct json_object *guest;
	const char *word;

	SNAPSHOT_FOREACH(guest, p->object, "guests") {
		word = snapshot_text(guest, m->key);
		if (m->words == causes && is_normal(word))
			continue;
		i = word_index(m->words, word);
		n[i < len ? i : len - 1]++;
	}
	for (i = 0; i < len; i++)
		put_labeled(p, m, m->words[i], n[i]);
}

static void
put_each(const struct place *p, const struct metric *m, struct json_object *o)
{
	if (o == NULL)
		return;
	json_object_object_foreach(o, key, value)
	{
		if (json_object_is_type(value, json_type_int))
			put_labeled(p, m, key, json_object_get_uint64(value));
	}
}

static void
put_info(const struct place *p, const struct metric *m)
{
	struct labels labels = p->labels;
	char keys[64], *rest = keys;
	const char *key;

	strlcpy(keys, m->key, sizeof(keys));
	while ((key = strsep(&rest, " ")) != NULL)
		exposition_label(&labels, key, snapshot_text(p->object, key));
	exposition_number(p->e, &m->family, &labels, 1, 0);
}

static void
put_rate(const struct place *p, const struct metric *m,
    struct json_object *rate)
{
	uint64_t period = snapshot_number(rate, "period_ns");
	__uint128_t bytes = snapshot_number(rate, "bytes");

	if (period > 0)
		exposition_number(p->e, &m->family, &p->labels,
		    (uint64_t)(bytes * NS_PER_SEC / period), 0);
}

/* Prints the samples of an object. */
static void
put_object(const struct place *p, const struct metric *m)
{
	const char *key = m->key;
	struct json_object *o = holder(p->object, &key);

	switch (m->value) {
	case VALUE_NUMBER:
		exposition_number(p->e, &m->family, &p->labels,
		    snapshot_number(o, key), p->counting);
		break;
	case VALUE_SECONDS:
		exposition_seconds(p->e, &m->family, &p->labels,
		    snapshot_number(o, key), p->counting);
		break;
	case VALUE_RATE:
		put_rate(p, m, snapshot_object(o, key));
		break;
	case VALUE_FLAG:
		exposition_number(p->e, &m->family, &p->labels,
		    snapshot_bool(o, key), 0);
		break;
	case VALUE_INFO:
		put_info(p, m);
		break;
	case VALUE_WORD:
		put_word(p, m, snapshot_text(o, key));
		break;
	case VALUE_GUESTS:
		put_guests(p, m);
		break;
	case VALUE_EACH:
		put_each(p, m, snapshot_object(o, key));
		break;
	case VALUE_SUPPLY:
		put_word(p, m, supplies[snapshot_supply(p->object)]);
		break;
	}
}

/* Prints the samples of the objects of a pool. */
static void
put_pool(const struct place *pool, const struct metric *m)
{
	struct place p = *pool;
	struct json_object *o;

	if (m->level == LEVEL_POOL) {
		put_object(pool, m);
		return;
	}
	SNAPSHOT_FOREACH(o, pool->object, levels[m->level].list) {
		if (m->level == LEVEL_SERVICE && snapshot_is_guests(o))
			continue;
		p.object = o;
		p.labels = pool->labels;
		exposition_label(&p.labels, levels[m->level].label,
		    snapshot_text(o, "name"));
		if (m->level == LEVEL_SERVICE)
			exposition_label(&p.labels, "kind",
			    snapshot_text(o, "kind"));
		p.counting = snapshot_number(o, "counting_ns");
		put_object(&p, m);
	}
}

void
metrics_print(const struct exposition *e, struct json_object *status,
    bool guests)
{
	struct place p = { .e = e };
	struct json_object *pool;

	for (size_t i = 0; i < sizeof(metrics) / sizeof(metrics[0]); i++) {
		const struct metric *m = &metrics[i];

		if (m->level == LEVEL_GUEST && !guests)
			continue;
		exposition_family(e, &m->family);
		p.labels.len = 0;
		p.object = status;
		p.counting = snapshot_number(status, "uptime_ns");
		if (m->level == LEVEL_DAEMON) {
			put_object(&p, m);
			continue;
		}
		SNAPSHOT_FOREACH(pool, status, "pools") {
			p.object = pool;
			p.labels.len = 0;
			exposition_label(&p.labels, "pool",
			    snapshot_text(pool, "name"));
			p.counting = snapshot_number(pool, "counting_ns");
			put_pool(&p, m);
		}
	}
	exposition_end(e);
}

/* The metrics of a status as text, to be freed. */
static char *
metrics_text(struct json_object *status, const struct args *args,
    bool openmetrics, size_t *len)
{
	struct exposition e = { .openmetrics = openmetrics };
	struct timespec now;
	char *text = NULL;

	clock_gettime(CLOCK_REALTIME, &now);
	e.now = (uint64_t)now.tv_sec * NS_PER_SEC + (uint64_t)now.tv_nsec;
	if ((e.f = open_memstream(&text, len)) == NULL)
		err(EXIT_REFUSED, NULL);
	metrics_print(&e, status, (args->given & OPT_GUESTS) != 0);
	if (fclose(e.f) == EOF)
		err(EXIT_REFUSED, NULL);
	return text;
}

/*
 * Answers a request on standard input on standard output, which may be the same
 * socket.  A daemon that is not reachable is an answer too.
 */
static int
serve(const struct args *args)
{
	struct http_answer answer = { .body = NULL };
	struct failure why = { 0 };
	struct json_object *status;
	struct http_request r;
	int code = http_read(STDIN_FILENO, &r);
	char *text = NULL;

	if (code == 200 &&
	    (status = snapshot_take(args->status, &why)) == NULL) {
		code = 503;
		if (why.text != NULL && asprintf(&text, "%s\n", why.text) != -1)
			answer =
			    (struct http_answer){ "text/plain; charset=utf-8",
				    text, strlen(text) };
		free(why.text);
	} else if (code == 200) {
		text = metrics_text(status, args, r.openmetrics, &answer.len);
		answer.body = text;
		answer.type =
		    r.openmetrics ? EXPOSITION_OPENMETRICS : EXPOSITION_TEXT;
		json_object_put(status);
	}
	http_answer(STDOUT_FILENO, code, &r, &answer);
	free(text);
	return 0;
}

int
metrics_run(const struct args *args, struct failure *why)
{
	struct json_object *status;
	char *text;
	size_t len;

	if ((args->given & OPT_HTTP) != 0)
		return serve(args);
	if ((status = snapshot_take(args->status, why)) == NULL)
		return -1;
	text = metrics_text(status, args, (args->given & OPT_OPENMETRICS) != 0,
	    &len);
	fwrite(text, 1, len, stdout);
	free(text);
	json_object_put(status);
	return 0;
}
