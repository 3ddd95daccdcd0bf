/*
 * A guest: its sockets and its share.  Used by the rooms above, which add,
 * change and remove guests.
 */
#include <bsd/string.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/min.h"
#include "common/names.h"
#include "parent/endpoint/guest.h"

void
guest_name(char name[GUEST_NAME_SIZE], const char *path)
{
	const char *base = strrchr(path, '/');
	size_t len;

	base = base == NULL ? path : base + 1;
	len = strlen(base);
	if (len > 5 && strcmp(base + len - 5, ".sock") == 0)
		len -= 5;
	if (len >= GUEST_NAME_SIZE)
		len = GUEST_NAME_SIZE - 1;
	strlcpy(name, base, len + 1);
	names_make_valid(name);
}

struct pool *
guest_pool(const struct guest *g)
{
	return g->vhost.endpoint.pool;
}

struct alloc_node *
guest_node(struct guest *g)
{
	return g->egd == NULL ? &g->vhost.endpoint.consumer.leaf
			      : &g->egd->alloc.node;
}

const char *
guest_path(const struct guest *g)
{
	const struct place *p = g->vhost.endpoint.place;

	return p == NULL ? NULL : p->where;
}

bool
guest_adopted(const struct guest *g)
{
	const struct place *p = g->vhost.endpoint.place;

	return p != NULL && p->origin != PLACE_MADE;
}

void
guest_init(struct guest *g, const char *name, struct process_env *env,
    struct store *store, struct pool *pool, struct alloc_node *parent,
    const struct alloc_share *share, const struct config_terms *terms)
{
	*g = (struct guest){ .egd = NULL };
	memcpy(g->name, name, strlen(name) + 1);
	g->subject = (struct log_subject){
		.kind = "guest",
		.name = g->name,
		.pool = pool->name,
	};
	vhost_init(&g->vhost, &g->subject, env, store, pool);
	endpoint_join(&g->vhost.endpoint, parent, share, &terms->delivery);
	g->vhost.polling = terms->polling;
}

/* Sets the empty share of one of its two sockets, below its node. */
static void
change_leaf(struct guest *g, struct endpoint *e, bool generated,
    const struct proto_delivery *delivery)
{
	const struct alloc_share none = alloc_no_share(generated);

	consumer_change(e->pool, &e->consumer, &g->egd->alloc.node, &none,
	    delivery);
	endpoint_limit(e);
}

void
guest_change(struct guest *g, struct alloc_node *parent,
    const struct alloc_share *share, const struct config_terms *terms)
{
	struct endpoint *e = &g->vhost.endpoint;

	g->vhost.polling = terms->polling;
	if (g->egd == NULL) {
		consumer_change(e->pool, &e->consumer, parent, share,
		    &terms->delivery);
		endpoint_limit(e);
		return;
	}
	g->egd->service.config.polling = terms->polling;
	alloc_change(&e->pool->alloc, &g->egd->alloc.node, parent, share,
	    clock_now());
	change_leaf(g, &g->egd->service.endpoint, share->generated,
	    &terms->delivery);
	change_leaf(g, e, share->generated, &terms->delivery);
}

void
guest_add_egd(struct guest *g, const struct config_service *cs)
{
	struct endpoint *e = &g->vhost.endpoint;
	struct config_service own = *cs;

	if ((g->egd = calloc(1, sizeof(*g->egd))) == NULL)
		log_fatal("out of memory for an EGD socket");
	own.share = alloc_no_share(e->consumer.leaf.generated);
	own.delivery = e->consumer.delivery;
	own.polling = g->vhost.polling;
	consumer_share(e->pool, &e->consumer, &g->egd->alloc);
	service_init(&g->egd->service, &own, &g->subject, e->env, e->store,
	    e->pool, &g->egd->alloc.node);
	endpoint_limit(e);
}

void
guest_remove_egd(struct guest *g, uint64_t deadline)
{
	struct endpoint *e = &g->vhost.endpoint;
	struct endpoint *egd = &g->egd->service.endpoint;
	struct counters past;

	service_stop(&g->egd->service, deadline);
	past = endpoint_counters(egd);
	counters_add(&endpoint_activate(e)->counted.past, &past);
	e->active->flow.throttle.total += egd->active->flow.throttle.total;
	consumer_unshare(e->pool, &e->consumer);
	endpoint_free(egd);
	free(g->egd);
	g->egd = NULL;
	endpoint_limit(e);
}

struct counters
guest_counters(struct guest *g)
{
	struct counters sum = endpoint_counters(&g->vhost.endpoint), egd;

	if (g->egd != NULL) {
		egd = endpoint_counters(&g->egd->service.endpoint);
		counters_add(&sum, &egd);
	}
	return sum;
}

enum endpoint_state
guest_state(const struct guest *g)
{
	enum endpoint_state vhost = vhost_state(&g->vhost), egd;

	if (g->egd == NULL)
		return vhost;
	egd = service_state(&g->egd->service);
	return egd > vhost ? egd : vhost;
}

bool
guest_connected(const struct guest *g)
{
	return guest_state(g) >= ENDPOINT_CONNECTED;
}

uint64_t
guest_since(const struct guest *g)
{
	uint64_t since = endpoint_counting(&g->vhost.endpoint);

	if (g->egd == NULL)
		return since;
	return min64(since, endpoint_counting(&g->egd->service.endpoint));
}

uint64_t
guest_throttled(const struct guest *g)
{
	const struct endpoint_active *a = g->vhost.endpoint.active;
	uint64_t ns = a == NULL ? 0 : a->flow.throttle.total;

	if (g->egd != NULL)
		ns += g->egd->service.endpoint.active->flow.throttle.total;
	return ns;
}

uint64_t
guest_throttled_now(const struct guest *g)
{
	const struct endpoint *e = &g->vhost.endpoint;
	uint64_t ns = consumer_throttled_ns(e->pool, &e->consumer);

	if (g->egd != NULL)
		ns += consumer_throttled_ns(e->pool,
		    &g->egd->service.endpoint.consumer);
	return ns;
}

static struct guest_sums *
sums_of(struct guest *g)
{
	if (g->sums == NULL && (g->sums = calloc(1, sizeof(*g->sums))) == NULL)
		log_fatal("out of memory for statistics");
	return g->sums;
}

struct totals *
guest_reported(struct guest *g)
{
	return &sums_of(g)->reported;
}

void
guest_forget(struct guest *g)
{
	free(g->sums);
	g->sums = NULL;
}

void
guest_count(struct guest *g, struct totals *sum)
{
	static const struct totals none;
	struct totals now = {
		.counters = guest_counters(g),
		.granted = guest_node(g)->meter.total,
		.throttled = guest_throttled_now(g),
	};
	struct counters grew;
	struct totals *counted;

	now.counters.connections += g->vhost.connections;
	if (g->sums == NULL && memcmp(&now, &none, sizeof(now)) == 0)
		return;
	counted = &sums_of(g)->counted;
	grew = counters_grown(&now.counters, &counted->counters);
	counters_add(&sum->counters, &grew);
	if (now.granted > counted->granted)
		sum->granted += now.granted - counted->granted;
	if (now.throttled > counted->throttled)
		sum->throttled += now.throttled - counted->throttled;
	*counted = now;
}

void
guest_report(struct guest *g)
{
	if (g->egd != NULL)
		service_report(&g->egd->service);
	if (endpoint_running(&g->vhost.endpoint))
		vhost_log(&g->vhost, false);
	else
		log_about(LOG_LEVEL_INFO, &g->subject, "not connected");
}

void
guest_hang_up(struct guest *g)
{
	if (g->egd != NULL)
		endpoint_hang_up(&g->egd->service.endpoint);
	vhost_hang_up(&g->vhost);
}

void
guest_stop(struct guest *g, uint64_t deadline)
{
	if (g->egd != NULL)
		guest_remove_egd(g, deadline);
	vhost_stop(&g->vhost, deadline);
}
