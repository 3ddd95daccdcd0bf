#include <string.h>

#include "ctl/format.h"
#include "ctl/json.h"
#include "ctl/status.h"

/* None is null. */
static void
print_rate(struct json *j, const char *key, const struct control_rate *rate)
{
	if (rate->bytes == 0) {
		json_null(j, key);
		return;
	}
	json_open(j, key, '{');
	json_number(j, "bytes", rate->bytes);
	json_number(j, "period_ns", rate->period);
	json_close(j, '}');
}

static void
print_size(struct json *j, const char *key, uint64_t bytes)
{
	if (bytes == 0)
		json_null(j, key);
	else
		json_number(j, key, bytes);
}

static void
print_name(struct json *j, const char *key, const char *name)
{
	if (name[0] == '\0')
		json_null(j, key);
	else
		json_string(j, key, name);
}

static void
print_pid(struct json *j, int32_t pid)
{
	if (pid > 0)
		json_number(j, "worker_pid", (uint64_t)pid);
	else
		json_null(j, "worker_pid");
}

static void
print_share(struct json *j, const struct control_share *share)
{
	print_rate(j, "rate", &share->rate);
	print_rate(j, "ceil", &share->ceil);
	print_size(j, "burst", share->burst);
	json_number(j, "weight", share->weight);
	json_number(j, "priority", share->priority);
}

/* Keys are kept from release to release, unlike words for people. */
static void
print_health(struct json *j, const struct proto_health *h)
{
	static const char *const tests[] = {
		[TEST_REPETITION] = "repetition",
		[TEST_PROPORTION] = "proportion",
		[TEST_LAG] = "lag",
		[TEST_STUCK] = "stuck",
		[TEST_DEVICE] = "device",
		[TEST_COMBINED] = "combined",
	};
	_Static_assert(sizeof(tests) / sizeof(tests[0]) == TESTS,
	    "a key for each");

	json_open(j, "health", '{');
	json_number(j, "bytes_tested", h->bytes);
	json_number(j, "startups_passed", h->alarms[TEST_NONE]);
	json_open(j, "alarms", '{');
	for (size_t i = TEST_NONE + 1; i < TESTS; i++)
		json_number(j, tests[i], h->alarms[i]);
	json_close(j, '}');
	json_number(j, "fips_blocks", h->fips_blocks);
	json_number(j, "fips_failed", h->fips_failed);
	json_close(j, '}');
}

static void
print_source(struct json *j, const struct control_source *s)
{
	json_open(j, NULL, '{');
	json_string(j, "name", s->name);
	json_string(j, "kind", format_source_kind(s->kind));
	print_name(j, "what", s->what);
	json_string(j, "noise", format_noise(s->noise));
	json_string(j, "state", format_source_state(s->status));
	json_number(j, "since_ns", s->since);
	json_bool(j, "serving", s->serving != 0);
	json_number(j, "bytes", s->bytes);
	json_number(j, "bytes_per_second", s->now);
	json_number(j, "failures", s->failures);
	if (s->failed_for == 0 && s->failure[0] == '\0') {
		json_null(j, "last_failure");
	} else {
		json_open(j, "last_failure", '{');
		json_number(j, "ago_ns", s->failed_for);
		print_name(j, "reason", s->failure);
		json_close(j, '}');
	}
	print_health(j, &s->health);
	json_close(j, '}');
}

static void
print_sources(struct json *j, const struct snapshot *snap, const char *pool)
{
	json_open(j, "sources", '[');
	for (size_t i = 0; i < snap->nsources; i++)
		if (strcmp(snap->sources[i].pool, pool) == 0)
			print_source(j, &snap->sources[i]);
	json_close(j, ']');
}

static void
print_classes(struct json *j, const struct snapshot *snap, const char *pool)
{
	json_open(j, "classes", '[');
	for (size_t i = 0; i < snap->nclasses; i++) {
		const struct control_class *c = &snap->classes[i];

		if (strcmp(c->pool, pool) != 0)
			continue;
		json_open(j, NULL, '{');
		json_string(j, "name", c->name);
		print_name(j, "parent", c->parent);
		json_number(j, "depth", c->depth);
		print_share(j, &c->share);
		json_number(j, "bytes", c->bytes);
		json_number(j, "bytes_per_second", c->now);
		json_number(j, "guests", c->guests);
		json_string(j, "delivery", format_delivery(c->delivery));
		json_close(j, '}');
	}
	json_close(j, ']');
}

static void
print_polling(struct json *j, const struct control_guest *g)
{
	json_open(j, "polling", '{');
	json_number(j, "us", g->poll_us);
	json_number(j, "share_percent", g->poll_share);
	json_number(j, "polls", g->polls);
	json_number(j, "hits", g->poll_hits);
	json_number(j, "misses", g->poll_misses);
	json_number(j, "ns", g->poll_ns);
	json_close(j, '}');
}

static void
print_guest(struct json *j, const struct snapshot *snap,
    const struct control_guest *g)
{
	json_open(j, NULL, '{');
	json_string(j, "name", g->name);
	print_name(j, "class", g->class);
	print_name(j, "socket", g->socket);
	print_name(j, "egd_socket", g->egd);
	json_number(j, "egd_clients", g->egd_clients);
	json_string(j, "state", status_guest_state(snap, g));
	print_share(j, &g->share);
	json_number(j, "bytes", g->bytes);
	json_number(j, "bytes_per_second", g->now);
	json_number(j, "requests", g->requests);
	json_number(j, "short_answers", g->cut);
	json_number(j, "malformed", g->refused);
	json_number(j, "wait_ns", g->wait_ns);
	json_number(j, "connected_ns", g->connected_for);
	json_number(j, "connections", g->connections);
	json_string(j, "delivery", format_delivery(g->delivery));
	print_polling(j, g);
	print_pid(j, g->pid);
	json_close(j, '}');
}

static void
print_guests(struct json *j, const struct snapshot *snap, const char *pool)
{
	json_open(j, "guests", '[');
	for (size_t i = 0; i < snap->nguests; i++)
		if (strcmp(snap->guests[i].pool, pool) == 0)
			print_guest(j, snap, &snap->guests[i]);
	json_close(j, ']');
}

static void
print_client(struct json *j, const struct control_outlet_client *c)
{
	json_open(j, NULL, '{');
	json_string(j, "peer", c->peer);
	json_number(j, "connected_ns", c->connected_for);
	json_number(j, "bytes", c->bytes);
	json_number(j, "requests", c->requests);
	json_bool(j, "waiting", c->waiting != 0);
	json_close(j, '}');
}

static void
print_service(struct json *j, const struct snapshot *snap,
    const struct snapshot_service *service)
{
	const struct control_outlet *o = &service->outlet;

	json_open(j, NULL, '{');
	json_string(j, "name", o->name);
	json_string(j, "kind", format_outlet_kind(o->kind));
	print_name(j, "class", o->class);
	print_name(j, "where", o->where);
	json_string(j, "transport", format_transport(o->transport));
	json_bool(j, "connects", o->connects != 0);
	json_number(j, "local_port", o->local_port);
	json_string(j, "state", format_outlet_state(o->state));
	print_share(j, &o->share);
	json_number(j, "bytes", o->bytes);
	json_number(j, "bytes_per_second", o->now);
	json_number(j, "requests", o->requests);
	json_number(j, "short_answers", o->cut);
	json_number(j, "malformed", o->refused);
	json_number(j, "wait_ns", o->wait_ns);
	json_number(j, "connections", o->connections);
	json_number(j, "turned_away", o->turned_away);
	json_number(j, "clients_connected", o->clients);
	json_number(j, "max_clients", o->max_clients);
	json_string(j, "delivery", format_delivery(o->delivery));
	print_pid(j, o->pid);
	json_open(j, "clients", '[');
	for (size_t i = 0; i < service->nclients; i++)
		print_client(j, &snap->clients[service->first + i]);
	json_close(j, ']');
	json_close(j, '}');
}

static void
print_services(struct json *j, const struct snapshot *snap, const char *pool)
{
	json_open(j, "services", '[');
	for (size_t i = 0; i < snap->nservices; i++)
		if (strcmp(snap->services[i].outlet.pool, pool) == 0)
			print_service(j, snap, &snap->services[i]);
	json_close(j, ']');
}

static void
print_pool(struct json *j, const struct snapshot *snap,
    const struct control_pool *pool)
{
	json_open(j, NULL, '{');
	json_string(j, "name", pool->name);
	print_rate(j, "limit", &pool->limit);
	print_size(j, "burst", pool->burst);
	json_number(j, "stock", pool->stock);
	json_number(j, "stock_capacity", pool->capacity);
	json_number(j, "bytes", pool->bytes);
	json_number(j, "bytes_per_second", pool->now);
	json_string(j, "combine", format_combine(pool->combine));
	json_number(j, "min_sources", pool->min_sources);
	json_number(j, "sources_serving", pool->serving);
	json_number(j, "sources_total", pool->nsources);
	print_sources(j, snap, pool->name);
	print_classes(j, snap, pool->name);
	print_guests(j, snap, pool->name);
	print_services(j, snap, pool->name);
	json_close(j, '}');
}

void
status_print_json(const struct snapshot *snap, FILE *f)
{
	struct json j = { .f = f };

	json_open(&j, NULL, '{');
	json_open(&j, "pools", '[');
	for (size_t i = 0; i < snap->npools; i++)
		print_pool(&j, snap, &snap->pools[i]);
	json_close(&j, ']');
	json_close(&j, '}');
}
