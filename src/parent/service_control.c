#include <bsd/string.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "service_control.h"

/* Workers tell at once; one that does not is told of as it last was. */
#define STATUS_TIME (200 * NS_PER_MS)

struct status_query {
	TAILQ_ENTRY(status_query) entry;
	struct control_client *client;
};

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
    const struct pool_source *s)
{
	const struct config_source *cs = s->config;
	uint64_t now = clock_now();
	struct control_source source = {
		.kind = cs->spec.kind,
		.noise = cs->spec.noise,
		.status = s->state.status,
		.serving = p->pool.serving >> cs->spec.number & 1,
		.since = now - s->since,
		.bytes = s->past_bytes + s->state.bytes,
		.now = s->state.rate,
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
	const struct pool_source *s;
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

/* The class that a node of the tree is; NULL for the pool itself. */
static const struct service_class *
class_of(const struct service_pool *p, const struct alloc_node *node)
{
	const struct service_class *c;

	TAILQ_FOREACH(c, &p->classes, entry)
		if (&c->node == node)
			break;
	return c;
}

static void
tell_class(struct service *s, struct control_client *client,
    const struct service_pool *p, struct service_class *c)
{
	struct control_class class = {
		.share = share_of(&c->node.share),
		.bytes = c->node.meter.total,
		.now = meter_rate(&c->node.meter, clock_now()),
		.delivery = c->delivery.mode,
	};
	const struct service_class *parent = class_of(p, c->node.parent);
	struct guest *g;

	strlcpy(class.pool, p->name, sizeof(class.pool));
	strlcpy(class.name, c->name, sizeof(class.name));
	if (parent != NULL)
		strlcpy(class.parent, parent->name, sizeof(class.parent));
	for (; parent != NULL; parent = class_of(p, parent->node.parent))
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
		return g->listen_io != NULL &&
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
	const struct service_class *class = class_of(p, g->member.leaf.parent);
	bool running = process_running(&g->worker);
	struct control_guest guest = {
		.state = state_of(g),
		.share = share_of(&g->member.leaf.share),
		.bytes = g->past.bytes + g->stats.bytes,
		.now = meter_rate(&g->member.leaf.meter, clock_now()),
		.requests = g->past.requests + g->stats.requests,
		.cut = g->past.cut + g->stats.cut,
		.refused = g->past.refused + g->stats.refused,
		.wait_ns = g->past.wait_ns + g->stats.wait_ns,
		.connected_for = running ? clock_now() - g->connected : 0,
		.pid = running ? g->worker.pid : 0,
		.connections = g->connections,
		.delivery = g->member.delivery.mode,
	};

	strlcpy(guest.name, g->name, sizeof(guest.name));
	strlcpy(guest.pool, p->name, sizeof(guest.pool));
	if (class != NULL)
		strlcpy(guest.class, class->name, sizeof(guest.class));
	if (g->path != NULL)
		strlcpy(guest.socket, g->path, sizeof(guest.socket));
	control_tell_guest(client, &guest);
}

static void
tell_all(struct service *s, struct control_client *client)
{
	struct service_pool *p;
	struct service_class *c;
	struct guest *g;
	uint32_t n;

	TAILQ_FOREACH(p, &s->pools, entry) {
		n = 0;
		TAILQ_FOREACH(g, &s->guests, entry)
			n += g->pool == &p->pool;
		tell_pool(client, p, n);
		TAILQ_FOREACH(c, &p->classes, entry)
			tell_class(s, client, p, c);
		TAILQ_FOREACH(g, &s->guests, entry)
			if (g->pool == &p->pool)
				tell_guest(client, p, g);
	}
}

/* Answers all who wait for a status. */
static void
finish_status(struct service_control *sc)
{
	struct status_query *q;

	sd_event_source_set_enabled(sc->timer, SD_EVENT_OFF);
	while ((q = TAILQ_FIRST(&sc->queries)) != NULL) {
		TAILQ_REMOVE(&sc->queries, q, entry);
		tell_all(sc->service, q->client);
		control_end(q->client, 0);
		free(q);
	}
}

static int
timer_event(sd_event_source *source, uint64_t usec, void *arg)
{
	(void)source;
	(void)usec;
	finish_status(arg);
	return 0;
}

/* A guest's worker, or a pool's sources, have told how they are. */
static void
someone_told(void *arg)
{
	struct service_control *sc = arg;

	if (sc->nwaiting > 0 && --sc->nwaiting == 0)
		finish_status(sc);
}

static int
status(struct control_client *client, void *arg)
{
	struct service_control *sc = arg;
	struct status_query *q;
	struct service_pool *p;
	struct guest *g;

	sc->nwaiting = 0;
	TAILQ_FOREACH(p, &sc->service->pools, entry)
		sc->nwaiting += pool_query(&p->pool);
	TAILQ_FOREACH(g, &sc->service->guests, entry)
		sc->nwaiting += guest_query(g);
	if (sc->nwaiting == 0) {
		tell_all(sc->service, client);
		return 0;
	}
	if ((q = malloc(sizeof(*q))) == NULL)
		return ENOMEM;
	q->client = client;
	TAILQ_INSERT_TAIL(&sc->queries, q, entry);
	sd_event_source_set_time_relative(sc->timer, STATUS_TIME / 1000);
	sd_event_source_set_enabled(sc->timer, SD_EVENT_ONESHOT);
	return CONTROL_LATER;
}

static void
say_mistake(void *arg, const char *text)
{
	control_say(arg, "%s", text);
}

static int
reload(struct control_client *client, void *arg)
{
	struct service_control *sc = arg;

	if (sc->reload(sc->reload_arg, say_mistake, client) == 0)
		return 0;
	control_say(client, "nothing was changed (the log may say more)");
	return EINVAL;
}

static int
guest_add(struct control_client *client, const struct control_guest_add *add,
    void *arg)
{
	struct service_control *sc = arg;
	const char *why = NULL;
	int error;

	error = service_add(sc->service, add->name, add->socket, add->pool,
	    add->class, &why);
	if (error != 0)
		control_say(client, "guest %s: %s", add->name, why);
	return error;
}

static int
guest_remove(struct control_client *client, const char *name, void *arg)
{
	struct service_control *sc = arg;

	if (service_remove(sc->service, name) == 0)
		return 0;
	control_say(client, "there is no guest %s", name);
	return ENOENT;
}

/*
 * The source of that name, in that pool or ("") in any; says why there is
 * none, or which there are if that is not clear.
 */
static struct pool_source *
find_source(struct service_control *sc, struct control_client *client,
    const char *name, const char *pool)
{
	struct pool_source *s, *found = NULL;
	struct service_pool *p;
	size_t n = 0;

	TAILQ_FOREACH(p, &sc->service->pools, entry)
		TAILQ_FOREACH(s, &p->pool.setup.sources, entry)
			if ((pool[0] == '\0' || strcmp(pool, p->name) == 0) &&
			    strcmp(s->config->spec.name, name) == 0) {
				found = s;
				n++;
			}
	if (n == 1)
		return found;
	if (n == 0)
		control_say(client, "there is no source %s%s%s", name,
		    pool[0] == '\0' ? "" : " in pool ", pool);
	else
		control_say(client, "%zu pools have a source %s: name the pool",
		    n, name);
	return NULL;
}

static int
source_retest(struct control_client *client, const char *name, const char *pool,
    void *arg)
{
	struct pool_source *s = find_source(arg, client, name, pool);
	const char *why;

	if (s == NULL)
		return ENOENT;
	if (pool_source_retest(s, &why) == 0)
		return 0;
	control_say(client, "source %s: %s", name, why);
	return EINVAL;
}

static int
log_level(struct control_client *client, enum log_level level, void *arg)
{
	struct service_control *sc = arg;

	(void)client;
	log_set_level(level);
	sc->service->env->log_level = level;
	return 0;
}

static const struct control_ops ops = {
	.status = status,
	.reload = reload,
	.guest_add = guest_add,
	.guest_remove = guest_remove,
	.source_retest = source_retest,
	.log_level = log_level,
};

int
service_control_open(struct service_control *sc, struct service *s,
    const struct control_setup *setup,
    int (*reload_config)(void *, config_report *, void *), void *reload_arg)
{
	sd_event *event = s->env->event;
	int r;

	*sc = (struct service_control){
		.service = s,
		.reload = reload_config,
		.reload_arg = reload_arg,
	};
	TAILQ_INIT(&sc->queries);
	r = sd_event_add_time(event, &sc->timer, CLOCK_MONOTONIC, 0, 1,
	    timer_event, sc);
	if (r >= 0)
		r = sd_event_source_set_enabled(sc->timer, SD_EVENT_OFF);
	if (r < 0) {
		log_error("cannot make a timer: %s", strerror(-r));
		return -1;
	}
	s->told = someone_told;
	s->told_arg = sc;
	return control_open(&sc->control, event, setup, &ops, sc);
}

void
service_control_close(struct service_control *sc)
{
	finish_status(sc);
	sc->timer = sd_event_source_disable_unref(sc->timer);
	control_close(&sc->control);
}
