/*
 * Creates, finds and ends pools, classes, guests and services.  Used by the
 * other files of this room, by main.c, the control socket and the status.
 */
#include <bsd/string.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "parent/host/deferred_close.h"
#include "parent/state/daemon.h"

static int
compare_names(const struct guest *a, const struct guest *b)
{
	return strcmp(a->name, b->name);
}

RB_PROTOTYPE(guests_by_name, guest, by_name, compare_names)
RB_GENERATE(guests_by_name, guest, by_name, compare_names)

void
daemon_init(struct daemon *d, struct process_env *env,
    const struct daemon_ops *ops, void *arg)
{
	*d = (struct daemon){ .env = env, .ops = ops, .arg = arg };
	d->started = clock_now();
	TAILQ_INIT(&d->pools);
	TAILQ_INIT(&d->guests);
	RB_INIT(&d->by_name);
	TAILQ_INIT(&d->services);
	TAILQ_INIT(&d->listen_fds.fds);
	cids_init(&d->cids);
	store_init(&d->store, &d->listen_fds);
	listeners_init(&d->listeners, env->event, &d->store, endpoint_incoming);
	tally_init(&d->added, env->event, EVENT_GUEST_ADDED, "added");
	tally_init(&d->removed, env->event, EVENT_GUEST_REMOVED, "removed");
}

void *
daemon_must(void *p)
{
	if (p == NULL)
		log_fatal("out of memory for the configuration");
	return p;
}

struct daemon_pool *
daemon_find_pool(struct daemon *d, const char *name)
{
	struct daemon_pool *p;

	TAILQ_FOREACH(p, &d->pools, entry)
		if (strcmp(p->name, name) == 0)
			break;
	return p;
}

struct daemon_class *
daemon_find_class(struct daemon_pool *p, const char *name)
{
	struct daemon_class *c;

	TAILQ_FOREACH(c, &p->classes, entry)
		if (strcmp(c->name, name) == 0)
			break;
	return c;
}

struct daemon_class *
daemon_class_of(struct daemon_pool *p, const struct alloc_node *node)
{
	struct daemon_class *c;

	TAILQ_FOREACH(c, &p->classes, entry)
		if (&c->alloc.node == node)
			break;
	return c;
}

struct guest *
daemon_find_guest(struct daemon *d, const char *name)
{
	struct guest *g = RB_ROOT(&d->by_name);
	int order;

	while (g != NULL && (order = strcmp(name, g->name)) != 0)
		g = order < 0 ? RB_LEFT(g, by_name) : RB_RIGHT(g, by_name);
	return g;
}

struct service *
daemon_find_service(struct daemon *d, enum config_service_kind kind,
    const char *name)
{
	struct service *s;

	TAILQ_FOREACH(s, &d->services, entry)
		if (s->config.kind == kind && strcmp(s->name, name) == 0)
			break;
	return s;
}

static void
pool_ready(struct pool *pool, void *arg)
{
	struct daemon *d = arg;
	struct daemon_pool *p;

	(void)pool;
	TAILQ_FOREACH(p, &d->pools, entry)
		if (!p->pool.ready)
			return;
	if (!d->ready)
		d->ops->ready(d->arg);
	d->ready = true;
}

static void
pool_failed(struct pool *pool, void *arg)
{
	struct daemon *d = arg;

	log_about(LOG_LEVEL_ERROR, &pool->subject,
	    "cannot set up the entropy process of pool %s", pool->name);
	d->ops->failed(d->arg);
}

static void
pool_throttled(struct pool *pool, struct consumer *c, void *arg)
{
	const struct daemon *d = arg;

	d->ops->throttled(pool, c, d->arg);
}

static void
pool_active_again(struct pool *pool, void *arg)
{
	const struct daemon *d = arg;

	d->ops->active(pool, d->arg);
}

static const struct pool_ops pool_ops = {
	.ready = pool_ready,
	.failed = pool_failed,
	.throttled = pool_throttled,
	.active = pool_active_again,
};

struct alloc_share
daemon_plain_share(const struct config_terms *terms,
    const struct alloc_node *parent)
{
	struct alloc_share share =
	    alloc_no_share(terms->delivery.mode == DELIVERY_DRBG);

	share.ceil = parent->cap.rate;
	share.burst = parent->burst;
	return share;
}

/* Appends a word to a list in a text that may be too short for all. */
static void
append(char *text, size_t size, const char *separator, const char *word)
{
	size_t used = strlen(text);

	snprintf(text + used, size - used, "%s%s", separator, word);
}

static int
no_pool(struct daemon *d, const char *name)
{
	const struct daemon_pool *p;

	if (name[0] == '\0')
		snprintf(d->why, sizeof(d->why),
		    "no pool is named \"default\": set the pool, one of");
	else
		snprintf(d->why, sizeof(d->why),
		    "unknown pool \"%s\": the pools are", name);
	TAILQ_FOREACH(p, &d->pools, entry)
		append(d->why, sizeof(d->why),
		    p == TAILQ_FIRST(&d->pools) ? " " : ", ", p->name);
	return -1;
}

static int
no_class(struct daemon *d, const struct daemon_pool *p, const char *name)
{
	const struct daemon_class *c;

	snprintf(d->why, sizeof(d->why),
	    "unknown class \"%s\" in pool \"%s\", which has %s", name, p->name,
	    TAILQ_EMPTY(&p->classes) ? "no classes" : "the classes");
	TAILQ_FOREACH(c, &p->classes, entry)
		append(d->why, sizeof(d->why),
		    c == TAILQ_FIRST(&p->classes) ? " " : ", ", c->name);
	return -1;
}

int
daemon_find_place(struct daemon *d, const char *pool, const char *class,
    struct daemon_place *place, const char **why)
{
	struct daemon_pool *p =
	    daemon_find_pool(d, pool[0] == '\0' ? "default" : pool);
	struct daemon_class *c = NULL;

	if (p == NULL && pool[0] == '\0' &&
	    TAILQ_FIRST(&d->pools) == TAILQ_LAST(&d->pools, daemon_pools))
		p = TAILQ_FIRST(&d->pools);
	if (p != NULL && class[0] != '\0')
		c = daemon_find_class(p, class);
	*why = d->why;
	if (p == NULL)
		return no_pool(d, pool);
	if (class[0] != '\0' && c == NULL)
		return no_class(d, p, class);
	place->pool = &p->pool;
	place->parent = c == NULL ? &p->pool.alloc.root.node : &c->alloc.node;
	place->class = c == NULL ? NULL : c->name;
	place->terms = c == NULL ? &p->terms : &c->terms;
	place->share = daemon_plain_share(place->terms, place->parent);
	return 0;
}

struct daemon_pool *
daemon_pool_new(struct daemon *d, const struct config_pool *cp)
{
	struct daemon_pool *p = daemon_must(calloc(1, sizeof(*p)));
	struct pool_setup setup;

	p->terms = cp->terms;
	strlcpy(p->name, cp->name, sizeof(p->name));
	TAILQ_INIT(&p->classes);
	pool_init(&p->pool, p->name, d->env, &cp->share, &pool_ops, d);
	if (pool_setup_make(&setup, p->name, cp, &p->pool.setup, true,
		&p->pool.entropy, d->env) == -1) {
		free(p);
		return NULL;
	}
	pool_setup_replace(&p->pool.setup, &setup);
	return p;
}

void
daemon_class_free(struct daemon_pool *p, struct daemon_class *c)
{
	TAILQ_REMOVE(&p->classes, c, entry);
	alloc_remove(&p->pool.alloc, &c->alloc.node, clock_now());
	free(c);
}

void
daemon_pool_free(struct daemon_pool *p, uint64_t deadline)
{
	struct daemon_class *c;

	pool_stop(&p->pool, deadline);
	while ((c = TAILQ_LAST(&p->classes, daemon_classes)) != NULL)
		daemon_class_free(p, c);
	free(p);
}

struct daemon_pool *
daemon_pool_of(struct pool *pool)
{
	return (void *)((char *)pool - offsetof(struct daemon_pool, pool));
}

struct guest *
daemon_guest_new(struct daemon *d, const char *name, struct pool *pool,
    struct alloc_node *parent, const struct alloc_share *share,
    const struct config_terms *terms)
{
	struct guest *g = daemon_must(calloc(1, sizeof(*g) + strlen(name) + 1));
	struct totals counted = { 0 };
	struct counters before;
	int session;

	guest_init(g, name, d->env, &d->store, pool, parent, share, terms);
	TAILQ_INSERT_TAIL(&d->guests, g, entry);
	if (RB_INSERT(guests_by_name, &d->by_name, g) != NULL)
		log_fatal("two guests have the name %s", name);
	d->nguests++;
	session = listen_fds_claim(&d->listen_fds, FDNAME_SESSION, name);
	if (session != -1) {
		before = vhost_resume(&g->vhost, session);
		/* The previous vrngd has reported and counted these. */
		counters_add(&guest_reported(g)->counters, &before);
		guest_count(g, &counted);
	}
	return g;
}

void
daemon_guest_free(struct daemon *d, struct guest *g, uint64_t deadline)
{
	if (d->cursor == g)
		d->cursor = TAILQ_NEXT(g, entry);
	TAILQ_REMOVE(&d->guests, g, entry);
	RB_REMOVE(guests_by_name, &d->by_name, g);
	d->nguests--;
	guest_stop(g, deadline);
	guest_count(g, &daemon_pool_of(guest_pool(g))->guests);
	guest_forget(g);
	endpoint_free(&g->vhost.endpoint);
	free(g);
}

/*
 * Takes the stored session of a service, and its number; -1: none.  There are
 * two if vrngd ended before it removed the older one from the store.
 */
static int
take_stored(struct daemon *d, const struct service *s, uint64_t *serial)
{
	char prefix[SERVICE_PREFIX_SIZE], rest[FDNAME_SIZE];
	char older[FDNAME_SIZE];
	int fd, session = -1;
	uint64_t n;

	service_stored_prefix(s, prefix);
	while ((fd = listen_fds_take(&d->listen_fds, prefix, rest)) != -1) {
		n = strtoull(rest, NULL, 10);
		if (session != -1) {
			snprintf(older, sizeof(older), "%s%" PRIu64, prefix,
			    n < *serial ? n : *serial);
			store_remove(&d->store, older);
			deferred_close(d->env->event,
			    n < *serial ? fd : session);
		}
		if (session == -1 || n > *serial) {
			session = fd;
			*serial = n;
		}
	}
	return session;
}

void
daemon_resume(struct daemon *d, struct service *s, struct totals *reported)
{
	struct counters before;
	uint64_t serial;
	int session = take_stored(d, s, &serial);

	if (session == -1)
		return;
	before = service_resume(s, session, serial);
	/* The previous vrngd has reported these. */
	counters_add(&reported->counters, &before);
}

struct service *
daemon_service_new(struct daemon *d, const struct config_service *cs,
    struct pool *pool, struct alloc_node *parent)
{
	struct service *s = daemon_must(calloc(1, sizeof(*s)));

	service_init(s, cs, NULL, d->env, &d->store, pool, parent);
	s->vsock.cids = &d->cids;
	TAILQ_INSERT_TAIL(&d->services, s, entry);
	daemon_resume(d, s, &s->reported);
	return s;
}

void
daemon_service_free(struct daemon *d, struct service *s, uint64_t deadline)
{
	TAILQ_REMOVE(&d->services, s, entry);
	service_stop(s, deadline);
	endpoint_free(&s->endpoint);
	free(s);
}

void
daemon_report(struct daemon *d)
{
	struct service *s;
	struct guest *g;

	TAILQ_FOREACH(g, &d->guests, entry)
		guest_report(g);
	TAILQ_FOREACH(s, &d->services, entry)
		service_report(s);
}

void
daemon_stop(struct daemon *d, uint64_t deadline)
{
	struct daemon_pool *p;
	struct service *s;
	struct guest *g;

	/* The contents of systemd's store stay there for the next vrngd. */
	store_close(&d->store);
	tally_free(&d->added);
	tally_free(&d->removed);
	timer_free(&d->orphans);
	listen_fds_close(&d->listen_fds);
	TAILQ_FOREACH(g, &d->guests, entry)
		guest_hang_up(g);
	TAILQ_FOREACH(s, &d->services, entry)
		endpoint_hang_up(&s->endpoint);
	while ((s = TAILQ_FIRST(&d->services)) != NULL)
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): not in the list */
		daemon_service_free(d, s, deadline);
	while ((g = TAILQ_FIRST(&d->guests)) != NULL)
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): not in the list */
		daemon_guest_free(d, g, deadline);
	listeners_free(&d->listeners);
	free(d->running);
	while ((p = TAILQ_FIRST(&d->pools)) != NULL) {
		TAILQ_REMOVE(&d->pools, p, entry);
		daemon_pool_free(p, deadline);
	}
}
