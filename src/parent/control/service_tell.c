#include <bsd/string.h>
#include <string.h>

#include "parent/state/service_parts.h"
#include "parent/control/service_tell.h"

/* Of all outlets: an answer has CONTROL_QUEUE_MAX frames, with all else. */
#define CLIENTS_TOLD 8192

static struct control_rate
rate_of(struct bucket_rate r)
{
	return (struct control_rate){ .bytes = r.bytes, .period = r.period };
}

static struct control_share
share_of(const struct alloc_share *s)
{
	return (struct control_share){
		.rate = rate_of(s->rate),
		.ceil = rate_of(s->ceil),
		.burst = s->burst,
		.weight = s->weight,
		.priority = s->priority,
	};
}

static void
tell_source(struct control_client *client, const struct service_pool *p,
    struct pool_source *s)
{
	const struct config_source *cs = s->config;
	uint64_t now = clock_now();
	struct control_source source = {
		.kind = cs->spec.kind,
		.noise = cs->spec.noise,
		.status = s->state.status,
		.serving = p->pool.serving >> cs->spec.number & 1,
		.since = now - s->since,
		.bytes = pool_source_bytes(s),
		.now = pool_source_rate(s),
		.failures = s->failures,
		.failed_for = s->failed == 0 ? 0 : now - s->failed,
		.health = pool_source_health(s),
	};

	strlcpy(source.pool, p->name, sizeof(source.pool));
	strlcpy(source.name, cs->spec.name, sizeof(source.name));
	strlcpy(source.failure, s->failure, sizeof(source.failure));
	config_source_text(cs, source.what, sizeof(source.what));
	control_tell_source(client, &source);
}

static void
tell_pool(struct control_client *client, struct service_pool *p,
    uint32_t nguests)
{
	const struct proto_pool *spec = &p->pool.setup.spec;
	struct alloc *a = &p->pool.alloc;
	struct pool_source *s;
	struct control_pool pool = {
		.limit = rate_of(a->root.share.ceil),
		.burst = a->root.share.burst,
		.stock = a->stock,
		.capacity = p->pool.capacity,
		.bytes = a->root.meter.total,
		.now = meter_rate(&a->root.meter, clock_now()),
		.guests = nguests,
		.combine = spec->combine,
		.min_sources = spec->min_sources,
		.nsources = spec->nsources,
		.serving = (uint32_t)__builtin_popcount(p->pool.serving),
	};

	strlcpy(pool.name, p->name, sizeof(pool.name));
	control_tell_pool(client, &pool);
	TAILQ_FOREACH(s, &p->pool.setup.sources, entry)
		tell_source(client, p, s);
}

static void
tell_class(struct service *s, struct control_client *client,
    const struct service_pool *p, struct service_class *c)
{
	struct control_class class = {
		.share = share_of(&c->node.share),
		.bytes = c->node.meter.total,
		.now = meter_rate(&c->node.meter, clock_now()),
		.delivery = c->terms.delivery.mode,
	};
	const struct service_class *parent =
	    service_class_of(p, c->node.parent);
	struct guest *g;

	strlcpy(class.pool, p->name, sizeof(class.pool));
	strlcpy(class.name, c->name, sizeof(class.name));
	if (parent != NULL)
		strlcpy(class.parent, parent->name, sizeof(class.parent));
	for (; parent != NULL;
	     parent = service_class_of(p, parent->node.parent))
		class.depth++;
	TAILQ_FOREACH(g, &s->guests, entry)
		for (const struct alloc_node *n = g->member.leaf.parent;
		     n != NULL; n = n->parent)
			class.guests += n == &c->node;
	control_tell_class(client, &class);
}

static uint32_t
state_of(const struct guest *g)
{
	if (!process_running(&g->worker))
		return g->listen_io == NULL ||
			sd_event_source_get_enabled(g->listen_io, NULL) > 0
		    ? CONTROL_GUEST_IDLE
		    : CONTROL_GUEST_PAUSED;
	return g->member.leaf.waiting > 0 ? CONTROL_GUEST_WAITING
					  : CONTROL_GUEST_CONNECTED;
}

static void
tell_guest(struct control_client *client, const struct service_pool *p,
    struct guest *g)
{
	const struct service_class *class =
	    service_class_of(p, g->member.leaf.parent);
	bool running = process_running(&g->worker);
	const struct counters stats = guest_counters(g);
	struct control_guest guest = {
		.state = state_of(g),
		.share = share_of(&g->member.leaf.share),
		.bytes = stats.bytes,
		.now = meter_rate(&g->member.leaf.meter, clock_now()),
		.requests = stats.requests,
		.cut = stats.short_answers,
		.refused = stats.malformed,
		.wait_ns = stats.wait_ns,
		.egd_clients =
		    g->egd == NULL ? 0 : counted_nclients(&g->egd->counted),
		.connected_for = running ? clock_now() - g->connected : 0,
		.pid = running ? g->worker.pid : 0,
		.connections = g->connections,
		.delivery = g->member.delivery.mode,
		.poll_us = g->polling.us,
		.poll_share = g->polling.share,
		.polls = stats.polls,
		.poll_hits = stats.poll_hits,
		.poll_misses = stats.poll_misses,
		.poll_ns = stats.poll_ns,
	};

	strlcpy(guest.name, g->name, sizeof(guest.name));
	strlcpy(guest.pool, p->name, sizeof(guest.pool));
	if (class != NULL)
		strlcpy(guest.class, class->name, sizeof(guest.class));
	if (g->path != NULL)
		strlcpy(guest.socket, g->path, sizeof(guest.socket));
	if (g->egd != NULL)
		strlcpy(guest.egd, g->egd->config.path, sizeof(guest.egd));
	control_tell_guest(client, &guest);
}

static uint32_t
outlet_state(const struct outlet *o)
{
	if (tap_need(&o->tap) > 0)
		return CONTROL_OUTLET_WAITING;
	if (counted_nclients(&o->counted) > 0)
		return CONTROL_OUTLET_CONNECTED;
	/* Without clients, a worker waits a little for the next. */
	if (process_running(&o->worker))
		return CONTROL_OUTLET_IDLE;
	if (o->config.connect)
		return CONTROL_OUTLET_CONNECTING;
	return o->io != NULL && sd_event_source_get_enabled(o->io, NULL) > 0
	    ? CONTROL_OUTLET_IDLE
	    : CONTROL_OUTLET_PAUSED;
}

static void
tell_client(struct control_client *client, const struct counters_client *c)
{
	uint64_t now = clock_now();
	struct control_outlet_client oc = {
		.connected_for = c->since < now ? now - c->since : 0,
		.bytes = c->bytes,
		.requests = c->requests,
		.waiting = c->waiting == 1,
	};

	strlcpy(oc.peer, c->peer, sizeof(oc.peer));
	control_tell_outlet_client(client, &oc);
}

static void
tell_outlet(struct control_client *client, const struct service_pool *p,
    struct outlet *o, enum control_outlet_kind kind, uint32_t *room)
{
	struct alloc_node *leaf = &o->member->leaf;
	const struct service_class *class = service_class_of(p, leaf->parent);
	const struct counters stats = outlet_counters(o);
	struct counters_client oc;
	struct control_outlet outlet = {
		.kind = kind,
		.state = outlet_state(o),
		.transport = o->config.transport,
		.connects = o->config.connect,
		.local_port = o->config.local_port,
		.share = share_of(&leaf->share),
		.bytes = stats.bytes,
		.now = meter_rate(&leaf->meter, clock_now()),
		.requests = stats.requests,
		.cut = stats.short_answers,
		.refused = stats.malformed,
		.wait_ns = stats.wait_ns,
		.turned_away = stats.turned_away,
		.connections = stats.connections,
		.clients = counted_nclients(&o->counted),
		.max_clients = o->config.max_clients,
		.pid = o->worker.pid,
		.delivery = o->member->delivery.mode,
	};

	strlcpy(outlet.name, o->name, sizeof(outlet.name));
	strlcpy(outlet.pool, p->name, sizeof(outlet.pool));
	if (class != NULL)
		strlcpy(outlet.class, class->name, sizeof(outlet.class));
	config_outlet_text(&o->config, outlet.where, sizeof(outlet.where));
	control_tell_outlet(client, &outlet);
	for (uint32_t place = 0;
	     *room > 0 && counted_client(&o->counted, &place, &oc); (*room)--)
		tell_client(client, &oc);
}

/* The pool, and all that belongs to it, with `*room` clients at most. */
static void
tell_all_of(struct service *s, struct control_client *client,
    struct service_pool *p, uint32_t *room)
{
	struct service_class *c;
	struct outlet *o;
	struct guest *g;
	uint32_t n = 0;

	TAILQ_FOREACH(g, &s->guests, entry)
		n += g->pool == &p->pool;
	tell_pool(client, p, n);
	TAILQ_FOREACH(c, &p->classes, entry)
		tell_class(s, client, p, c);
	TAILQ_FOREACH(g, &s->guests, entry)
		if (g->pool == &p->pool)
			tell_guest(client, p, g);
	TAILQ_FOREACH(g, &s->guests, entry)
		if (g->pool == &p->pool && g->egd != NULL)
			tell_outlet(client, p, g->egd, CONTROL_OUTLET_GUEST,
			    room);
	TAILQ_FOREACH(o, &s->outlets, entry)
		if (o->pool == &p->pool)
			tell_outlet(client, p, o,
			    o->config.kind == CONFIG_OUTLET_EGD
				? CONTROL_OUTLET_EGD
				: CONTROL_OUTLET_STREAM,
			    room);
}

void
service_tell(struct service *s, struct control_client *client)
{
	struct service_pool *p;
	uint32_t room = CLIENTS_TOLD;

	TAILQ_FOREACH(p, &s->pools, entry)
		tell_all_of(s, client, p, &room);
}
