/*
 * The daemon's state: pools, guests and services, and how a configuration is
 * applied to them.  Used by main.c and by the control socket.
 */
#include <sys/socket.h>

#include <bsd/string.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "parent/host/event.h"
#include "parent/endpoint/guest_session.h"
#include "parent/state/service.h"
#include "parent/state/service_outlets.h"
#include "parent/state/service_statistics.h"

#define REMOVAL_TIME (100 * NS_PER_MS) /* for a child to end by itself */

void
service_init(struct service *s, struct process_env *env,
    const struct service_ops *ops, void *arg)
{
	*s = (struct service){ .env = env, .ops = ops, .arg = arg };
	TAILQ_INIT(&s->pools);
	TAILQ_INIT(&s->guests);
	TAILQ_INIT(&s->outlets);
	statistics_init(&s->statistics, s);
	TAILQ_INIT(&s->passed.fds);
	store_init(&s->store, &s->passed);
}

/* Puts a class in its place, where its parent class already is. */
static void
apply_class(struct service_pool *p, const struct config_class *cc)
{
	struct service_class *c = service_find_class(p, cc->name);
	struct alloc_node *parent = &p->pool.alloc.root;

	if (cc->parent != NULL)
		parent = &service_find_class(p, cc->parent->name)->node;
	if (c == NULL) {
		c = service_must(calloc(1, sizeof(*c)));
		strlcpy(c->name, cc->name, sizeof(c->name));
		alloc_add(&p->pool.alloc, &c->node, parent, &cc->share,
		    clock_now());
	} else {
		/* The order is that of the tree: parents first. */
		TAILQ_REMOVE(&p->classes, c, entry);
		alloc_change(&p->pool.alloc, &c->node, parent, &cc->share,
		    clock_now());
	}
	TAILQ_INSERT_TAIL(&p->classes, c, entry);
	c->terms = cc->terms;
	c->kept = true;
	TAILQ_FOREACH(cc, &cc->classes, entry)
		apply_class(p, cc);
}

static void
apply_pools(struct service *s, const struct config *config, struct plan *plan)
{
	const struct config_pool *cp;
	const struct config_class *cc;
	struct service_pool *p;
	struct service_class *c;
	struct plan_setup *ps;

	TAILQ_CONCAT(&s->pools, &plan->pools, entry);
	TAILQ_FOREACH(p, &s->pools, entry)
		p->kept = false;
	TAILQ_FOREACH(cp, &config->pools, entry) {
		if ((p = service_find_pool(s, cp->name)) == NULL)
			log_fatal("pool %s was not made", cp->name);
		p->kept = true;
		TAILQ_FOREACH(c, &p->classes, entry)
			c->kept = false;
		alloc_change(&p->pool.alloc, &p->pool.alloc.root, NULL,
		    &cp->share, clock_now());
		TAILQ_FOREACH(cc, &cp->classes, entry)
			apply_class(p, cc);
		p->terms = cp->terms;
	}
	while ((ps = TAILQ_FIRST(&plan->setups)) != NULL) {
		TAILQ_REMOVE(&plan->setups, ps, entry);
		pool_set_sources(ps->pool, &ps->setup);
		free(ps);
	}
}

/* Gives a guest its socket file's owner and rights, and its listener. */
static int
set_listener(struct service *s, struct guest *g, const struct config_guest *cg,
    struct listener *made)
{
	struct guest *had;

	if (cg->socket.where == NULL && g->passed)
		return 0;
	service_unpass(s, g);
	if (cg->socket.where == NULL) {
		/* Without one it may go on with a session from before. */
		if (g->listener.fd != -1)
			guest_session_hang_up(g);
		guest_unlisten(g);
		free(g->path);
		g->path = NULL;
		return 0;
	}
	if (made->fd == -1 &&
	    (had = service_find_listener(s, cg->socket.where)) != NULL &&
	    had != g) {
		*made = had->listener;
		had->listener = (struct listener){ .fd = -1 };
		guest_unlisten(had);
	}
	/* It had been another guest's, which has given it up by now. */
	if (made->fd == -1 && !service_holds(s, cg->socket.where) &&
	    plan_listener(made, cg) == -1)
		return -1;
	if (made->fd != -1) {
		guest_unlisten(g);
		g->listener = *made;
		made->fd = -1;
		if (guest_listen(g) == -1)
			return -1;
	}
	free(g->path);
	g->path = service_must(strdup(cg->socket.where));
	g->listener.path = g->path;
	listener_protect(&g->listener, &cg->rights);
	return 0;
}

/* Another guest of that name, in another pool, is to have its listener. */
static void
leave_pool(struct guest *g, const struct config_guest *cg,
    struct listener *made)
{
	event_log(EVENT_GUEST_MOVED, &g->subject, NULL,
	    "moved to another pool: its connection ends");
	if (made->fd == -1 && g->listener.path != NULL &&
	    cg->socket.where != NULL &&
	    strcmp(g->listener.path, cg->socket.where) == 0) {
		*made = g->listener;
		g->listener = (struct listener){ .fd = -1 };
	}
}

static int
apply_guest(struct service *s, const struct config_guest *cg,
    struct listener *made, struct listener *egd)
{
	struct service_pool *p = service_find_pool(s, cg->pool->name);
	struct alloc_node *parent = &p->pool.alloc.root;
	struct service_class *c = NULL;
	struct guest *g = service_find_guest(s, cg->name), *old = NULL;
	bool fresh;

	if (cg->class != NULL) {
		c = service_find_class(p, cg->class->name);
		parent = &c->node;
	}
	if (g != NULL && g->pool != &p->pool) {
		leave_pool(g, cg, made);
		old = g;
		g = NULL;
	}
	/* Of those that are there when it starts nothing is said. */
	fresh = g == NULL && old == NULL && s->ready;
	if (g == NULL)
		g = service_guest_new(s, cg->name, &p->pool, parent, &cg->share,
		    &cg->terms);
	else
		guest_change(g, parent, &cg->share, &cg->terms);
	g->subject.class = c == NULL ? NULL : c->name;
	if (old != NULL) {
		if (cg->socket.where == NULL)
			service_pass_on(old, g);
		service_guest_free(s, old, clock_now() + REMOVAL_TIME);
	}
	if (fresh)
		event_log(EVENT_GUEST_ADDED, &g->subject, NULL, "added");
	g->kept = true;
	g->added = false;
	if (set_listener(s, g, cg, made) == -1)
		return -1;
	return service_egd_apply(g, cg, egd);
}

/* Ends what the configuration does not have any more. */
static void
remove_rest(struct service *s)
{
	struct guest *g, *next_guest;
	struct service_pool *p, *next_pool;
	struct service_class *c, *previous;

	for (g = TAILQ_FIRST(&s->guests); g != NULL; g = next_guest) {
		next_guest = TAILQ_NEXT(g, entry);
		if (g->kept)
			continue;
		event_log(EVENT_GUEST_REMOVED, &g->subject, NULL, "removed");
		service_guest_free(s, g, clock_now() + REMOVAL_TIME);
	}
	for (p = TAILQ_FIRST(&s->pools); p != NULL; p = next_pool) {
		next_pool = TAILQ_NEXT(p, entry);
		if (!p->kept) {
			TAILQ_REMOVE(&s->pools, p, entry);
			service_pool_free(p, clock_now() + REMOVAL_TIME);
			continue;
		}
		for (c = TAILQ_LAST(&p->classes, service_classes); c != NULL;
		     c = previous) {
			previous = TAILQ_PREV(c, service_classes, entry);
			if (!c->kept)
				service_class_free(p, c);
		}
	}
}

/*
 * How guests in a guest's place are served; NULL if its pool or class does not
 * stay.
 */
static const struct config_terms *
inherited(struct service *s, struct guest *g)
{
	struct service_pool *p;
	struct service_class *c;

	TAILQ_FOREACH(p, &s->pools, entry) {
		if (&p->pool != g->pool || !p->kept)
			continue;
		if (guest_node(g)->parent == &p->pool.alloc.root)
			return &p->terms;
		TAILQ_FOREACH(c, &p->classes, entry)
			if (&c->node == guest_node(g)->parent)
				return c->kept ? &c->terms : NULL;
	}
	return NULL;
}

static bool
is_configured(const struct config *config, const struct guest *g)
{
	const struct config_guest *cg;

	TAILQ_FOREACH(cg, &config->guests, entry)
		if (strcmp(cg->name, g->name) == 0)
			return true;
	return false;
}

/* Guests that the configuration does not have stay if their place does. */
static void
keep_added(struct service *s, const struct config *config)
{
	const struct config_terms *terms;
	struct alloc_share share;
	struct guest *g;

	TAILQ_FOREACH(g, &s->guests, entry) {
		terms = inherited(s, g);
		g->kept = (g->added || g->passed) && terms != NULL;
		if (!g->kept || is_configured(config, g))
			continue;
		share = service_plain_share(terms);
		guest_change(g, guest_node(g)->parent, &share, terms);
	}
}

enum service_result
service_apply(struct service *s, const struct config *config)
{
	const struct config_guest *cg;
	struct plan plan;
	enum service_result r = SERVICE_DONE;
	size_t i = 0;

	if (plan_make(s, config, &plan) == -1) {
		plan_drop(s, &plan);
		return SERVICE_UNCHANGED;
	}
	s->applied++;
	apply_pools(s, config, &plan);
	keep_added(s, config);
	service_outlets_drop(s, config, &plan);
	for (cg = TAILQ_FIRST(&config->guests); cg != NULL;
	     cg = TAILQ_NEXT(cg, entry), i++)
		if (apply_guest(s, cg, &plan.listeners[i], &plan.egds[i]) == -1)
			r = SERVICE_PARTLY;
	if (service_outlets_apply(s, config, &plan) == -1)
		r = SERVICE_PARTLY;
	remove_rest(s);
	plan_drop(s, &plan);
	statistics_set(&s->statistics, config->statistics);
	return r;
}

int
service_add(struct service *s, const char *name, const char *path,
    const char *pool, const char *class, const char **why)
{
	const struct listener_rights rights = {
		.owner = (uid_t)-1,
		.group = (gid_t)-1,
	};
	struct service_place place;
	struct listener l;
	struct guest *g;

	*why = NULL;
	if (service_find_guest(s, name) != NULL)
		*why = "there is a guest of that name";
	else if (service_holds(s, path))
		*why = "another guest or service has that socket";
	if (*why != NULL ||
	    service_find_place(s, pool, class, &place, why) == -1)
		return EINVAL;
	if (listener_open(&l, path, SOCK_STREAM, &rights) == -1) {
		*why = "its socket cannot be made: the log says why";
		return EIO;
	}
	g = service_guest_new(s, name, place.pool, place.parent, &place.share,
	    place.terms);
	g->subject.class = place.class;
	g->added = true;
	g->path = service_must(strdup(path));
	g->listener = l;
	g->listener.path = g->path;
	if (guest_listen(g) == -1) {
		service_guest_free(s, g, clock_now());
		*why = "cannot listen";
		return EIO;
	}
	event_log(EVENT_GUEST_ADDED, &g->subject, NULL, "added");
	return 0;
}

int
service_remove(struct service *s, const char *name)
{
	struct guest *g = service_find_guest(s, name);

	if (g == NULL)
		return -1;
	event_log(EVENT_GUEST_REMOVED, &g->subject, NULL, "removed");
	service_guest_free(s, g, clock_now() + REMOVAL_TIME);
	return 0;
}

void
service_report(struct service *s)
{
	struct outlet *o;
	struct guest *g;

	TAILQ_FOREACH(g, &s->guests, entry)
		guest_report(g);
	TAILQ_FOREACH(o, &s->outlets, entry)
		outlet_report(o);
}

void
service_stop(struct service *s, uint64_t deadline)
{
	struct service_pool *p;
	struct outlet *o;
	struct guest *g;

	statistics_end(&s->statistics);
	/* What is in systemd's store stays there, for the next vrngd. */
	store_close(&s->store);
	s->orphans = sd_event_source_disable_unref(s->orphans);
	passed_close(&s->passed);
	TAILQ_FOREACH(g, &s->guests, entry)
		guest_hang_up(g);
	TAILQ_FOREACH(o, &s->outlets, entry)
		outlet_hang_up(o);
	while ((o = TAILQ_FIRST(&s->outlets)) != NULL)
		service_outlet_free(s, o, deadline);
	while ((g = TAILQ_FIRST(&s->guests)) != NULL)
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): not in the list */
		service_guest_free(s, g, deadline);
	while ((p = TAILQ_FIRST(&s->pools)) != NULL) {
		TAILQ_REMOVE(&s->pools, p, entry);
		service_pool_free(p, deadline);
	}
}
