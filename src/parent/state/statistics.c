/*
 * Logs statistics of active guests, services, sources and pools.  Used by
 * reload.c, and by main.c at its end.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "parent/host/event.h"
#include "parent/state/statistics.h"
#include "parent/state/why.h"

/* The increase of a total, which may be any value if it is from a worker. */
static uint64_t
grown(uint64_t total, uint64_t before)
{
	return total > before ? total - before : 0;
}

static struct totals
totals_of(struct counters counters, const struct alloc_node *node,
    uint64_t throttled)
{
	return (struct totals){
		.counters = counters,
		.granted = node->meter.total,
		.throttled = throttled,
	};
}

/* With its vhost-user connections. */
static struct totals
guest_totals(struct guest *g)
{
	struct counters c = guest_counters(g);

	c.connections += g->vhost.connections;
	return totals_of(c, guest_node(g), guest_throttled(g));
}

/* With its vhost-user connection, likewise. */
static uint32_t
all_clients(const struct guest *g)
{
	uint32_t n = endpoint_running(&g->vhost.endpoint);

	if (g->egd != NULL)
		n +=
		    counted_nclients(&g->egd->service.endpoint.active->counted);
	return n;
}

/*
 * Reports the counters of a guest or service since the last report, if it was
 * active.  Returns whether it was.
 */
static bool
report(const struct log_subject *about, const struct alloc_node *node,
    struct totals total, struct totals *last, uint32_t clients, uint64_t period)
{
	const struct counters grew =
	    counters_grown(&total.counters, &last->counters);
	const struct counters *c = &grew;
	uint64_t throttled = total.throttled - last->throttled;

	if (node->waiting == 0 && total.granted == last->granted &&
	    total.counters.connections == last->counters.connections)
		return false;
	event_log_view(EVENT_STATISTICS, LOG_VIEW_STDERR, about,
	    LOG_FIELDS(COUNTERS(EVENT_COUNTER)
			   LOG_NUMBER("VRNGD_CLIENTS", clients),
		LOG_NUMBER("VRNGD_GRANTED", total.granted - last->granted),
		LOG_NUMBER("VRNGD_THROTTLED_NS", throttled),
		LOG_NUMBER("VRNGD_RATE", meter_per_second(c->bytes, period)),
		LOG_NUMBER("VRNGD_BYTES_TOTAL", total.counters.bytes),
		LOG_NUMBER("VRNGD_INTERVAL_NS", period)),
	    "statistics: %" PRIu64 " bytes in %" PRIu64 " requests (%" PRIu64
	    " short, %" PRIu64 " malformed) in %" PRIu64 " s, %" PRIu64
	    " ms with a request waiting, %" PRIu64 " ms of it for limits",
	    c->bytes, c->requests, c->short_answers, c->malformed,
	    period / NS_PER_SEC, c->wait_ns / NS_PER_MS, throttled / NS_PER_MS);
	*last = total;
	return true;
}

/* The same of a guest; nothing is allocated for one that never was active. */
static bool
report_guest(struct guest *g, uint64_t period)
{
	const struct totals total = guest_totals(g);

	if (g->sums == NULL && guest_node(g)->waiting == 0 &&
	    total.granted == 0 && total.counters.connections == 0)
		return false;
	return report(&g->subject, guest_node(g), total, guest_reported(g),
	    all_clients(g), period);
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
report_source(const struct pool *pool, struct pool_source *s, uint64_t period)
{
	const struct proto_health health = pool_source_health(s);
	uint64_t total = pool_source_bytes(s);
	uint64_t alarms = alarms_of(&health);
	uint64_t bytes = grown(total, s->reported.bytes);
	uint64_t raised = grown(alarms, s->reported.alarms);
	uint64_t failures = s->failures - s->reported.failures;

	if (bytes == 0 && raised == 0 && failures == 0)
		return;
	event_log_view(EVENT_SOURCE_STATISTICS,
	    raised == 0 && failures == 0 ? LOG_VIEW_STDERR : LOG_VIEW_TEXT,
	    &s->subject,
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
	s->reported.bytes = total;
	s->reported.alarms = alarms;
	s->reported.failures = s->failures;
}

/* Logs a pool, with the number of its active guests and services. */
static void
report_pool(struct pool *pool, uint32_t nactive, uint64_t period)
{
	const struct alloc *a = &pool->alloc;
	uint64_t granted = a->root.node.meter.total - pool->reported;
	uint32_t sources = pool->setup.spec.nsources, healthy = 0;
	struct pool_source *s;

	TAILQ_FOREACH(s, &pool->setup.sources, entry) {
		healthy += s->state.status == SOURCE_OK;
		report_source(pool, s, period);
	}
	event_log(EVENT_POOL_STATISTICS, &pool->subject,
	    LOG_FIELDS(LOG_NUMBER("VRNGD_GRANTED", granted),
		LOG_NUMBER("VRNGD_RATE", meter_per_second(granted, period)),
		LOG_NUMBER("VRNGD_STOCK", a->stock),
		LOG_NUMBER("VRNGD_CAPACITY", pool->capacity),
		LOG_NUMBER("VRNGD_SOURCES", sources),
		LOG_NUMBER("VRNGD_HEALTHY", healthy),
		LOG_NUMBER("VRNGD_SERVING", __builtin_popcount(pool->serving)),
		LOG_NUMBER("VRNGD_WAITING", a->root.node.waiting),
		LOG_NUMBER("VRNGD_INTERVAL_NS", period)),
	    "pool %s: statistics: %" PRIu64 " bytes granted in %" PRIu64
	    " s to %" PRIu32 " guests and services, %" PRIu64 " of %" PRIu64
	    " in stock, %" PRIu32 " of %" PRIu32 " sources healthy, %" PRIu32
	    " waiting",
	    pool->name, granted, period / NS_PER_SEC, nactive, a->stock,
	    pool->capacity, healthy, sources, a->root.node.waiting);
	pool->reported = a->root.node.meter.total;
}

/* Logs the statistics of all active guests, services, sources and pools. */
static void
report_all(struct daemon *d, uint64_t period)
{
	struct daemon_pool *p;
	struct service *s;
	struct guest *g;

	TAILQ_FOREACH(p, &d->pools, entry)
		p->nactive = 0;
	TAILQ_FOREACH(g, &d->guests, entry)
		daemon_pool_of(guest_pool(g))->nactive +=
		    report_guest(g, period);
	TAILQ_FOREACH(s, &d->services, entry) {
		struct endpoint *e = &s->endpoint;

		daemon_pool_of(e->pool)->nactive +=
		    report(e->subject, &e->consumer.leaf,
			totals_of(counted_total(&e->active->counted),
			    &e->consumer.leaf, e->active->flow.throttle.total),
			&s->reported, counted_nclients(&e->active->counted),
			period);
	}
	TAILQ_FOREACH(p, &d->pools, entry) {
		if (p->pool.active)
			report_pool(&p->pool, p->nactive, period);
		p->pool.active = false;
	}
}

/* Whether anything has happened that was not reported. */
static bool
is_active(struct daemon *d)
{
	struct daemon_pool *p;
	bool active = false;

	TAILQ_FOREACH(p, &d->pools, entry) {
		if (p->pool.alloc.root.node.waiting > 0)
			p->pool.active = true;
		active = active || p->pool.active;
	}
	return active;
}

static void
period_over(void *arg)
{
	struct statistics *st = arg;

	report_all(st->daemon, clock_now() - st->since);
	st->since = 0;
	if (is_active(st->daemon))
		statistics_begin(st);
}

void
statistics_init(struct statistics *st, struct daemon *d)
{
	*st = (struct statistics){ .daemon = d };
	timer_init(&st->timer, d->env->event, period_over, st);
}

void
statistics_begin(struct statistics *st)
{
	if (st->interval == 0 || st->since != 0)
		return;
	st->since = clock_now();
	timer_at(&st->timer, st->since + st->interval);
}

void
statistics_set(struct statistics *st, uint64_t interval)
{
	if (interval == st->interval)
		return;
	st->interval = interval;
	if (interval == 0 && st->since != 0) {
		timer_stop(&st->timer);
		st->since = 0;
	} else if (st->since != 0)
		timer_at(&st->timer, st->since + interval);
	else if (is_active(st->daemon))
		statistics_begin(st);
}

void
statistics_finish(struct statistics *st)
{
	if (st->since != 0)
		report_all(st->daemon, clock_now() - st->since);
	st->interval = st->since = 0;
}

void
statistics_end(struct statistics *st)
{
	st->interval = st->since = 0;
	timer_free(&st->timer);
}

/* The node of a guest with two consumers, or the leaf of any other. */
static struct alloc_node *
own_node(struct pool *pool, struct consumer *c)
{
	struct alloc_node *above = c->leaf.parent;

	return above == &pool->alloc.root.node || why_class(pool, above) != NULL
	    ? &c->leaf
	    : above;
}

void
statistics_throttled(struct pool *pool, struct consumer *c)
{
	const struct bucket_rate *ceil = &c->flow->limit->cap.rate;
	const struct throttle *t = &c->flow->throttle;
	uint64_t given = meter_rate(&own_node(pool, c)->meter, clock_now());
	uint64_t most = meter_per_second(ceil->bytes, ceil->period);
	char text[CONFIG_NAME_SIZE + 16];
	const char *kind = why_limit(pool, c->flow->limit, text, sizeof(text));

	event_log(EVENT_THROTTLED, c->about,
	    LOG_FIELDS(LOG_NUMBER("VRNGD_WAIT_NS", t->waited),
		LOG_NUMBER("VRNGD_RATE", given), LOG_NUMBER("VRNGD_CEIL", most),
		LOG_TEXT("VRNGD_LIMIT", kind)),
	    "throttled by the limit of %s: waited %" PRIu64
	    " ms, limit %" PRIu64 " bytes/s, received %" PRIu64
	    " bytes in the last second",
	    text, t->waited / NS_PER_MS, most, given);
}
