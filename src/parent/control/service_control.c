/*
 * What each request on the control socket does to the daemon.  Used by main.c,
 * called by control.c.
 */
#include <bsd/string.h>
#include <errno.h>
#include <string.h>

#include "common/log.h"
#include "parent/state/service_adopt.h"
#include "parent/control/service_control.h"

static void
say_mistake(void *arg, const char *text)
{
	control_say(arg, "%s", text);
}

static int
reload(struct control_answer *answer, void *arg)
{
	struct service_control *sc = arg;
	enum service_result r = sc->reload(sc->reload_arg, say_mistake, answer);

	if (r == SERVICE_DONE)
		return 0;
	if (r == SERVICE_PARTLY)
		control_say(answer, "the log says what could not be done");
	else
		control_say(answer,
		    "nothing was changed (the log may say more)");
	return EINVAL;
}

static int
guest_add(struct control_answer *answer, const struct control_guest_add *add,
    void *arg)
{
	struct service_control *sc = arg;
	const char *why = NULL;
	int error;

	error = service_add(sc->service, add->name, add->socket, add->pool,
	    add->class, &why);
	if (error != 0)
		control_say(answer, "guest %s: %s", add->name, why);
	return error;
}

static int
guest_adopt(struct control_answer *answer, const struct control_guest_add *add,
    void *arg)
{
	const struct service_adoption adoption = {
		.name = add->name,
		.pool = add->pool,
		.class = add->class,
		.fd = add->fd,
	};
	struct service_control *sc = arg;
	const char *why;
	int error;

	error = service_adopt(sc->service, &adoption, &why);
	if (error != 0)
		control_say(answer, "guest %s: %s", add->name, why);
	return error;
}

static int
guest_remove(struct control_answer *answer, const char *name, void *arg)
{
	struct service_control *sc = arg;

	if (service_remove(sc->service, name) == 0)
		return 0;
	control_say(answer, "there is no guest %s", name);
	return ENOENT;
}

/*
 * The source of that name, in that pool or ("") in any; says why there is
 * none, or which there are if that is not clear.
 */
static struct pool_source *
find_source(struct service_control *sc, struct control_answer *answer,
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
		control_say(answer, "there is no source %s%s%s", name,
		    pool[0] == '\0' ? "" : " in pool ", pool);
	else
		control_say(answer, "%zu pools have a source %s: name the pool",
		    n, name);
	return NULL;
}

static int
source_retest(struct control_answer *answer, const char *name, const char *pool,
    void *arg)
{
	struct pool_source *s = find_source(arg, answer, name, pool);
	const char *why;

	if (s == NULL)
		return ENOENT;
	if (pool_source_retest(s, &why) == 0)
		return 0;
	control_say(answer, "source %s: %s", name, why);
	return EINVAL;
}

static int
log_level(struct control_answer *answer, enum log_level level, void *arg)
{
	struct service_control *sc = arg;

	(void)answer;
	log_set_level(level);
	sc->service->env->log_level = level;
	return 0;
}

static const struct control_ops ops = {
	.reload = reload,
	.guest_add = guest_add,
	.guest_adopt = guest_adopt,
	.guest_remove = guest_remove,
	.source_retest = source_retest,
	.log_level = log_level,
};

int
service_control_open(struct service_control *sc, struct service *s,
    const char *path, uid_t owner, service_reload *reload_config,
    void *reload_arg)
{
	sd_event *event = s->env->event;

	*sc = (struct service_control){
		.service = s,
		.reload = reload_config,
		.reload_arg = reload_arg,
	};
	return control_open(&sc->control, event, path, owner, &ops, sc);
}

void
service_control_close(struct service_control *sc)
{
	control_close(&sc->control);
}
