/*
 * Applies a configuration.  What can fail is made first (the plan): new pools,
 * sources and listeners; then pools, guests and services change, and at last
 * listeners without an owner are closed.  Used by main.c.
 */
#include <sys/socket.h>

#include <bsd/string.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "parent/endpoint/service_socket.h"
#include "parent/host/event.h"
#include "parent/state/reload.h"

/* New sources of an existing pool. */
struct plan_setup {
	TAILQ_ENTRY(plan_setup) entry;
	struct pool *pool;
	struct pool_setup setup;
};

struct plan {
	struct daemon_pools pools; /* new pools, started */
	TAILQ_HEAD(, plan_setup) setups;
};

/* A guest's EGD socket or CID as a service, with the strings of the guest. */
static void
egd_of(struct config_service *cs, const struct config_guest *cg)
{
	*cs = (struct config_service){
		.kind = CONFIG_SERVICE_EGD,
		.socket = { .transport =
				cg->cid == 0 ? CONFIG_UNIX : CONFIG_VSOCK,
		    .where = cg->egd,
		    .cid = cg->cid,
		    .confidential = CONFIDENTIAL_UNSET },
		.rights = cg->rights,
		.max_clients = CONFIG_GUEST_CLIENTS,
		.idle_timeout = cg->cid == 0 ? 0 : CONFIG_VSOCK_IDLE,
	};
	strlcpy(cs->name, cg->name, sizeof(cs->name));
}

/* The service of the configuration that one becomes, or NULL. */
static const struct config_service *
successor(const struct config *config, const struct service *s)
{
	const struct config_service *cs;

	TAILQ_FOREACH(cs, &config->services, entry)
		if (cs->kind == s->config.kind &&
		    strcmp(cs->name, s->name) == 0 &&
		    strcmp(cs->pool->name, s->endpoint.pool->name) == 0 &&
		    config_service_same_place(cs, &s->config))
			break;
	return cs;
}

/* Frees the rest of the plan. */
static void
drop_plan(struct plan *plan)
{
	struct daemon_pool *p;
	struct plan_setup *ps;

	while ((ps = TAILQ_FIRST(&plan->setups)) != NULL) {
		TAILQ_REMOVE(&plan->setups, ps, entry);
		pool_setup_free(&ps->setup);
		free(ps);
	}
	while ((p = TAILQ_FIRST(&plan->pools)) != NULL) {
		TAILQ_REMOVE(&plan->pools, p, entry);
		daemon_pool_free(p, clock_now());
	}
}

/* Creates the changed sources of a pool. */
static int
plan_setup(struct plan *plan, struct pool *pool, const struct config_pool *cp)
{
	struct plan_setup *ps;

	if (!pool_setup_differs(&pool->setup, cp))
		return 0;
	ps = daemon_must(calloc(1, sizeof(*ps)));
	ps->pool = pool;
	/* An absent device must not make guests wait that are served now. */
	if (pool_setup_make(&ps->setup, pool->name, cp, &pool->setup,
		pool->serving == 0, &pool->entropy, pool->env) == -1) {
		free(ps);
		return -1;
	}
	TAILQ_INSERT_TAIL(&plan->setups, ps, entry);
	return 0;
}

static int
plan_pools(struct daemon *d, const struct config *config, struct plan *plan)
{
	const struct config_pool *cp;
	struct daemon_pool *p;

	TAILQ_FOREACH(cp, &config->pools, entry) {
		if ((p = daemon_find_pool(d, cp->name)) != NULL) {
			if (plan_setup(plan, &p->pool, cp) == -1)
				return -1;
			continue;
		}
		if ((p = daemon_pool_new(d, cp)) == NULL)
			return -1;
		TAILQ_INSERT_TAIL(&plan->pools, p, entry);
		if (pool_start(&p->pool) == -1)
			return -1;
	}
	return 0;
}

static int
plan_path(struct daemon *d, const char *path,
    const struct listener_rights *rights)
{
	struct place *p;

	if (path == NULL || listeners_find(&d->listeners, path) != NULL)
		return 0;
	if ((p = listeners_open(&d->listeners, path, rights)) == NULL)
		return -1;
	p->planned = true;
	return 0;
}

/* Whether a service to be removed has that port, at any address. */
static bool
port_becomes_free(struct daemon *d, const struct config *config,
    const struct config_service *cs)
{
	const struct service *s;

	TAILQ_FOREACH(s, &d->services, entry)
		if (!s->config.connect && !s->config.socket.passed &&
		    s->config.socket.transport == cs->socket.transport &&
		    s->config.socket.port == cs->socket.port &&
		    successor(config, s) == NULL)
			return true;
	return false;
}

static struct place *
place_of(struct daemon *d, const struct config_service *cs)
{
	char key[CONFIG_WHERE_SIZE];

	return listeners_find(&d->listeners,
	    service_socket_key(cs, key, sizeof(key)));
}

/*
 * The socket of a service that systemd passed, unless it is served already.  If
 * there is none, only that service is missing.
 */
static void
check_passed(struct daemon *d, const struct config_service *cs)
{
	const char *word = cs->kind == CONFIG_SERVICE_EGD ? "egd" : "stream";
	const struct place *p = place_of(d, cs);

	if (p == NULL)
		log_error(
		    "%s %s: no socket named %s-%s from systemd: start its "
		    "socket unit, then restart vrngd",
		    word, cs->name, word, cs->name);
	else if (p->owner == NULL && !service_socket_fits(p->listener.fd, cs))
		log_error("%s %s: socket from systemd has the wrong type", word,
		    cs->name);
}

/* Creates the socket of a service, unless that is possible only later. */
static int
plan_service(struct daemon *d, const struct config *config,
    const struct config_service *cs)
{
	struct config_service elsewhere = *cs;
	struct place *p;

	if (cs->connect)
		return 0;
	if (cs->socket.passed) {
		check_passed(d, cs);
		return 0;
	}
	if (cs->socket.transport == CONFIG_UNIX)
		return plan_path(d, cs->socket.where, &cs->rights);
	if (place_of(d, cs) != NULL)
		return 0;
	/* Any port shows whether there is such an address. */
	if (port_becomes_free(d, config, cs))
		elsewhere.socket.port = 0;
	if ((p = listeners_open_service(&d->listeners, &elsewhere)) == NULL)
		return -1;
	p->planned = true;
	if (elsewhere.socket.port != cs->socket.port)
		listeners_close(&d->listeners, p);
	return 0;
}

static int
make_plan(struct daemon *d, const struct config *config, struct plan *plan)
{
	const struct config_service *cs;
	const struct config_guest *cg;

	TAILQ_INIT(&plan->pools);
	TAILQ_INIT(&plan->setups);
	if (plan_pools(d, config, plan) == -1)
		return -1;
	TAILQ_FOREACH(cg, &config->guests, entry)
		if (plan_path(d, cg->socket.where, &cg->rights) == -1 ||
		    plan_path(d, cg->egd, &cg->rights) == -1)
			return -1;
	TAILQ_FOREACH(cs, &config->services, entry)
		if (plan_service(d, config, cs) == -1)
			return -1;
	return 0;
}

/* Adds or moves a class, after its parent class. */
static void
apply_class(struct daemon_pool *p, const struct config_class *cc)
{
	struct daemon_class *c = daemon_find_class(p, cc->name);
	struct alloc_node *parent = &p->pool.alloc.root.node;

	if (cc->parent != NULL)
		parent = &daemon_find_class(p, cc->parent->name)->alloc.node;
	if (c == NULL) {
		c = daemon_must(calloc(1, sizeof(*c)));
		strlcpy(c->name, cc->name, sizeof(c->name));
		c->created = clock_now();
		alloc_add_class(&p->pool.alloc, &c->alloc, parent, &cc->share,
		    clock_now());
	} else {
		/* In the order of the tree: parents first. */
		TAILQ_REMOVE(&p->classes, c, entry);
		alloc_change(&p->pool.alloc, &c->alloc.node, parent, &cc->share,
		    clock_now());
	}
	TAILQ_INSERT_TAIL(&p->classes, c, entry);
	c->terms = cc->terms;
	c->kept = true;
	TAILQ_FOREACH(cc, &cc->classes, entry)
		apply_class(p, cc);
}

static void
apply_pools(struct daemon *d, const struct config *config, struct plan *plan)
{
	const struct config_pool *cp;
	const struct config_class *cc;
	struct daemon_pool *p;
	struct daemon_class *c;
	struct plan_setup *ps;

	TAILQ_CONCAT(&d->pools, &plan->pools, entry);
	TAILQ_FOREACH(p, &d->pools, entry)
		p->kept = false;
	TAILQ_FOREACH(cp, &config->pools, entry) {
		if ((p = daemon_find_pool(d, cp->name)) == NULL)
			log_fatal("pool %s was not created", cp->name);
		p->kept = true;
		TAILQ_FOREACH(c, &p->classes, entry)
			c->kept = false;
		alloc_change(&p->pool.alloc, &p->pool.alloc.root.node, NULL,
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
	TAILQ_FOREACH(cp, &config->pools, entry)
		pool_setup_describe(&daemon_find_pool(d, cp->name)->pool.setup,
		    cp);
}

/* The node of the configured class, or of the pool. */
static struct alloc_node *
parent_of(struct daemon_pool *p, const struct config_class *cc,
    const char **class)
{
	struct daemon_class *c;

	*class = NULL;
	if (cc == NULL)
		return &p->pool.alloc.root.node;
	c = daemon_find_class(p, cc->name);
	*class = c->name;
	return &c->alloc.node;
}

/* Lets a service listen at its configured place, if it does not yet. */
static int
start_service(struct daemon *d, struct service *s,
    const struct config_service *cs)
{
	bool listens = !cs->connect && cs->socket.cid == 0;
	struct place *p = place_of(d, cs);

	/* Its port became free only now. */
	if (listens && p == NULL)
		p = listeners_open_service(&d->listeners, cs);
	if (listens && p == NULL)
		return -1;
	listeners_protect(p, &cs->rights);
	return service_start(s, p);
}

static int
apply_egd(struct daemon *d, struct guest *g, const struct config_guest *cg)
{
	struct totals counted = { 0 };
	struct config_service cs;

	if (cg->egd == NULL && cg->cid == 0)
		return 0;
	egd_of(&cs, cg);
	if (g->egd != NULL) {
		service_change(&g->egd->service, &cs, NULL);
		listeners_protect(g->egd->service.endpoint.place, &cs.rights);
	} else {
		guest_add_egd(g, &cs);
		g->egd->service.vsock.cids = &d->cids;
		if (start_service(d, &g->egd->service, &cs) == -1) {
			guest_remove_egd(g, clock_now());
			return -1;
		}
		guest_count(g, &daemon_pool_of(guest_pool(g))->guests);
		daemon_resume(d, &g->egd->service, guest_reported(g));
		guest_count(g, &counted);
	}
	service_accept_writes(&g->egd->service, cg->pool->accept_writes);
	return 0;
}

/*
 * Lets a guest listen at its path.  Without one, it may have an adopted socket.
 */
static int
apply_listener(struct daemon *d, struct guest *g, const struct config_guest *cg)
{
	struct place *p;

	if (cg->socket.where == NULL) {
		if (guest_adopted(g) || g->vhost.endpoint.place == NULL)
			return 0;
		/* A session that was stored may be resumed without. */
		endpoint_hang_up(&g->vhost.endpoint);
		endpoint_unlisten(&g->vhost.endpoint);
		return 0;
	}
	if (plan_path(d, cg->socket.where, &cg->rights) == -1)
		return -1;
	p = listeners_find(&d->listeners, cg->socket.where);
	/* It may be that of a guest that was added. */
	listeners_unstore(&d->listeners, p);
	listeners_protect(p, &cg->rights);
	return endpoint_listen(&g->vhost.endpoint, p);
}

/*
 * Ends a guest that another pool will have.  Returns the place with an adopted
 * socket, or NULL.
 */
static struct place *
leave_pool(struct daemon *d, struct guest *g, const struct config_guest *cg)
{
	struct place *p = NULL;

	event_log(EVENT_GUEST_MOVED, &g->subject, NULL,
	    "moved to another pool: connection closed");
	if (cg->socket.where == NULL && guest_adopted(g))
		p = g->vhost.endpoint.place;
	daemon_guest_free(d, g, clock_now() + REMOVAL_TIME);
	return p;
}

static int
apply_guest(struct daemon *d, const struct config_guest *cg)
{
	struct daemon_pool *p = daemon_find_pool(d, cg->pool->name);
	struct guest *g = daemon_find_guest(d, cg->name);
	struct place *place = NULL;
	const char *class;
	struct alloc_node *parent = parent_of(p, cg->class, &class);
	/* Guests of the first configuration are not logged. */
	bool fresh = g == NULL && d->ready;

	if (g != NULL && guest_pool(g) != &p->pool) {
		place = leave_pool(d, g, cg);
		g = NULL;
	}
	if (g == NULL)
		g = daemon_guest_new(d, cg->name, &p->pool, parent, &cg->share,
		    &cg->terms);
	else
		guest_change(g, parent, &cg->share, &cg->terms);
	g->subject.class = class;
	if (place != NULL)
		endpoint_listen(&g->vhost.endpoint, place);
	g->kept = true;
	g->added = false;
	if (apply_listener(d, g, cg) == -1 || apply_egd(d, g, cg) == -1)
		return -1;
	if (fresh)
		tally_guest(&d->added, g);
	return 0;
}

static int
apply_service(struct daemon *d, const struct config_service *cs)
{
	struct daemon_pool *p = daemon_find_pool(d, cs->pool->name);
	struct service *s = daemon_find_service(d, cs->kind, cs->name);
	const struct place *place = place_of(d, cs);
	const char *class;
	struct alloc_node *parent = parent_of(p, cs->class, &class);

	if (s != NULL) {
		service_change(s, cs, parent);
		listeners_protect(s->endpoint.place, &cs->rights);
	} else if (cs->socket.passed &&
	    (place == NULL || !service_socket_fits(place->listener.fd, cs)))
		return 0;
	else {
		s = daemon_service_new(d, cs, &p->pool, parent);
		if (start_service(d, s, cs) == -1) {
			/* The next reload tries again. */
			daemon_service_free(d, s, clock_now());
			return -1;
		}
	}
	s->subject.class = class;
	service_accept_writes(s, cs->pool->accept_writes);
	return 0;
}

/* Notes which guests the configuration has.  Returns how many are new. */
static size_t
match_guests(struct daemon *d, const struct config *config)
{
	const struct config_guest *cg;
	struct guest *g;
	size_t n = 0;

	TAILQ_FOREACH(g, &d->guests, entry)
		g->config = NULL;
	TAILQ_FOREACH(cg, &config->guests, entry)
		if ((g = daemon_find_guest(d, cg->name)) != NULL)
			g->config = cg;
		else
			n++;
	return n;
}

/*
 * The delivery and polling at a guest's place; NULL if its pool or class is
 * removed.
 */
static const struct config_terms *
inherited(struct daemon *d, struct guest *g)
{
	const struct alloc_node *parent = guest_node(g)->parent;
	struct daemon_pool *p;
	struct daemon_class *c;

	TAILQ_FOREACH(p, &d->pools, entry) {
		if (&p->pool != guest_pool(g) || !p->kept)
			continue;
		if (parent == &p->pool.alloc.root.node)
			return &p->terms;
		c = daemon_class_of(p, parent);
		return c != NULL && c->kept ? &c->terms : NULL;
	}
	return NULL;
}

/* Keeps guests without configuration if their pool and class exist. */
static void
keep_added(struct daemon *d)
{
	const struct config_terms *terms;
	struct alloc_share share;
	struct guest *g;

	TAILQ_FOREACH(g, &d->guests, entry) {
		terms = inherited(d, g);
		g->kept = (g->added || guest_adopted(g)) && terms != NULL;
		if (!g->kept || g->config != NULL)
			continue;
		share = daemon_plain_share(terms, guest_node(g)->parent);
		guest_change(g, guest_node(g)->parent, &share, terms);
	}
}

/* Whether a guest has an EGD socket that was removed or moved. */
static bool
egd_ends(const struct guest *g)
{
	const struct config_guest *cg = g->config;
	struct config_service cs;

	if (g->egd == NULL)
		return false;
	if (cg == NULL || (cg->egd == NULL && cg->cid == 0))
		return true;
	egd_of(&cs, cg);
	return !config_service_same_place(&cs, &g->egd->service.config);
}

/* Ends services that were removed or moved. */
static void
drop_services(struct daemon *d, const struct config *config)
{
	struct service *s, *next;
	struct guest *g;

	for (s = TAILQ_FIRST(&d->services); s != NULL; s = next) {
		next = TAILQ_NEXT(s, entry);
		if (successor(config, s) != NULL)
			continue;
		log_about(LOG_LEVEL_INFO, s->endpoint.subject,
		    "removed or moved: clients disconnected");
		daemon_service_free(d, s, clock_now() + REMOVAL_TIME);
	}
	TAILQ_FOREACH(g, &d->guests, entry)
		if (egd_ends(g))
			guest_remove_egd(g, clock_now() + REMOVAL_TIME);
}

/* Ends guests, pools and classes that were removed. */
static void
remove_rest(struct daemon *d)
{
	struct guest *g, *next_guest;
	struct daemon_pool *p, *next_pool;
	struct daemon_class *c, *previous;
	size_t n = 0;

	TAILQ_FOREACH(g, &d->guests, entry)
		n += !g->kept;
	tally_begin(&d->removed, n);
	for (g = TAILQ_FIRST(&d->guests); g != NULL; g = next_guest) {
		next_guest = TAILQ_NEXT(g, entry);
		if (g->kept)
			continue;
		tally_guest(&d->removed, g);
		daemon_guest_free(d, g, clock_now() + REMOVAL_TIME);
	}
	tally_end(&d->removed);
	for (p = TAILQ_FIRST(&d->pools); p != NULL; p = next_pool) {
		next_pool = TAILQ_NEXT(p, entry);
		if (!p->kept) {
			TAILQ_REMOVE(&d->pools, p, entry);
			daemon_pool_free(p, clock_now() + REMOVAL_TIME);
			continue;
		}
		for (c = TAILQ_LAST(&p->classes, daemon_classes); c != NULL;
		     c = previous) {
			previous = TAILQ_PREV(c, daemon_classes, entry);
			if (!c->kept)
				daemon_class_free(p, c);
		}
	}
}

/* For the next reload to compare with. */
static void
keep_text(struct daemon *d, const struct config *config)
{
	char *text = config_printed(config);

	free(d->running);
	d->running = config_fold(text);
	free(text);
}

enum reload_result
reload_apply(struct daemon *d, const struct config *config)
{
	const struct config_service *cs;
	const struct config_guest *cg;
	enum reload_result r = RELOAD_DONE;
	struct plan plan;

	if (make_plan(d, config, &plan) == -1) {
		drop_plan(&plan);
		listeners_roll_back(&d->listeners);
		return RELOAD_UNCHANGED;
	}
	d->applied++;
	apply_pools(d, config, &plan);
	tally_begin(&d->added, match_guests(d, config));
	keep_added(d);
	drop_services(d, config);
	TAILQ_FOREACH(cg, &config->guests, entry)
		if (apply_guest(d, cg) == -1)
			r = RELOAD_PARTLY;
	tally_end(&d->added);
	/* Services may need the ports of removed ones. */
	listeners_close_unused(&d->listeners);
	TAILQ_FOREACH(cs, &config->services, entry)
		if (apply_service(d, cs) == -1)
			r = RELOAD_PARTLY;
	remove_rest(d);
	listeners_commit(&d->listeners);
	if (endpoint_bind_again(&d->listeners) == -1)
		r = RELOAD_PARTLY;
	/* Without a file there is no reload. */
	if (d->config != NULL)
		keep_text(d, config);
	return r;
}

/* The lines of reload_changes(). */
struct reporting {
	struct daemon *daemon;
	const struct config *config;
	reload_say *say;
	void *arg;
	size_t n;
	struct config_changed last; /* its text is freed */
};

/* Whether a guest has a vhost-user connection that ends. */
static bool
connection_ends(const struct guest *g)
{
	const struct config_guest *cg = g->config;

	return g->vhost.deposit != -1 &&
	    (cg != NULL ? strcmp(cg->pool->name, guest_pool(g)->name) != 0
			: !g->added && !guest_adopted(g));
}

/* The service of a block whose clients lose their connections, or NULL. */
static const struct service *
service_ends(const struct reporting *t, const struct config_changed *c)
{
	const struct service *s;
	const struct guest *g;

	if (strcmp(c->word, "guest") == 0) {
		g = daemon_find_guest(t->daemon, c->name);
		return g != NULL && egd_ends(g) ? &g->egd->service : NULL;
	}
	if (strcmp(c->word, "egd") != 0 && strcmp(c->word, "stream") != 0)
		return NULL;
	s = daemon_find_service(t->daemon,
	    strcmp(c->word, "egd") == 0 ? CONFIG_SERVICE_EGD
					: CONFIG_SERVICE_STREAM,
	    c->name);
	return s != NULL && successor(t->config, s) == NULL ? s : NULL;
}

/* Passes on a change, and at the first one of a block which connections end. */
static void
report_change(void *arg, const struct config_changed *c)
{
	struct reporting *t = arg;
	bool first = strcmp(c->word, t->last.word) != 0 ||
	    strcmp(c->name, t->last.name) != 0;
	const struct service *s = first ? service_ends(t, c) : NULL;
	uint32_t n =
	    s != NULL ? counted_nclients(&s->endpoint.active->counted) : 0;
	const struct guest *g = NULL;
	char *line = NULL;
	size_t size;
	FILE *out = daemon_must(open_memstream(&line, &size));

	if (first && strcmp(c->word, "guest") == 0)
		g = daemon_find_guest(t->daemon, c->name);
	fputs(c->text, out);
	if (g != NULL && connection_ends(g))
		fputs(": connection closed", out);
	if (n > 0)
		fprintf(out, ": %u client%s disconnected", n,
		    n == 1 ? "" : "s");
	fclose(out);
	t->say(t->arg, daemon_must(line));
	free(line);
	t->last = *c;
	t->n++;
}

void
reload_changes(struct daemon *d, const struct config *config, reload_say *say,
    void *arg)
{
	struct reporting t = {
		.daemon = d,
		.config = config,
		.say = say,
		.arg = arg,
	};
	char *old = config_unfold(d->running), *new = config_printed(config);

	match_guests(d, config);
	config_changes(old, new, report_change, &t);
	free(old);
	free(new);
	if (t.n == 0)
		say(arg, "no changes");
}
