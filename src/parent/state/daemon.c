/*
 * Finds pools, classes, guests and services by their names and places.  Used by
 * the other files of this room, and by the control socket and the status.
 */
#include <string.h>

#include "common/log.h"
#include "parent/state/daemon.h"

void *
service_must(void *p)
{
	if (p == NULL)
		log_fatal("no memory for the configuration");
	return p;
}

struct service_pool *
service_find_pool(struct service *s, const char *name)
{
	struct service_pool *p;

	TAILQ_FOREACH(p, &s->pools, entry)
		if (strcmp(p->name, name) == 0)
			break;
	return p;
}

struct service_class *
service_find_class(struct service_pool *p, const char *name)
{
	struct service_class *c;

	TAILQ_FOREACH(c, &p->classes, entry)
		if (strcmp(c->name, name) == 0)
			break;
	return c;
}

const struct service_class *
service_class_of(const struct service_pool *p, const struct alloc_node *node)
{
	const struct service_class *c;

	TAILQ_FOREACH(c, &p->classes, entry)
		if (&c->node == node)
			break;
	return c;
}

struct guest *
service_find_guest(struct service *s, const char *name)
{
	struct guest *g;

	TAILQ_FOREACH(g, &s->guests, entry)
		if (strcmp(g->name, name) == 0)
			break;
	return g;
}

/* The guest that listens at `path`, or NULL. */
struct guest *
service_find_listener(struct service *s, const char *path)
{
	struct guest *g;

	TAILQ_FOREACH(g, &s->guests, entry)
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): not in the list */
		if (g->listener.path != NULL &&
		    strcmp(g->listener.path, path) == 0)
			break;
	return g;
}

struct outlet *
service_find_outlet(struct service *s, enum config_outlet_kind kind,
    const char *name)
{
	struct outlet *o;

	TAILQ_FOREACH(o, &s->outlets, entry)
		if (o->config.kind == kind && strcmp(o->name, name) == 0)
			break;
	return o;
}

static bool
outlet_holds(const struct outlet *o, const char *where)
{
	char text[CONFIG_WHERE_SIZE];

	return o->listener.fd != -1 &&
	    strcmp(config_socket_text(&o->config.socket, text, sizeof(text)),
		where) == 0;
}

bool
service_holds(struct service *s, const char *where)
{
	const struct outlet *o;
	const struct guest *g;

	if (service_find_listener(s, where) != NULL)
		return true;
	TAILQ_FOREACH(g, &s->guests, entry)
		if (g->egd != NULL && outlet_holds(g->egd, where))
			return true;
	TAILQ_FOREACH(o, &s->outlets, entry)
		if (outlet_holds(o, where))
			return true;
	return false;
}
