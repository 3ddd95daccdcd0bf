/*
 * Creates, finds and removes pools and guests.  Used by the other files of
 * this room.
 */
#include <bsd/string.h>
#include <stdlib.h>
#include <string.h>

#include "parent/endpoint/guest_session.h"
#include "common/log.h"
#include "parent/state/service_parts.h"
#include "parent/state/service_statistics.h"

static void
pool_ready(struct pool *pool, void *arg)
{
	struct service *s = arg;
	struct service_pool *p;

	(void)pool;
	TAILQ_FOREACH(p, &s->pools, entry)
		if (!p->pool.ready)
			return;
	if (!s->ready)
		s->ops->ready(s->arg);
	s->ready = true;
}

static void
pool_failed(struct pool *pool, void *arg)
{
	struct service *s = arg;

	log_about(LOG_LEVEL_ERROR, &pool->subject,
	    "the entropy process of pool %s could not be set up", pool->name);
	s->ops->failed(s->arg);
}

static void
pool_throttled(struct pool *pool, struct consumer *c, void *arg)
{
	(void)arg;
	statistics_throttled(pool, c);
}

static void
pool_active_again(struct pool *pool, void *arg)
{
	struct service *s = arg;

	(void)pool;
	statistics_begin(&s->statistics);
}

static const struct pool_ops pool_ops = {
	.ready = pool_ready,
	.failed = pool_failed,
	.throttled = pool_throttled,
	.active = pool_active_again,
};

struct alloc_share
service_plain_share(const struct config_terms *terms)
{
	return alloc_no_share(terms->delivery.mode == DELIVERY_DRBG);
}

int
service_find_place(struct service *s, const char *pool, const char *class,
    struct service_place *place, const char **why)
{
	struct service_pool *p =
	    service_find_pool(s, pool[0] == '\0' ? "default" : pool);
	struct service_class *c = NULL;

	if (p == NULL && pool[0] == '\0' &&
	    TAILQ_FIRST(&s->pools) == TAILQ_LAST(&s->pools, service_pools))
		p = TAILQ_FIRST(&s->pools);
	if (p != NULL && class[0] != '\0')
		c = service_find_class(p, class);
	*why = NULL;
	if (p == NULL)
		*why = "there is no such pool";
	else if (class[0] != '\0' && c == NULL)
		*why = "there is no such class in the pool";
	if (*why != NULL)
		return -1;
	place->pool = &p->pool;
	place->parent = c == NULL ? &p->pool.alloc.root : &c->node;
	place->class = c == NULL ? NULL : c->name;
	place->terms = c == NULL ? &p->terms : &c->terms;
	place->share = service_plain_share(place->terms);
	return 0;
}

struct service_pool *
service_pool_new(struct service *s, const struct config_pool *cp)
{
	struct service_pool *p = service_must(calloc(1, sizeof(*p)));
	struct pool_setup setup;

	p->service = s;
	p->terms = cp->terms;
	strlcpy(p->name, cp->name, sizeof(p->name));
	TAILQ_INIT(&p->classes);
	pool_init(&p->pool, p->name, s->env, &cp->share, &pool_ops, s);
	if (pool_setup_make(&setup, p->name, cp, &p->pool.setup,
		&p->pool.entropy, s->env) == -1) {
		free(p);
		return NULL;
	}
	pool_setup_replace(&p->pool.setup, &setup);
	return p;
}

void
service_class_free(struct service_pool *p, struct service_class *c)
{
	TAILQ_REMOVE(&p->classes, c, entry);
	alloc_remove(&p->pool.alloc, &c->node, clock_now());
	free(c);
}

void
service_pool_free(struct service_pool *p, uint64_t deadline)
{
	struct service_class *c;

	pool_stop(&p->pool, deadline);
	while ((c = TAILQ_LAST(&p->classes, service_classes)) != NULL)
		service_class_free(p, c);
	free(p);
}

void
service_unpass(struct service *s, struct guest *g)
{
	if (!g->passed)
		return;
	if (g->stored != NULL)
		store_remove(&s->store, g->stored);
	free(g->stored);
	free(g->path);
	g->stored = g->path = NULL;
	g->passed = false;
	guest_unlisten(g);
}

void
service_pass_on(struct guest *from, struct guest *to)
{
	if (!from->passed)
		return;
	to->listener = from->listener;
	to->path = from->path;
	to->stored = from->stored;
	to->passed = true;
	from->listener.fd = -1;
	from->path = from->stored = NULL;
	from->passed = false;
	guest_unlisten(from);
	guest_listen(to);
}

void
service_guest_free(struct service *s, struct guest *g, uint64_t deadline)
{
	service_unpass(s, g);
	if (s->cursor == g)
		s->cursor = TAILQ_NEXT(g, entry);
	TAILQ_REMOVE(&s->guests, g, entry);
	s->nguests--;
	guest_stop(g, deadline);
	free(g);
}

struct guest *
service_guest_new(struct service *s, const char *name, struct pool *pool,
    struct alloc_node *parent, const struct alloc_share *share,
    const struct config_terms *terms)
{
	struct guest *g = service_must(calloc(1, sizeof(*g)));
	int session;

	guest_init(g, name, s->env, &s->store, pool, parent, share, terms);
	TAILQ_INSERT_TAIL(&s->guests, g, entry);
	s->nguests++;
	session = passed_claim(&s->passed, PASSED_SESSION, name);
	if (session != -1)
		guest_session_resume(g, session);
	return g;
}

struct outlet *
service_outlet_new(struct service *s, const struct config_outlet *co,
    struct pool *pool, struct alloc_node *parent)
{
	struct outlet *o = service_must(calloc(1, sizeof(*o)));

	outlet_init(o, co, s->env, pool, parent, &co->share, &co->delivery,
	    NULL);
	TAILQ_INSERT_TAIL(&s->outlets, o, entry);
	return o;
}

void
service_outlet_free(struct service *s, struct outlet *o, uint64_t deadline)
{
	TAILQ_REMOVE(&s->outlets, o, entry);
	outlet_stop(o, deadline);
	free(o);
}
