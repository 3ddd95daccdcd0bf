/*
 * Finds out why a guest or service waits, from the states of its endpoint, its
 * pool and the allocator.  Used by the status, and by the statistics for the
 * owner of a limit.
 */
#include <bsd/string.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/names.h"
#include "parent/state/why.h"

struct daemon_class *
why_class(struct pool *pool, const struct alloc_node *node)
{
	return daemon_class_of(daemon_pool_of(pool), node);
}

const char *
why_limit(struct pool *pool, const struct alloc_node *limit, char *text,
    size_t size)
{
	const struct daemon_class *c = why_class(pool, limit);

	if (limit == &pool->alloc.root.node) {
		snprintf(text, size, "pool %s", pool->name);
		return "pool";
	}
	if (c != NULL) {
		snprintf(text, size, "class %s", c->name);
		return "class";
	}
	strlcpy(text, "the guest or service", size);
	return "guest";
}

static void set_cause(struct why *, const char *cause, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void
set_cause(struct why *why, const char *cause, const char *fmt, ...)
{
	va_list ap;

	why->cause = cause;
	va_start(ap, fmt);
	vsnprintf(why->text, sizeof(why->text), fmt, ap);
	va_end(ap);
}

static void
cause_fault(struct why *why, enum fault fault)
{
	set_cause(why, names_text(names_fault, fault), "%s",
	    names_text(names_fault_text, fault));
}

/* The pool has no bytes, since too few of its sources are healthy. */
static void
cause_sources(const struct pool *pool, uint64_t now, struct why *why)
{
	const bool alone = pool->setup.spec.combine == COMBINE_FIRST;
	const struct pool_source *s;
	char state[GUEST_NAME_SIZE + 32] = "";

	TAILQ_FOREACH(s, &pool->setup.sources, entry)
		if (s->state.status != SOURCE_OK)
			break;
	if (s != NULL)
		snprintf(state, sizeof(state), ": %s is %s",
		    s->config->spec.name,
		    names_text(names_source_status, s->state.status));
	set_cause(why, "sources", "pool %s has %s for %" PRIu64 " s%s",
	    pool->name, alone ? "no healthy source" : "too few healthy sources",
	    (now - pool->unserved) / NS_PER_SEC, state);
}

/* Bytes were granted, but the entropy process cannot send them. */
static void
cause_channel(const struct pool *pool, const struct consumer *c,
    struct why *why)
{
	if (c->leaf.generated)
		set_cause(why, "seed", "its DRBG waits for a seed from pool %s",
		    pool->name);
	else
		set_cause(why, "worker",
		    "its worker does not read the granted bytes");
}

static void
cause_limit(struct pool *pool, const struct alloc_node *limit, struct why *why)
{
	const struct bucket_rate *ceil = &limit->cap.rate;
	uint64_t rate = meter_per_second(ceil->bytes, ceil->period);
	char owner[CONFIG_NAME_SIZE + 16];

	if (strcmp(why_limit(pool, limit, owner, sizeof(owner)), "guest") == 0)
		set_cause(why, "ceiling",
		    "its own ceiling is used up: %" PRIu64 " bytes per second",
		    rate);
	else
		set_cause(why, "ceiling",
		    "ceiling of %s is used up: %" PRIu64 " bytes per second",
		    owner, rate);
}

/* Its requests wait for bytes. */
static void
cause_pool(struct pool *pool, const struct consumer *c, uint64_t now,
    struct why *why)
{
	const struct alloc_node *limit = alloc_limit(&c->leaf);
	bool generated = c->leaf.generated;
	bool empty = !generated && pool->alloc.stock < GRANT_MIN;

	if (!process_running(&pool->entropy))
		set_cause(why, "process",
		    "entropy process of pool %s is being replaced", pool->name);
	else if (pool->unserved != 0 && (empty || c->flow->blocked))
		cause_sources(pool, now, why);
	else if (c->flow->blocked)
		cause_channel(pool, c, why);
	else if (limit != NULL)
		cause_limit(pool, limit, why);
	else if (empty)
		set_cause(why, "stock",
		    "stock of pool %s is empty: its sources are too slow",
		    pool->name);
}

/* One of the sockets of a guest, or a service. */
static void
why_endpoint(struct endpoint *e, enum endpoint_state state, uint64_t now,
    struct why *why)
{
	enum fault fault =
	    e->active == NULL ? FAULT_NONE : counted_fault(&e->active->counted);
	enum listener_file file = LISTENER_FILE_PRESENT;

	if (state == ENDPOINT_IDLE && e->place != NULL)
		file = e->place->file;
	*why = (struct why){ .cause = NULL };
	if (state == ENDPOINT_WAITING)
		cause_pool(e->pool, &e->consumer, now, why);
	else if (fault != FAULT_NONE)
		cause_fault(why, fault);
	else if (state == ENDPOINT_PAUSED)
		set_cause(why, "paused",
		    "its workers died: it listens again soon");
	else if (state == ENDPOINT_CONNECTING)
		set_cause(why, "peer", "its peer does not accept connections");
	else if (file != LISTENER_FILE_PRESENT)
		set_cause(why, "socket-file", "socket file is %s: %s",
		    file == LISTENER_FILE_MISSING ? "missing" : "replaced",
		    e->place->origin == PLACE_MADE ? "reload the configuration"
						   : "restart its socket unit");
	else if (state == ENDPOINT_IDLE) {
		/* Most guests of a status: without printf(). */
		why->cause = "not-connected";
		strlcpy(why->text,
		    e->ops->worker.role == ROLE_VHOST
			? "no VMM is connected"
			: "no client is connected",
		    sizeof(why->text));
	} else if (counted_read(&e->active->counted)->requests == 0)
		set_cause(why, "no-request",
		    "connected, but has not requested bytes yet");
}

void
why_service(struct service *s, uint64_t now, struct why *why)
{
	why_endpoint(&s->endpoint, service_state(s), now, why);
}

/*
 * The socket in the later state decides; where both are in the same state, that
 * without a cause, as the guest is served by it.
 */
void
why_guest(struct guest *g, uint64_t now, struct why *why)
{
	enum endpoint_state vhost = vhost_state(&g->vhost), egd;
	struct why other;

	why_endpoint(&g->vhost.endpoint, vhost, now, why);
	if (g->egd == NULL)
		return;
	egd = service_state(&g->egd->service);
	why_service(&g->egd->service, now, &other);
	if (egd > vhost || (egd == vhost && other.cause == NULL))
		*why = other;
}
