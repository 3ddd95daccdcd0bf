/*
 * Writes the status: a function for each kind of object, and the walk over all
 * objects.  A new field is a line here and, to be shown, a column in src/ctl.
 * Used by status.c.
 */
#include <errno.h>
#include <stddef.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/names.h"
#include "parent/control/status_json.h"
#include "parent/host/event.h"
#include "parent/host/sdnotify.h"
#include "parent/state/why.h"

/* A counter of common/counters.h. */
#define PUT_COUNTER(name, json, journal) json_put_number(j, json, c->name);

/* Pieces written between two checks of the clock. */
#define PIECES 16

/* The class of a leaf or a class; NULL: a direct child of the pool. */
static struct daemon_class *
class_above(const struct alloc_node *node)
{
	struct alloc_node *parent = node->parent;

	if (parent == NULL || parent->parent == NULL)
		return NULL;
	return (struct daemon_class *)((char *)parent -
	    offsetof(struct daemon_class, alloc));
}

static const char *
class_name(const struct alloc_node *node)
{
	const struct daemon_class *c = class_above(node);

	return c == NULL ? NULL : c->name;
}

/* Writes null for none. */
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
put_share(struct json *j, const struct alloc_node *node)
{
	const struct alloc_share share = alloc_share_of(node);

	put_rate(j, "rate", &share.rate);
	put_rate(j, "ceil", &share.ceil);
	put_positive(j, "burst", share.burst);
	json_put_number(j, "weight", share.weight);
	json_put_number(j, "priority", share.priority);
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

/*
 * What the configuration says of the confidentiality of a socket; null where no
 * byte crosses a network.
 */
static void
put_confidential(struct json *j, const struct config_socket *socket,
    bool remote)
{
	uint32_t said = socket->confidential;

	json_put_name(j, "confidential",
	    said != CONFIDENTIAL_UNSET ? names_text(names_confidential, said)
		: remote	       ? "unset"
				       : NULL);
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
	put_confidential(j, &cs->socket, config_source_remote(cs));
	json_put_string(j, "noise", names_text(names_noise, cs->spec.noise));
	json_put_string(j, "state",
	    names_text(names_source_status, s->state.status));
	json_put_number(j, "since_ns", now - s->since);
	json_put_bool(j, "serving", pool->serving >> cs->spec.number & 1);
	json_put_number(j, "bytes", pool_source_bytes(s));
	json_put_number(j, "bytes_per_second", pool_source_rate(s));
	json_put_number(j, "counting_ns", now - s->created);
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
open_pool(struct json *j, struct daemon_pool *p, uint64_t now)
{
	const struct proto_pool *spec = &p->pool.setup.spec;
	struct alloc *a = &p->pool.alloc;
	struct pool_source *s;

	json_open(j, NULL, '{');
	json_put_string(j, "name", p->name);
	put_rate(j, "limit", &a->root.node.cap.rate);
	put_positive(j, "burst", a->root.node.burst);
	json_put_number(j, "stock", a->stock);
	json_put_number(j, "stock_capacity", p->pool.capacity);
	json_put_number(j, "bytes", a->root.node.meter.total);
	json_put_number(j, "bytes_granted", a->root.node.meter.total);
	json_put_number(j, "counting_ns", now - p->pool.created);
	json_put_number(j, "bytes_per_second",
	    meter_rate(&a->root.node.meter, now));
	json_put_string(j, "combine", names_text(names_combine, spec->combine));
	json_put_number(j, "min_sources", spec->min_sources);
	json_put_number(j, "unserved_ns",
	    p->pool.unserved == 0 ? 0 : now - p->pool.unserved);
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
put_class(struct json *j, struct daemon_class *c, uint64_t now)
{
	const struct daemon_class *above = class_above(&c->alloc.node);
	uint64_t depth = 0;

	json_open(j, NULL, '{');
	json_put_string(j, "name", c->name);
	json_put_name(j, "parent", above == NULL ? NULL : above->name);
	for (; above != NULL; above = class_above(&above->alloc.node))
		depth++;
	json_put_number(j, "depth", depth);
	put_share(j, &c->alloc.node);
	json_put_number(j, "bytes", c->alloc.node.meter.total);
	json_put_number(j, "bytes_granted", c->alloc.node.meter.total);
	json_put_number(j, "counting_ns", now - c->created);
	json_put_number(j, "bytes_per_second",
	    meter_rate(&c->alloc.node.meter, now));
	json_put_number(j, "guests", c->nguests);
	json_put_string(j, "delivery",
	    names_text(names_delivery, c->terms.delivery.mode));
	json_close(j, '}');
}

/*
 * The state of a guest or service, and why it waits.
 */
static void
put_state(struct json *j, enum endpoint_state state, const struct why *why)
{
	json_put_string(j, "state", endpoint_state_text(state));
	json_put_name(j, "cause", why->cause);
	json_put_name(j, "why", why->text);
}

/* Bytes delivered, as "bytes" too, and bytes granted, since `since` (ns). */
static void
put_bytes(struct json *j, uint64_t delivered, struct alloc_node *node,
    uint64_t since, uint64_t now)
{
	json_put_number(j, "bytes_delivered", delivered);
	json_put_number(j, "bytes_granted", node->meter.total);
	json_put_number(j, "bytes_per_second", meter_rate(&node->meter, now));
	json_put_number(j, "counting_ns", now - since);
}

/* The state of the file of a unix socket; null without one. */
static void
put_file(struct json *j, const struct endpoint *e)
{
	static const char *const states[] = {
		[LISTENER_FILE_PRESENT] = "present",
		[LISTENER_FILE_MISSING] = "missing",
		[LISTENER_FILE_REPLACED] = "replaced",
	};

	json_put_name(j, "socket_file",
	    e->place == NULL || e->place->where == NULL
		? NULL
		: states[e->place->file]);
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
	const struct endpoint *e = &g->vhost.endpoint;
	const struct service *egd = g->egd == NULL ? NULL : &g->egd->service;
	struct alloc_node *node = guest_node(g);
	const struct counters counters = guest_counters(g), *c = &counters;
	bool running = endpoint_running(e);
	struct why why;

	json_open(j, NULL, '{');
	json_put_string(j, "name", g->name);
	json_put_name(j, "class", class_name(node));
	json_put_name(j, "socket", guest_path(g));
	put_file(j, e);
	json_put_bool(j, "socket_unit", guest_adopted(g));
	json_put_name(j, "egd_socket",
	    egd == NULL ? NULL : egd->config.socket.where);
	put_positive(j, "cid", egd == NULL ? 0 : egd->config.socket.cid);
	json_put_number(j, "egd_clients",
	    egd == NULL ? 0 : counted_nclients(&egd->endpoint.active->counted));
	why_guest(g, now, &why);
	put_state(j, guest_state(g), &why);
	put_share(j, node);
	put_bytes(j, c->bytes, node, guest_since(g), now);
	REQUEST_COUNTERS(PUT_COUNTER)
	json_put_number(j, "throttled_ns", guest_throttled_now(g));
	json_put_number(j, "connected_ns",
	    running ? now - e->active->since : 0);
	json_put_number(j, "connections", g->vhost.connections);
	json_put_string(j, "delivery",
	    names_text(names_delivery, e->consumer.delivery.mode));
	put_polling(j, &g->vhost.polling, c);
	put_positive(j, "worker_pid",
	    running ? (uint64_t)e->active->worker.pid : 0);
	json_close(j, '}');
}

/* The counters of all guests that the pool has or had. */
static void
put_guests_total(struct json *j, const struct totals *t)
{
	const struct counters *c = &t->counters;

	json_open(j, "guests_total", '{');
	REQUEST_COUNTERS(PUT_COUNTER)
	json_put_number(j, "throttled_ns", t->throttled);
	json_put_number(j, "connections", c->connections);
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

/* A service, of which a guest's EGD socket is one: it shows its node. */
static void
put_service(struct json *j, struct service *s, struct alloc_node *node,
    const char *kind, uint64_t now)
{
	struct endpoint *e = &s->endpoint;
	const struct counters counters = counted_total(&e->active->counted);
	const struct counters *c = &counters;
	struct counters_client client;
	char where[CONFIG_WHERE_SIZE];
	struct why why;

	config_socket_text(&s->config.socket, where, sizeof(where));
	json_open(j, NULL, '{');
	json_put_string(j, "name", s->name);
	json_put_string(j, "kind", kind);
	json_put_name(j, "class", class_name(node));
	json_put_name(j, "where", where);
	json_put_string(j, "transport",
	    names_text(names_transport, s->config.socket.transport));
	put_confidential(j, &s->config.socket,
	    config_service_remote(&s->config));
	put_file(j, e);
	json_put_bool(j, "connects", s->config.connect);
	json_put_number(j, "local_port", s->config.local_port);
	why_service(s, now, &why);
	put_state(j, service_state(s), &why);
	put_share(j, node);
	put_bytes(j, c->bytes, node, e->active->counted.since, now);
	REQUEST_COUNTERS(PUT_COUNTER)
	json_put_number(j, "throttled_ns",
	    consumer_throttled_ns(e->pool, &e->consumer));
	CLIENT_COUNTERS(PUT_COUNTER)
	json_put_number(j, "clients_connected",
	    counted_nclients(&e->active->counted));
	json_put_number(j, "max_clients", s->config.max_clients);
	json_put_string(j, "delivery",
	    names_text(names_delivery, e->consumer.delivery.mode));
	put_polling(j, &s->config.polling, c);
	put_positive(j, "worker_pid", (uint64_t)e->active->worker.pid);
	json_open(j, "clients", '[');
	for (uint32_t place = 0;
	     counted_client(&e->active->counted, &place, &client);)
		put_client(j, &client, now);
	json_close(j, ']');
	json_close(j, '}');
}

/* Counts a guest in its class and all classes around it. */
static void
count_guest(struct guest *g)
{
	struct daemon_class *c;

	for (c = class_above(guest_node(g)); c != NULL;
	     c = class_above(&c->alloc.node))
		c->nguests++;
}

void
status_json_init(struct status_json *w, struct daemon *s)
{
	*w = (struct status_json){ .daemon = s, .part = STATUS_END };
}

/* A time of the real clock, `ago` ns before now, as RFC 3339 has it. */
static void
put_time(struct json *j, const char *key, uint64_t ago)
{
	time_t then = time(NULL) - (time_t)(ago / NS_PER_SEC);
	char text[sizeof("2026-11-30T12:00:00Z") + 8];
	struct tm tm;

	if (gmtime_r(&then, &tm) == NULL ||
	    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		json_put_null(j, key);
	else
		json_put_string(j, key, text);
}

/* The number of records of each event. */
static void
put_events(struct json *j)
{
	char key[EVENT_KEY_SIZE];

	json_open(j, "events", '{');
	for (int i = 0; i < EVENT_TYPES; i++) {
		event_key(event_type(i), key);
		json_put_number(j, key, event_count(i));
	}
	json_close(j, '}');
}

static void
put_daemon(struct json *j, const struct daemon *d)
{
	uint64_t age = clock_now() - d->started;

	json_put_number(j, "schema", STATUS_SCHEMA);
	json_put_string(j, "version", PACKAGE_VERSION);
	json_put_number(j, "pid", (uint64_t)getpid());
	json_put_name(j, "config", d->config);
	put_time(j, "time", 0);
	put_time(j, "started", age);
	json_put_number(j, "uptime_ns", age);
	put_events(j);
}

void
status_json_start(struct status_json *w, int fd)
{
	w->part = STATUS_POOL;
	w->pool = TAILQ_FIRST(&w->daemon->pools);
	w->applied = w->daemon->applied;
	listeners_look_end(&w->daemon->listeners);
	json_init(&w->json, fd);
	json_open(&w->json, NULL, '{');
	put_daemon(&w->json, w->daemon);
	json_open(&w->json, "pools", '[');
}

static void
write_pool(struct status_json *w)
{
	struct daemon_class *c;

	if (w->pool == NULL) {
		json_close(&w->json, ']');
		json_put_number(&w->json, "sessions_not_stored",
		    sdnotify_waiting(FDNAME_SESSION));
		json_close(&w->json, '}');
		json_flush(&w->json);
		listeners_look_end(&w->daemon->listeners);
		w->part = STATUS_END;
		return;
	}
	open_pool(&w->json, w->pool, w->now);
	TAILQ_FOREACH(c, &w->pool->classes, entry)
		c->nguests = 0;
	w->daemon->cursor = TAILQ_FIRST(&w->daemon->guests);
	w->sockets = false;
	w->part = STATUS_GUESTS;
}

static void
write_guest(struct status_json *w)
{
	struct guest *g = w->daemon->cursor;

	if (g == NULL) {
		json_close(&w->json, ']');
		put_guests_total(&w->json, &w->pool->guests);
		json_open(&w->json, "classes", '[');
		w->class = TAILQ_FIRST(&w->pool->classes);
		w->part = STATUS_CLASSES;
		return;
	}
	w->daemon->cursor = TAILQ_NEXT(g, entry);
	if (guest_pool(g) != &w->pool->pool)
		return;
	count_guest(g);
	guest_count(g, &w->pool->guests);
	listeners_look(&w->daemon->listeners, g->vhost.endpoint.place);
	if (g->egd != NULL)
		listeners_look(&w->daemon->listeners,
		    g->egd->service.endpoint.place);
	w->sockets = w->sockets || g->egd != NULL;
	put_guest(&w->json, g, w->now);
}

static void
write_class(struct status_json *w)
{
	if (w->class == NULL) {
		json_close(&w->json, ']');
		json_open(&w->json, "services", '[');
		w->daemon->cursor =
		    w->sockets ? TAILQ_FIRST(&w->daemon->guests) : NULL;
		w->part = STATUS_GUEST_SOCKETS;
		return;
	}
	put_class(&w->json, w->class, w->now);
	w->class = TAILQ_NEXT(w->class, entry);
}

static void
write_guest_socket(struct status_json *w)
{
	struct guest *g = w->daemon->cursor;

	if (g == NULL) {
		w->next = TAILQ_FIRST(&w->daemon->services);
		w->part = STATUS_SERVICES;
		return;
	}
	w->daemon->cursor = TAILQ_NEXT(g, entry);
	if (guest_pool(g) == &w->pool->pool && g->egd != NULL)
		put_service(&w->json, &g->egd->service, guest_node(g), "guest",
		    w->now);
}

static void
write_service(struct status_json *w)
{
	struct service *s = w->next;

	if (s == NULL) {
		json_close(&w->json, ']');
		json_close(&w->json, '}');
		w->pool = TAILQ_NEXT(w->pool, entry);
		w->part = STATUS_POOL;
		return;
	}
	w->next = TAILQ_NEXT(s, entry);
	if (s->endpoint.pool != &w->pool->pool)
		return;
	listeners_look(&w->daemon->listeners, s->endpoint.place);
	put_service(&w->json, s, &s->endpoint.consumer.leaf,
	    s->config.kind == CONFIG_SERVICE_EGD ? "egd" : "stream", w->now);
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
	/* Pools, classes or services have changed: start again. */
	if (w->applied != w->daemon->applied) {
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
