/*
 * Opens what a new configuration needs before anything is changed.  Used by
 * service.c.
 */
#include <sys/socket.h>

#include <bsd/string.h>
#include <stdlib.h>

#include "common/log.h"
#include "parent/endpoint/outlet_socket.h"
#include "parent/state/service_plan.h"

const struct config_outlet *
plan_successor(const struct config *config, const struct outlet *o)
{
	const struct config_outlet *co;

	TAILQ_FOREACH(co, &config->outlets, entry)
		if (co->kind == o->config.kind &&
		    strcmp(co->name, o->name) == 0 &&
		    strcmp(co->pool->name, o->pool->name) == 0 &&
		    config_outlet_same_place(co, &o->config))
			break;
	return co;
}

static void
drop_listeners(struct service *s, struct listener *listeners, size_t n)
{
	for (size_t i = 0; i < n; i++)
		listener_close(&listeners[i], s->env->event);
	free(listeners);
}

void
plan_drop(struct service *s, struct plan *plan)
{
	struct service_pool *p;
	struct plan_setup *ps;

	while ((ps = TAILQ_FIRST(&plan->setups)) != NULL) {
		TAILQ_REMOVE(&plan->setups, ps, entry);
		pool_setup_free(&ps->setup);
		free(ps);
	}
	while ((p = TAILQ_FIRST(&plan->pools)) != NULL) {
		TAILQ_REMOVE(&plan->pools, p, entry);
		service_pool_free(p, clock_now());
	}
	drop_listeners(s, plan->listeners, plan->nlisteners);
	drop_listeners(s, plan->egds, plan->negds);
	drop_listeners(s, plan->outlets, plan->noutlets);
}

/* Makes what sources a pool is to have, other than now. */
static int
plan_setup(struct plan *plan, struct pool *pool, const struct config_pool *cp)
{
	struct plan_setup *ps;

	if (!pool_setup_differs(&pool->setup, cp))
		return 0;
	ps = service_must(calloc(1, sizeof(*ps)));
	ps->pool = pool;
	if (pool_setup_make(&ps->setup, pool->name, cp, &pool->setup,
		&pool->entropy, pool->env) == -1) {
		free(ps);
		return -1;
	}
	TAILQ_INSERT_TAIL(&plan->setups, ps, entry);
	return 0;
}

static int
plan_pools(struct service *s, const struct config *config, struct plan *plan)
{
	const struct config_pool *cp;
	struct service_pool *p;

	TAILQ_FOREACH(cp, &config->pools, entry) {
		if ((p = service_find_pool(s, cp->name)) != NULL) {
			if (plan_setup(plan, &p->pool, cp) == -1)
				return -1;
			continue;
		}
		if ((p = service_pool_new(s, cp)) == NULL)
			return -1;
		TAILQ_INSERT_TAIL(&plan->pools, p, entry);
		if (pool_start(&p->pool) == -1)
			return -1;
	}
	return 0;
}

int
plan_listener(struct listener *l, const struct config_guest *cg)
{
	return listener_open(l, cg->socket.where, SOCK_STREAM, &cg->rights);
}

static int
plan_listeners(struct service *s, const struct config *config,
    struct plan *plan)
{
	const struct config_guest *cg;
	size_t n = 0;

	TAILQ_FOREACH(cg, &config->guests, entry)
		n++;
	plan->listeners = service_must(calloc(n + 1, sizeof(*plan->listeners)));
	TAILQ_FOREACH(cg, &config->guests, entry) {
		struct listener *l = &plan->listeners[plan->nlisteners++];

		l->fd = -1;
		if (cg->socket.where != NULL &&
		    !service_holds(s, cg->socket.where) &&
		    plan_listener(l, cg) == -1)
			return -1;
	}
	return 0;
}

void
plan_egd(struct config_outlet *co, const struct config_guest *cg)
{
	*co = (struct config_outlet){
		.kind = CONFIG_OUTLET_EGD,
		.socket = { .transport = CONFIG_UNIX, .where = cg->egd },
		.rights = cg->rights,
		.max_clients = CONFIG_GUEST_CLIENTS,
	};
	strlcpy(co->name, cg->name, sizeof(co->name));
}

/* Whether an outlet that will be gone has that port, of whatever address. */
static bool
port_becomes_free(struct service *s, const struct config *config,
    const struct config_outlet *co)
{
	const struct outlet *o;

	if (co->socket.transport == CONFIG_UNIX)
		return false;
	TAILQ_FOREACH(o, &s->outlets, entry)
		if (!o->config.connect && !o->config.socket.passed &&
		    o->config.socket.transport == co->socket.transport &&
		    o->config.socket.port == co->socket.port &&
		    plan_successor(config, o) == NULL)
			return true;
	return false;
}

/*
 * The socket of an outlet that systemd passed, unless it is served already.  If
 * there is none the rest goes on without.
 */
static int
plan_passed(struct service *s, const struct config *config,
    const struct config_outlet *co, struct listener *l)
{
	bool egd = co->kind == CONFIG_OUTLET_EGD;
	const char *word = egd ? "egd" : "stream";
	const struct outlet *o = service_find_outlet(s, co->kind, co->name);
	int fd;

	if (o != NULL && plan_successor(config, o) == co)
		return 0;
	fd =
	    passed_find(&s->passed, egd ? PASSED_EGD : PASSED_STREAM, co->name);
	if (fd == -1)
		log_error("%s %s: systemd has passed no socket named %s-%s: "
			  "have its unit started, and vrngd again",
		    word, co->name, word, co->name);
	else if (outlet_socket_pass(l, co, fd) == -1)
		log_error("%s %s: the socket that systemd has passed is not "
			  "of the kind that is configured",
		    word, co->name);
	return 0;
}

/* The socket of an outlet, unless it can be made only later. */
static int
plan_outlet(struct service *s, const struct config *config,
    const struct config_outlet *co, struct listener *l)
{
	struct config_outlet elsewhere = *co;
	char text[CONFIG_WHERE_SIZE];
	int r;

	l->fd = -1;
	if (co->socket.passed)
		return plan_passed(s, config, co, l);
	if (service_holds(s,
		config_socket_text(&co->socket, text, sizeof(text))))
		return 0;
	if (!port_becomes_free(s, config, co))
		return outlet_socket_listen(l, co);
	/* Whether there is such an address can be told by any port. */
	elsewhere.socket.port = 0;
	r = outlet_socket_listen(l, &elsewhere);
	listener_close(l, s->env->event);
	return r;
}

static int
plan_outlets(struct service *s, const struct config *config, struct plan *plan)
{
	const struct config_guest *cg;
	const struct config_outlet *co;
	struct config_outlet egd;
	size_t n = 0;

	TAILQ_FOREACH(co, &config->outlets, entry)
		n++;
	plan->outlets = service_must(calloc(n + 1, sizeof(*plan->outlets)));
	TAILQ_FOREACH(co, &config->outlets, entry)
		if (plan_outlet(s, config, co,
			&plan->outlets[plan->noutlets++]) == -1)
			return -1;
	plan->egds =
	    service_must(calloc(plan->nlisteners + 1, sizeof(*plan->egds)));
	TAILQ_FOREACH(cg, &config->guests, entry) {
		struct listener *l = &plan->egds[plan->negds++];

		l->fd = -1;
		plan_egd(&egd, cg);
		if (cg->egd != NULL && plan_outlet(s, config, &egd, l) == -1)
			return -1;
	}
	return 0;
}

int
plan_make(struct service *s, const struct config *config, struct plan *plan)
{
	*plan = (struct plan){ .nlisteners = 0 };
	TAILQ_INIT(&plan->pools);
	TAILQ_INIT(&plan->setups);
	if (plan_pools(s, config, plan) == -1)
		return -1;
	if (plan_listeners(s, config, plan) == -1)
		return -1;
	return plan_outlets(s, config, plan);
}
