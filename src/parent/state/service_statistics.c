/*
 * Logs statistics of those that were active.  Used by service.c, and by main.c
 * at SIGUSR1.
 */
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "parent/host/event.h"
#include "parent/state/daemon.h"
#include "parent/state/service_statistics.h"

/* What a total has grown by; one that comes from a worker may do anything. */
static uint64_t
grown(uint64_t total, uint64_t before)
{
	return total > before ? total - before : 0;
}

/* With its vhost-user connections. */
static struct counters
all_counters(struct guest *g)
{
	struct counters c = guest_counters(g);

	c.connections += g->connections;
	return c;
}

/* With its vhost-user connection, likewise. */
static uint32_t
all_clients(const struct guest *g)
{
	return process_running(&g->worker) +
	    (g->egd == NULL ? 0 : counted_nclients(&g->egd->counted));
}

/* Whether anything has happened to a member since the last record of it. */
static bool
is_due(const struct member *m, uint64_t connections)
{
	return m->leaf.waiting > 0 || m->leaf.meter.total != m->told.granted ||
	    connections != m->told.counters.connections;
}

static void
tell_member(struct member *m, const struct counters *total, uint32_t clients,
    uint64_t period)
{
	struct member_told *told = &m->told;
	uint64_t granted = m->leaf.meter.total, throttled = m->throttle.total;
	const struct counters grew = counters_grown(total, &told->counters);
	const struct counters *c = &grew;

	event_log(EVENT_STATISTICS, m->about,
	    LOG_FIELDS(COUNTERS(EVENT_COUNTER)
			   LOG_NUMBER("VRNGD_CLIENTS", clients),
		LOG_NUMBER("VRNGD_GRANTED", granted - told->granted),
		LOG_NUMBER("VRNGD_THROTTLED_NS", throttled - told->throttled),
		LOG_NUMBER("VRNGD_RATE", meter_per_second(c->bytes, period)),
		LOG_NUMBER("VRNGD_BYTES_TOTAL", total->bytes),
		LOG_NUMBER("VRNGD_INTERVAL_NS", period)),
	    "statistics: %" PRIu64 " bytes in %" PRIu64 " requests (%" PRIu64
	    " short, %" PRIu64 " malformed) in %" PRIu64 " s, %" PRIu64
	    " ms with a request waiting, %" PRIu64 " ms of it for limits",
	    c->bytes, c->requests, c->short_answers, c->malformed,
	    period / NS_PER_SEC, c->wait_ns / NS_PER_MS,
	    (throttled - told->throttled) / NS_PER_MS);
	*told = (struct member_told){
		.counters = *total,
		.granted = granted,
		.throttled = throttled,
	};
}

static uint64_t
alarms_of(const struct proto_health *h)
{
	uint64_t n = 0;

	for (size_t i = TEST_NONE + 1; i < TESTS; i++)
		n += h->alarms[i];
	return n;
}

static void
tell_source(const struct pool *pool, struct pool_source *s, uint64_t period)
{
	const struct proto_health health = pool_source_health(s);
	uint64_t total = pool_source_bytes(s);
	uint64_t alarms = alarms_of(&health);
	uint64_t bytes = grown(total, s->told_bytes);
	uint64_t raised = grown(alarms, s->told_alarms);
	uint64_t failures = s->failures - s->told_failures;

	if (bytes == 0 && raised == 0 && failures == 0)
		return;
	event_log(EVENT_SOURCE_STATISTICS, &s->subject,
	    LOG_FIELDS(LOG_NUMBER("VRNGD_BYTES", bytes),
		LOG_NUMBER("VRNGD_BYTES_TOTAL", total),
		LOG_NUMBER("VRNGD_RATE", meter_per_second(bytes, period)),
		LOG_NUMBER("VRNGD_ALARMS", raised),
		LOG_NUMBER("VRNGD_FAILURES", failures),
		LOG_NUMBER("VRNGD_HEALTHY", s->state.status == SOURCE_OK),
		LOG_NUMBER("VRNGD_SERVING",
		    pool->serving >> s->config->spec.number & 1),
		LOG_NUMBER("VRNGD_INTERVAL_NS", period)),
	    "pool %s: source %s: statistics: %" PRIu64 " bytes in %" PRIu64
	    " s, %" PRIu64 " alarms of its tests, %" PRIu64
	    " times lost or failed",
	    s->subject.pool, s->text, bytes, period / NS_PER_SEC, raised,
	    failures);
	s->told_bytes = total;
	s->told_alarms = alarms;
	s->told_failures = s->failures;
}

static void
tell_pool(struct pool *pool, uint64_t period)
{
	const struct alloc *a = &pool->alloc;
	uint64_t granted = a->root.meter.total - pool->told_granted;
	uint32_t sources = pool->setup.spec.nsources, healthy = 0;
	struct pool_source *s;

	TAILQ_FOREACH(s, &pool->setup.sources, entry) {
		healthy += s->state.status == SOURCE_OK;
		tell_source(pool, s, period);
	}
	event_log(EVENT_POOL_STATISTICS, &pool->subject,
	    LOG_FIELDS(LOG_NUMBER("VRNGD_GRANTED", granted),
		LOG_NUMBER("VRNGD_RATE", meter_per_second(granted, period)),
		LOG_NUMBER("VRNGD_STOCK", a->stock),
		LOG_NUMBER("VRNGD_CAPACITY", pool->capacity),
		LOG_NUMBER("VRNGD_SOURCES", sources),
		LOG_NUMBER("VRNGD_HEALTHY", healthy),
		LOG_NUMBER("VRNGD_SERVING", __builtin_popcount(pool->serving)),
		LOG_NUMBER("VRNGD_WAITING", a->root.waiting),
		LOG_NUMBER("VRNGD_INTERVAL_NS", period)),
	    "pool %s: statistics: %" PRIu64 " bytes granted in %" PRIu64
	    " s, %" PRIu64 " of %" PRIu64 " in stock, %" PRIu32 " of %" PRIu32
	    " sources healthy, %" PRIu32 " waiting",
	    pool->name, granted, period / NS_PER_SEC, a->stock, pool->capacity,
	    healthy, sources, a->root.waiting);
	pool->told_granted = a->root.meter.total;
}

/* Logs what those have been given of whom a record is due. */
static void
tell(struct service *s, uint64_t period)
{
	struct counters counters;
	struct service_pool *p;
	struct outlet *o;
	struct guest *g;

	TAILQ_FOREACH(g, &s->guests, entry) {
		counters = all_counters(g);
		if (is_due(&g->member, counters.connections))
			tell_member(&g->member, &counters, all_clients(g),
			    period);
	}
	TAILQ_FOREACH(o, &s->outlets, entry) {
		counters = outlet_counters(o);
		if (is_due(&o->own, counters.connections))
			tell_member(&o->own, &counters,
			    counted_nclients(&o->counted), period);
	}
	TAILQ_FOREACH(p, &s->pools, entry) {
		if (p->pool.active)
			tell_pool(&p->pool, period);
		p->pool.active = false;
	}
}

/* Whether anything has happened that no record has told of. */
static bool
is_active(struct service *s)
{
	struct service_pool *p;
	bool active = false;

	TAILQ_FOREACH(p, &s->pools, entry) {
		if (p->pool.alloc.root.waiting > 0)
			p->pool.active = true;
		active = active || p->pool.active;
	}
	return active;
}

static void
set_timer(struct statistics *st, uint64_t at)
{
	sd_event_source_set_time(st->timer, at / 1000);
	sd_event_source_set_enabled(st->timer, SD_EVENT_ONESHOT);
}

static int
timer_event(sd_event_source *source, uint64_t usec, void *arg)
{
	struct statistics *st = arg;

	(void)source;
	(void)usec;
	tell(st->service, clock_now() - st->since);
	st->since = 0;
	if (is_active(st->service))
		statistics_begin(st);
	return 0;
}

void
statistics_init(struct statistics *st, struct service *s)
{
	*st = (struct statistics){ .service = s };
}

void
statistics_begin(struct statistics *st)
{
	int r = 0;

	if (st->interval == 0 || st->since != 0)
		return;
	if (st->timer == NULL)
		r = sd_event_add_time(st->service->env->event, &st->timer,
		    CLOCK_MONOTONIC, UINT64_MAX, 0, timer_event, st);
	if (r < 0) {
		log_error("cannot make a timer: %s", strerror(-r));
		st->interval = 0;
		return;
	}
	st->since = clock_now();
	set_timer(st, st->since + st->interval);
}

void
statistics_set(struct statistics *st, uint64_t interval)
{
	if (interval == st->interval)
		return;
	st->interval = interval;
	if (interval == 0 && st->since != 0) {
		sd_event_source_set_enabled(st->timer, SD_EVENT_OFF);
		st->since = 0;
	} else if (st->since != 0)
		set_timer(st, st->since + interval);
	else if (is_active(st->service))
		statistics_begin(st);
}

void
statistics_finish(struct statistics *st)
{
	if (st->since != 0)
		tell(st->service, clock_now() - st->since);
	st->interval = st->since = 0;
}

void
statistics_end(struct statistics *st)
{
	st->interval = st->since = 0;
	st->timer = sd_event_source_disable_unref(st->timer);
}

/* What has a limit, for a field and for people. */
static const char *
limit_text(const struct pool *pool, const struct member *m, char *text,
    size_t size)
{
	const struct service_pool *p;
	const struct service_class *c;

	if (m->limit == &m->leaf) {
		snprintf(text, size, "its own");
		return "guest";
	}
	if (m->limit == &pool->alloc.root) {
		snprintf(text, size, "pool %s's", pool->name);
		return "pool";
	}
	p = (const void *)((const char *)pool -
	    offsetof(struct service_pool, pool));
	c = service_class_of(p, m->limit);
	snprintf(text, size, "class %s's", c == NULL ? "?" : c->name);
	return "class";
}

void
statistics_throttled(struct pool *pool, struct member *m)
{
	const struct bucket_rate *ceil = &m->limit->share.ceil;
	const struct throttle *t = &m->throttle;
	uint64_t given = meter_rate(&m->leaf.meter, clock_now());
	uint64_t most = meter_per_second(ceil->bytes, ceil->period);
	char text[CONFIG_NAME_SIZE + 16];
	const char *kind = limit_text(pool, m, text, sizeof(text));

	event_log(EVENT_THROTTLED, m->about,
	    LOG_FIELDS(LOG_NUMBER("VRNGD_WAIT_NS", t->waited),
		LOG_NUMBER("VRNGD_RATE", given), LOG_NUMBER("VRNGD_CEIL", most),
		LOG_TEXT("VRNGD_LIMIT", kind)),
	    "throttled: it waited %" PRIu64 " ms for %s limit of %" PRIu64
	    " bytes/s, and had %" PRIu64 " bytes in the last second",
	    t->waited / NS_PER_MS, text, most, given);
}
