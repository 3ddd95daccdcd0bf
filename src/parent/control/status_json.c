/*
 * What the status says: a function for each kind of object, and the walk over
 * all of them.  A field more is a line here and, if people are to see it, a
 * column in src/ctl.  Used by status.c.
 */
#include <errno.h>
#include <stddef.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/names.h"
#include "parent/control/status_json.h"
#include "parent/host/sdnotify.h"

/* A counter of common/counters.h. */
#define PUT_COUNTER(name, json, journal) json_put_number(j, json, c->name);

/* So many pieces are written from one look at the clock to the next. */
#define PIECES 16

/* The class that a leaf or a class is in; NULL: right in the pool. */
static struct service_class *
class_above(const struct alloc_node *node)
{
	struct alloc_node *parent = node->parent;

	if (parent == NULL || parent->parent == NULL)
		return NULL;
	return (struct service_class *)((char *)parent -
	    offsetof(struct service_class, node));
}

static const char *
class_name(const struct alloc_node *node)
{
	const struct service_class *c = class_above(node);

	return c == NULL ? NULL : c->name;
}

/* None is null. */
static void
put_rate(struct json *j, const char *key, const struct bucket_rate *rate)
{
	if (rate->bytes == 0) {
		json_put_null(j, key);
		return;
	}
	json_open(j, key, '{');
	json_put_number(j, "bytes", rate->bytes);
	json_put_number(j, "period_ns", rate->period);
	json_close(j, '}');
}

static void
put_positive(struct json *j, const char *key, uint64_t n)
{
	if (n == 0)
		json_put_null(j, key);
	else
		json_put_number(j, key, n);
}

static void
put_share(struct json *j, const struct alloc_share *share)
{
	put_rate(j, "rate", &share->rate);
	put_rate(j, "ceil", &share->ceil);
	put_positive(j, "burst", share->burst);
	json_put_number(j, "weight", share->weight);
	json_put_number(j, "priority", share->priority);
}

static void
put_health(struct json *j, const struct proto_health *h)
{
	json_open(j, "health", '{');
	json_put_number(j, "bytes_tested", h->bytes);
	json_put_number(j, "startups_passed", h->alarms[TEST_NONE]);
	json_open(j, "alarms", '{');
	for (size_t i = TEST_NONE + 1; i < TESTS; i++)
		json_put_number(j, names_test[i], h->alarms[i]);
	json_close(j, '}');
	json_put_number(j, "fips_blocks", h->fips_blocks);
	json_put_number(j, "fips_failed", h->fips_failed);
	json_close(j, '}');
}

static void
put_source(struct json *j, const struct pool *pool, struct pool_source *s,
    uint64_t now)
{
	const struct config_source *cs = s->config;
	const struct proto_health health = pool_source_health(s);
	char what[256];

	json_open(j, NULL, '{');
	json_put_string(j, "name", cs->spec.name);
	json_put_string(j, "kind",
	    names_text(names_source_kind, cs->spec.kind));
	json_put_name(j, "what", config_source_text(cs, what, sizeof(what)));
	json_put_string(j, "noise", names_text(names_noise, cs->spec.noise));
	json_put_string(j, "state",
	    names_text(names_source_status, s->state.status));
	json_put_number(j, "since_ns", now - s->since);
	json_put_bool(j, "serving", pool->serving >> cs->spec.number & 1);
	json_put_number(j, "bytes", pool_source_bytes(s));
	json_put_number(j, "bytes_per_second", pool_source_rate(s));
	json_put_number(j, "failures", s->failures);
	if (s->failed == 0 && s->failure[0] == '\0') {
		json_put_null(j, "last_failure");
	} else {
		json_open(j, "last_failure", '{');
		json_put_number(j, "ago_ns",
		    s->failed == 0 ? 0 : now - s->failed);
		json_put_name(j, "reason", s->failure);
		json_close(j, '}');
	}
	put_health(j, &health);
	json_close(j, '}');
}

/* The beginning of a pool, up to its guests. */
static void
open_pool(struct json *j, struct service_pool *p, uint64_t now)
{
	const struct proto_pool *spec = &p->pool.setup.spec;
	struct alloc *a = &p->pool.alloc;
	struct pool_source *s;

	json_open(j, NULL, '{');
	json_put_string(j, "name", p->name);
	put_rate(j, "limit", &a->root.share.ceil);
	put_positive(j, "burst", a->root.share.burst);
	json_put_number(j, "stock", a->stock);
	json_put_number(j, "stock_capacity", p->pool.capacity);
	json_put_number(j, "bytes", a->root.meter.total);
	json_put_number(j, "bytes_per_second", meter_rate(&a->root.meter, now));
	json_put_string(j, "combine", names_text(names_combine, spec->combine));
	json_put_number(j, "min_sources", spec->min_sources);
	json_put_number(j, "sources_serving",
	    (uint64_t)__builtin_popcount(p->pool.serving));
	json_put_number(j, "sources_total", spec->nsources);
	json_open(j, "sources", '[');
	TAILQ_FOREACH(s, &p->pool.setup.sources, entry)
		put_source(j, &p->pool, s, now);
	json_close(j, ']');
	json_open(j, "guests", '[');
}

static void
put_class(struct json *j, struct service_class *c, uint64_t now)
{
	const struct service_class *above = class_above(&c->node);
	uint64_t depth = 0;

	json_open(j, NULL, '{');
	json_put_string(j, "name", c->name);
	json_put_name(j, "parent", above == NULL ? NULL : above->name);
	for (; above != NULL; above = class_above(&above->node))
		depth++;
	json_put_number(j, "depth", depth);
	put_share(j, &c->node.share);
	json_put_number(j, "bytes", c->node.meter.total);
	json_put_number(j, "bytes_per_second", meter_rate(&c->node.meter, now));
	json_put_number(j, "guests", c->nguests);
	json_put_string(j, "delivery",
	    names_text(names_delivery, c->terms.delivery.mode));
	json_close(j, '}');
}

static const char *
service_state(const struct outlet *o)
{
	if (o->consumer.leaf.waiting > 0)
		return "waiting";
	if (counted_nclients(&o->counted) > 0)
		return "connected";
	/* Without clients, a worker waits a little for the next. */
	if (process_running(&o->worker))
		return "idle";
	if (o->config.connect)
		return "connecting";
	return o->io != NULL && sd_event_source_get_enabled(o->io, NULL) > 0
	    ? "idle"
	    : "paused";
}

/* By its vhost-user socket, unless the EGD socket is its only way. */
static const char *
guest_state(const struct guest *g)
{
	if (g->path == NULL && g->egd != NULL)
		return service_state(g->egd);
	if (!process_running(&g->worker))
		return g->listen_io == NULL ||
			sd_event_source_get_enabled(g->listen_io, NULL) > 0
		    ? "idle"
		    : "paused";
	return g->consumer.leaf.waiting > 0 ? "waiting" : "connected";
}

static void
put_polling(struct json *j, const struct config_polling *polling,
    const struct counters *c)
{
	json_open(j, "polling", '{');
	json_put_number(j, "us", polling->us);
	json_put_number(j, "share_percent", polling->share);
	POLL_COUNTERS(PUT_COUNTER)
	json_close(j, '}');
}

static void
put_guest(struct json *j, struct guest *g, uint64_t now)
{
	struct alloc_node *node = guest_node(g);
	const struct counters counters = guest_counters(g), *c = &counters;
	bool running = process_running(&g->worker);

	json_open(j, NULL, '{');
	json_put_string(j, "name", g->name);
	json_put_name(j, "class", class_name(node));
	json_put_name(j, "socket", g->path);
	json_put_name(j, "egd_socket",
	    g->egd == NULL ? NULL : g->egd->config.socket.where);
	json_put_number(j, "egd_clients",
	    g->egd == NULL ? 0 : counted_nclients(&g->egd->counted));
	json_put_string(j, "state", guest_state(g));
	put_share(j, &node->share);
	json_put_number(j, "bytes_per_second", meter_rate(&node->meter, now));
	REQUEST_COUNTERS(PUT_COUNTER)
	json_put_number(j, "connected_ns", running ? now - g->connected : 0);
	json_put_number(j, "connections", g->connections);
	json_put_string(j, "delivery",
	    names_text(names_delivery, g->consumer.delivery.mode));
	put_polling(j, &g->polling, c);
	put_positive(j, "worker_pid", running ? (uint64_t)g->worker.pid : 0);
	json_close(j, '}');
}

static void
put_client(struct json *j, const struct counters_client *c, uint64_t now)
{
	json_open(j, NULL, '{');
	json_put_string(j, "peer", c->peer);
	json_put_number(j, "connected_ns", c->since < now ? now - c->since : 0);
	json_put_number(j, "bytes", c->bytes);
	json_put_number(j, "requests", c->requests);
	json_put_bool(j, "waiting", c->waiting == 1);
	json_close(j, '}');
}

/* A service or a guest's EGD socket, with the share of a node. */
static void
put_service(struct json *j, struct outlet *o, struct alloc_node *node,
    const char *kind, uint64_t now)
{
	const struct counters counters = outlet_counters(o), *c = &counters;
	struct counters_client client;
	char where[CONFIG_WHERE_SIZE];

	config_socket_text(&o->config.socket, where, sizeof(where));
	json_open(j, NULL, '{');
	json_put_string(j, "name", o->name);
	json_put_string(j, "kind", kind);
	json_put_name(j, "class", class_name(node));
	json_put_name(j, "where", where);
	json_put_string(j, "transport",
	    names_text(names_transport, o->config.socket.transport));
	json_put_bool(j, "connects", o->config.connect);
	json_put_number(j, "local_port", o->config.local_port);
	json_put_string(j, "state", service_state(o));
	put_share(j, &node->share);
	json_put_number(j, "bytes_per_second", meter_rate(&node->meter, now));
	REQUEST_COUNTERS(PUT_COUNTER)
	CLIENT_COUNTERS(PUT_COUNTER)
	json_put_number(j, "clients_connected", counted_nclients(&o->counted));
	json_put_number(j, "max_clients", o->config.max_clients);
	json_put_string(j, "delivery",
	    names_text(names_delivery, o->consumer.delivery.mode));
	put_positive(j, "worker_pid", (uint64_t)o->worker.pid);
	json_open(j, "clients", '[');
	for (uint32_t place = 0; counted_client(&o->counted, &place, &client);)
		put_client(j, &client, now);
	json_close(j, ']');
	json_close(j, '}');
}

/* Counts a guest in its class, and in those that it is in. */
static void
count_guest(struct guest *g)
{
	struct service_class *c;

	for (c = class_above(guest_node(g)); c != NULL;
	     c = class_above(&c->node))
		c->nguests++;
}

void
status_json_init(struct status_json *w, struct service *s)
{
	*w = (struct status_json){ .service = s, .part = STATUS_END };
}

void
status_json_start(struct status_json *w, int fd)
{
	w->part = STATUS_POOL;
	w->pool = TAILQ_FIRST(&w->service->pools);
	w->applied = w->service->applied;
	json_init(&w->json, fd);
	json_open(&w->json, NULL, '{');
	json_open(&w->json, "pools", '[');
}

static void
write_pool(struct status_json *w)
{
	struct service_class *c;

	if (w->pool == NULL) {
		json_close(&w->json, ']');
		json_put_number(&w->json, "sessions_not_stored",
		    sdnotify_waiting(PASSED_SESSION));
		json_close(&w->json, '}');
		json_flush(&w->json);
		w->part = STATUS_END;
		return;
	}
	open_pool(&w->json, w->pool, w->now);
	TAILQ_FOREACH(c, &w->pool->classes, entry)
		c->nguests = 0;
	w->service->cursor = TAILQ_FIRST(&w->service->guests);
	w->sockets = false;
	w->part = STATUS_GUESTS;
}

static void
write_guest(struct status_json *w)
{
	struct guest *g = w->service->cursor;

	if (g == NULL) {
		json_close(&w->json, ']');
		json_open(&w->json, "classes", '[');
		w->class = TAILQ_FIRST(&w->pool->classes);
		w->part = STATUS_CLASSES;
		return;
	}
	w->service->cursor = TAILQ_NEXT(g, entry);
	if (g->pool != &w->pool->pool)
		return;
	count_guest(g);
	w->sockets = w->sockets || g->egd != NULL;
	put_guest(&w->json, g, w->now);
}

static void
write_class(struct status_json *w)
{
	if (w->class == NULL) {
		json_close(&w->json, ']');
		json_open(&w->json, "services", '[');
		w->service->cursor =
		    w->sockets ? TAILQ_FIRST(&w->service->guests) : NULL;
		w->part = STATUS_GUEST_SOCKETS;
		return;
	}
	put_class(&w->json, w->class, w->now);
	w->class = TAILQ_NEXT(w->class, entry);
}

static void
write_guest_socket(struct status_json *w)
{
	struct guest *g = w->service->cursor;

	if (g == NULL) {
		w->outlet = TAILQ_FIRST(&w->service->outlets);
		w->part = STATUS_SERVICES;
		return;
	}
	w->service->cursor = TAILQ_NEXT(g, entry);
	if (g->pool == &w->pool->pool && g->egd != NULL)
		put_service(&w->json, g->egd, guest_node(g), "guest", w->now);
}

static void
write_service(struct status_json *w)
{
	struct outlet *o = w->outlet;

	if (o == NULL) {
		json_close(&w->json, ']');
		json_close(&w->json, '}');
		w->pool = TAILQ_NEXT(w->pool, entry);
		w->part = STATUS_POOL;
		return;
	}
	w->outlet = TAILQ_NEXT(o, entry);
	if (o->pool == &w->pool->pool)
		put_service(&w->json, o, &o->consumer.leaf,
		    o->config.kind == CONFIG_OUTLET_EGD ? "egd" : "stream",
		    w->now);
}

static void
write_piece(struct status_json *w)
{
	static void (*const parts[])(struct status_json *) = {
		[STATUS_POOL] = write_pool,
		[STATUS_GUESTS] = write_guest,
		[STATUS_CLASSES] = write_class,
		[STATUS_GUEST_SOCKETS] = write_guest_socket,
		[STATUS_SERVICES] = write_service,
	};

	parts[w->part](w);
}

bool
status_json_write(struct status_json *w, uint64_t deadline)
{
	/* Pools, classes and services are others now: all begins again. */
	if (w->applied != w->service->applied) {
		if (ftruncate(w->json.fd, 0) == -1 ||
		    lseek(w->json.fd, 0, SEEK_SET) == -1)
			w->json.error = errno;
		else
			status_json_start(w, w->json.fd);
	}
	do {
		w->now = clock_now();
		for (int i = 0; i < PIECES && w->part != STATUS_END; i++)
			write_piece(w);
	} while (
	    w->part != STATUS_END && w->json.error == 0 && w->now < deadline);
	return w->part == STATUS_END;
}
