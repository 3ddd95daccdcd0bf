/*
 * Applies a configuration to services and to guests' EGD sockets.  Used by
 * service.c.
 */
#include <string.h>

#include "common/log.h"
#include "parent/endpoint/outlet_socket.h"
#include "parent/state/service_outlets.h"

#define REMOVAL_TIME (100 * NS_PER_MS) /* for a child to end by itself */

static const struct config_guest *
find_guest(const struct config *config, const char *name)
{
	const struct config_guest *cg;

	TAILQ_FOREACH(cg, &config->guests, entry)
		if (strcmp(cg->name, name) == 0)
			break;
	return cg;
}

/* Takes the listener of an outlet, if it is at that place. */
static bool
take_over(struct outlet *o, const struct config_outlet *co,
    struct listener *made)
{
	struct config_outlet place = *co;

	/* Of what systemd passed, each has a copy. */
	if (co->socket.passed || o->config.socket.passed)
		return false;
	place.kind = o->config.kind;
	if (!config_outlet_same_place(&place, &o->config) || made->fd != -1)
		return false;
	*made = o->listener;
	if (made->path != NULL)
		made->path = co->socket.where;
	o->listener = (struct listener){ .fd = -1 };
	return true;
}

/*
 * Hands the listener of an outlet that is to be ended on to the one that is to
 * be at its place: if it were closed, it might not be possible to make another
 * as long as a child that is being started has it still.
 */
static void
hand_on(struct outlet *o, const struct config *config, struct plan *plan)
{
	const struct config_outlet *co;
	const struct config_guest *cg;
	struct config_outlet egd;
	size_t i = 0;

	TAILQ_FOREACH(co, &config->outlets, entry)
		if (take_over(o, co, &plan->outlets[i++]))
			return;
	i = 0;
	TAILQ_FOREACH(cg, &config->guests, entry) {
		plan_egd(&egd, cg);
		if (cg->egd != NULL && take_over(o, &egd, &plan->egds[i]))
			return;
		i++;
	}
}

static void
drop_egd(struct guest *g, const struct config *config, struct plan *plan)
{
	const struct config_guest *cg = find_guest(config, g->name);
	struct config_outlet co;

	if (g->egd == NULL)
		return;
	if (cg != NULL && cg->egd != NULL) {
		plan_egd(&co, cg);
		if (config_outlet_same_place(&co, &g->egd->config))
			return;
	}
	hand_on(g->egd, config, plan);
	guest_remove_egd(g, clock_now() + REMOVAL_TIME);
}

/*
 * Gives up a guest's socket whose path no guest has any more, since a service
 * or an EGD socket may have it.
 */
static void
drop_listener(struct guest *g, const struct config *config)
{
	const struct config_guest *cg;

	if (g->kept || g->listener.path == NULL)
		return;
	TAILQ_FOREACH(cg, &config->guests, entry)
		if (cg->socket.where != NULL &&
		    strcmp(cg->socket.where, g->listener.path) == 0)
			return;
	guest_unlisten(g);
}

void
service_outlets_drop(struct service *s, const struct config *config,
    struct plan *plan)
{
	struct outlet *o, *next;
	struct guest *g;

	for (o = TAILQ_FIRST(&s->outlets); o != NULL; o = next) {
		next = TAILQ_NEXT(o, entry);
		if (plan_successor(config, o) != NULL)
			continue;
		log_about(LOG_LEVEL_INFO, o->subject,
		    "removed, or to be elsewhere: its clients are cut off");
		hand_on(o, config, plan);
		service_outlet_free(s, o, clock_now() + REMOVAL_TIME);
	}
	TAILQ_FOREACH(g, &s->guests, entry) {
		drop_egd(g, config, plan);
		drop_listener(g, config);
	}
}

/* Starts a new outlet, whose socket may be made only now. */
static int
begin(struct outlet *o, struct listener *made)
{
	if (made->fd == -1 && outlet_socket_listen(made, &o->config) == -1)
		return -1;
	if (made->path != NULL)
		listener_protect(made, &o->config.rights);
	if (o->config.socket.passed)
		outlet_socket_place(&o->config, made->fd);
	return outlet_start(o, made);
}

static int
apply_outlet(struct service *s, const struct config_outlet *co,
    struct listener *made)
{
	struct service_pool *p = service_find_pool(s, co->pool->name);
	struct alloc_node *parent = &p->pool.alloc.root;
	struct service_class *c = NULL;
	struct outlet *o = service_find_outlet(s, co->kind, co->name);

	if (co->class != NULL) {
		c = service_find_class(p, co->class->name);
		parent = &c->node;
	}
	if (o != NULL) {
		consumer_change(o->pool, &o->consumer, parent, &co->share,
		    &co->delivery);
		outlet_change(o, co);
	} else if (co->socket.passed && made->fd == -1)
		return 0;
	else {
		o = service_outlet_new(s, co, &p->pool, parent);
		if (begin(o, made) == -1) {
			/* The next reload tries again. */
			service_outlet_free(s, o, clock_now());
			return -1;
		}
	}
	o->own_subject.class = c == NULL ? NULL : c->name;
	outlet_accept_writes(o, co->pool->accept_writes);
	return 0;
}

int
service_outlets_apply(struct service *s, const struct config *config,
    struct plan *plan)
{
	const struct config_outlet *co;
	size_t i = 0;
	int r = 0;

	TAILQ_FOREACH(co, &config->outlets, entry)
		if (apply_outlet(s, co, &plan->outlets[i++]) == -1)
			r = -1;
	return r;
}

int
service_egd_apply(struct guest *g, const struct config_guest *cg,
    struct listener *made)
{
	struct config_outlet co;

	if (cg->egd == NULL)
		return 0;
	plan_egd(&co, cg);
	if (g->egd != NULL)
		outlet_change(g->egd, &co);
	else {
		guest_add_egd(g, &co);
		if (begin(g->egd, made) == -1) {
			guest_remove_egd(g, clock_now());
			return -1;
		}
	}
	outlet_accept_writes(g->egd, cg->pool->accept_writes);
	return 0;
}
