/*
 * Sets up a pool's sources from its configuration.  Used by pool.c.
 */
#include <string.h>

#include "common/log.h"
#include "parent/pool/pool_setup.h"

/* The source that differs only by its number, or NULL. */
static struct pool_source *
find_same(const struct pool_setup *setup, const struct config_source *cs)
{
	struct config_source other;
	struct pool_source *s;

	TAILQ_FOREACH(s, &setup->sources, entry) {
		other = *s->config;
		other.spec.number = cs->spec.number;
		if (config_source_equal(&other, cs))
			break;
	}
	return s;
}

/* The source that keeps the socket or file which this one needs, or NULL. */
static struct pool_source *
find_keeper(const struct pool_setup *setup, const struct config_source *cs)
{
	struct pool_source *s;

	TAILQ_FOREACH(s, &setup->sources, entry)
		if (source_shares_kept(s->config, cs))
			break;
	return s;
}

static struct proto_pool
spec_of(const struct config_pool *cp)
{
	const struct config_source *cs;
	struct proto_pool spec = {
		.combine = cp->combine,
		.min_sources = cp->min_sources,
		.stock = cp->stock,
	};

	TAILQ_FOREACH(cs, &cp->sources, entry)
		spec.nsources++;
	return spec;
}

int
pool_setup_make(struct pool_setup *setup, const char *name,
    const struct config_pool *cp, const struct pool_setup *now, bool may_wait,
    struct process *entropy, struct process_env *env)
{
	const struct config_source *cs;
	struct pool_source *s, *same;
	bool any = false;

	setup->spec = spec_of(cp);
	TAILQ_INIT(&setup->sources);
	TAILQ_FOREACH(cs, &cp->sources, entry) {
		same = find_same(now, cs);
		s = pool_source_new(cs, name, entropy, env,
		    same == NULL && find_keeper(now, cs) == NULL);
		if (s == NULL)
			goto fail;
		TAILQ_INSERT_TAIL(&setup->sources, s, entry);
		any = same != NULL || pool_source_try(s, may_wait) || any;
	}
	if (any)
		return 0;
	if (setup->spec.nsources > 1)
		log_error("pool %s: cannot open any of its sources", name);
fail:
	pool_setup_free(setup);
	return -1;
}

void
pool_setup_free(struct pool_setup *setup)
{
	struct pool_source *s;

	while ((s = TAILQ_FIRST(&setup->sources)) != NULL) {
		TAILQ_REMOVE(&setup->sources, s, entry);
		pool_source_free(s);
	}
}

bool
pool_setup_differs(const struct pool_setup *setup, const struct config_pool *cp)
{
	const struct config_source *cs = TAILQ_FIRST(&cp->sources);
	const struct proto_pool spec = spec_of(cp);
	const struct pool_source *s;

	if (memcmp(&spec, &setup->spec, sizeof(spec)) != 0)
		return true;
	TAILQ_FOREACH(s, &setup->sources, entry) {
		if (!config_source_equal(s->config, cs))
			return true;
		cs = TAILQ_NEXT(cs, entry);
	}
	return false;
}

void
pool_setup_replace(struct pool_setup *now, struct pool_setup *made)
{
	struct pool_source *s, *next, *same, *keeper;

	for (s = TAILQ_FIRST(&made->sources); s != NULL; s = next) {
		next = TAILQ_NEXT(s, entry);
		if ((same = find_same(now, s->config)) == NULL) {
			if ((keeper = find_keeper(now, s->config)) != NULL)
				pool_source_inherit(s, keeper);
			continue;
		}
		TAILQ_REMOVE(&now->sources, same, entry);
		TAILQ_INSERT_BEFORE(s, same, entry);
		same->config->spec.number = s->config->spec.number;
		TAILQ_REMOVE(&made->sources, s, entry);
		pool_source_free(s);
	}
	pool_setup_free(now);
	TAILQ_CONCAT(&now->sources, &made->sources, entry);
	now->spec = made->spec;
}

void
pool_setup_describe(struct pool_setup *setup, const struct config_pool *cp)
{
	const struct config_source *cs = TAILQ_FIRST(&cp->sources);
	struct pool_source *s;

	for (s = TAILQ_FIRST(&setup->sources); s != NULL && cs != NULL;
	     s = TAILQ_NEXT(s, entry), cs = TAILQ_NEXT(cs, entry))
		s->config->socket.confidential = cs->socket.confidential;
}
