/*
 * The handlers of requests on the control socket.  Used by main.c, called by
 * control.c.
 */
#include <errno.h>
#include <string.h>

#include "parent/host/event.h"
#include "parent/state/adopt.h"
#include "parent/control/commands.h"

static void
say_line(void *arg, const char *text)
{
	control_say(arg, "%s", text);
}

static int
reload(struct control_answer *answer, bool dry_run, struct commands *sc)
{
	enum reload_result r =
	    sc->reload(sc->reload_arg, dry_run, say_line, answer);

	if (r == RELOAD_DONE)
		return 0;
	if (dry_run)
		control_say(answer, "a reload would be rejected");
	else if (r == RELOAD_PARTLY)
		control_say(answer,
		    "partially applied: see the log for errors");
	else
		control_say(answer,
		    "rejected, keeping the running "
		    "configuration: see the log");
	return EINVAL;
}

/* Reports in the answer and the log why a guest was not added or changed. */
static void
reject(struct control_answer *answer, const struct control_request *req,
    const char *why)
{
	const struct log_subject guest = {
		.kind = "guest",
		.name = req->name,
		.pool = req->pool[0] == '\0' ? NULL : req->pool,
		.class = req->class[0] == '\0' ? NULL : req->class,
	};

	control_say(answer, "guest %s: %s", req->name, why);
	event_log(EVENT_GUEST_REJECTED, &guest,
	    LOG_FIELDS(LOG_TEXT("VRNGD_REASON", why)), "rejected: %s", why);
}

/*
 * Adds a guest with a new listener or, to adopt it, with the passed one (fd).
 */
static int
guest_add(struct control_answer *answer, const struct control_request *req,
    int *fd, struct daemon *s)
{
	const struct adoption adoption = {
		.name = req->name,
		.pool = req->pool,
		.class = req->class,
		.fd = fd == NULL ? -1 : *fd,
	};
	const char *why = "not a listening unix stream socket, or more than "
			  "one descriptor";
	int error = EINVAL;

	if (fd == NULL && req->directory != 0 &&
	    req->directory != control_directory(req->socket)) {
		why = "vrngd does not see the directory of its socket as "
		      "vrngctl does (PrivateTmp, ProtectHome): use /run/vrngd";
	} else if (fd == NULL) {
		error = adopt_add(s, req->name, req->socket, req->pool,
		    req->class, &why);
	} else if (*fd != -1) {
		*fd = -1;
		error = adopt_guest(s, &adoption, &why);
	}
	if (error != 0)
		reject(answer, req, why);
	return error;
}

static int
guest_remove(struct control_answer *answer, const char *name, struct daemon *s)
{
	if (adopt_remove(s, name) == 0)
		return 0;
	control_say(answer, "unknown guest %s", name);
	return ENOENT;
}

/*
 * Finds a source by name, in a pool or ("") in any pool.  Reports an unknown or
 * ambiguous name.
 */
static struct pool_source *
find_source(struct control_answer *answer, const char *name, const char *pool,
    struct daemon *daemon)
{
	struct pool_source *s, *found = NULL;
	struct daemon_pool *p;
	size_t n = 0;

	TAILQ_FOREACH(p, &daemon->pools, entry)
		TAILQ_FOREACH(s, &p->pool.setup.sources, entry)
			if ((pool[0] == '\0' || strcmp(pool, p->name) == 0) &&
			    strcmp(s->config->spec.name, name) == 0) {
				found = s;
				n++;
			}
	if (n == 1)
		return found;
	if (n == 0)
		control_say(answer, "unknown source %s%s%s", name,
		    pool[0] == '\0' ? "" : " in pool ", pool);
	else
		control_say(answer,
		    "ambiguous source %s in %zu pools: use --pool", name, n);
	return NULL;
}

static int
source_retest(struct control_answer *answer, const struct control_request *req,
    struct daemon *s)
{
	struct pool_source *source;
	const char *why;

	source = find_source(answer, req->name, req->pool, s);
	if (source == NULL)
		return ENOENT;
	if (pool_source_retest(source, &why) == 0)
		return 0;
	control_say(answer, "source %s: %s", req->name, why);
	return EINVAL;
}

static int
handle(struct control_answer *answer, const struct control_request *req,
    int *fd, void *arg)
{
	struct commands *sc = arg;

	switch (req->command) {
	case CONTROL_RELOAD:
	case CONTROL_RELOAD_DRY_RUN:
		return reload(answer, req->command == CONTROL_RELOAD_DRY_RUN,
		    sc);
	case CONTROL_GUEST_ADD:
		return guest_add(answer, req, NULL, sc->daemon);
	case CONTROL_GUEST_ADOPT:
		return guest_add(answer, req, fd, sc->daemon);
	case CONTROL_GUEST_REMOVE:
		return guest_remove(answer, req->name, sc->daemon);
	case CONTROL_GUEST_RELEASE:
		adopt_release(sc->daemon, req->name);
		return 0;
	case CONTROL_SOURCE_RETEST:
		return source_retest(answer, req, sc->daemon);
	case CONTROL_LOG_LEVEL:
		log_set_level((enum log_level)req->log_level);
		sc->daemon->env->log_level = (enum log_level)req->log_level;
		return 0;
	}
	return EINVAL;
}

int
commands_open(struct commands *sc, struct daemon *s, const char *path,
    uid_t owner, commands_reload *reload_config, void *reload_arg)
{
	*sc = (struct commands){
		.daemon = s,
		.reload = reload_config,
		.reload_arg = reload_arg,
	};
	return control_open(&sc->control, s->env->event, path, owner, handle,
	    sc);
}

int
commands_bind_again(struct commands *sc)
{
	return control_bind_again(&sc->control);
}

void
commands_close(struct commands *sc)
{
	control_close(&sc->control);
}
