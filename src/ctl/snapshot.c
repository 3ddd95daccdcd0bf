#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/format.h"
#include "ctl/snapshot.h"

#define NAMES_SHOWN 10

/* Adds an item of `size` bytes to an array of `*n`, which may move. */
static void *
add(void *array, size_t *n, const void *item, size_t size)
{
	/* Room doubles: at each power of two it is used up. */
	if ((*n & (*n - 1)) == 0 &&
	    (array = reallocarray(array, *n == 0 ? 1 : *n * 2, size)) == NULL)
		err(EXIT_REFUSED, "the daemon's answer");
	memcpy((char *)array + *n * size, item, size);
	++*n;
	return array;
}

static void
add_service(struct snapshot *snap, const struct control_outlet *outlet)
{
	const struct snapshot_service service = {
		.outlet = *outlet,
		.first = snap->nclients,
	};

	snap->services =
	    add(snap->services, &snap->nservices, &service, sizeof(service));
}

/* Returns false unless its service is known, and has no more than it may. */
static bool
add_client(struct snapshot *snap, const struct control_outlet_client *client)
{
	struct snapshot_service *service;

	if (snap->last != CONTROL_OUTLET && snap->last != CONTROL_CLIENT)
		return false;
	service = &snap->services[snap->nservices - 1];
	if (service->nclients == CLIENTS_MAX)
		return false;
	service->nclients++;
	snap->clients =
	    add(snap->clients, &snap->nclients, client, sizeof(*client));
	return true;
}

static bool
take_reply(void *arg, const struct control_reply *r)
{
	struct snapshot *snap = arg;

	switch (r->kind) {
	case CONTROL_POOL:
		snap->pools = add(snap->pools, &snap->npools, &r->u.pool,
		    sizeof(r->u.pool));
		break;
	case CONTROL_SOURCE:
		snap->sources = add(snap->sources, &snap->nsources,
		    &r->u.source, sizeof(r->u.source));
		break;
	case CONTROL_CLASS:
		snap->classes = add(snap->classes, &snap->nclasses, &r->u.class,
		    sizeof(r->u.class));
		break;
	case CONTROL_GUEST:
		snap->guests = add(snap->guests, &snap->nguests, &r->u.guest,
		    sizeof(r->u.guest));
		break;
	case CONTROL_OUTLET:
		add_service(snap, &r->u.outlet);
		break;
	case CONTROL_CLIENT:
		if (!add_client(snap, &r->u.client))
			return false;
		break;
	}
	snap->last = r->kind;
	return true;
}

int
snapshot_take(struct snapshot *snap, const char *path, struct failure *why)
{
	const struct control_request req = connect_request(CONTROL_STATUS);

	*snap = (struct snapshot){ 0 };
	if (connect_ask(path, &req, -1, take_reply, snap, why) == -1) {
		snapshot_free(snap);
		return -1;
	}
	return 0;
}

void
snapshot_free(struct snapshot *snap)
{
	free(snap->pools);
	free(snap->sources);
	free(snap->classes);
	free(snap->guests);
	free(snap->services);
	free(snap->clients);
	*snap = (struct snapshot){ 0 };
}

enum supply
snapshot_supply(const struct snapshot *snap, const struct control_pool *pool)
{
	const struct control_source *first = NULL;

	for (size_t i = 0; i < snap->nsources && first == NULL; i++)
		if (strcmp(snap->sources[i].pool, pool->name) == 0)
			first = &snap->sources[i];
	if (pool->serving == 0 || first == NULL)
		return SUPPLY_NONE;
	if (pool->combine == COMBINE_FIRST)
		return first->serving != 0 ? SUPPLY_FULL : SUPPLY_FALLBACK;
	return pool->serving >= pool->nsources ? SUPPLY_FULL : SUPPLY_FALLBACK;
}

/* There is nothing of that name: says which names there are, some of them. */
static void
fail_name(struct failure *why, const char *what, const char *name,
    const char *const *names, size_t nnames)
{
	char *known = NULL;
	size_t size = 0;
	FILE *stream;

	if ((stream = open_memstream(&known, &size)) == NULL)
		err(EXIT_REFUSED, NULL);
	for (size_t i = 0; i < nnames && i < NAMES_SHOWN; i++)
		fprintf(stream, "%s %s", i == 0 ? ": there are" : ",",
		    names[i]);
	if (nnames > NAMES_SHOWN)
		fprintf(stream, " and %zu more", nnames - NAMES_SHOWN);
	if (fclose(stream) == EOF)
		err(EXIT_REFUSED, NULL);
	fail(why, EXIT_REFUSED, "no %s is called %s%s", what, name, known);
	free(known);
}

const struct control_guest *
snapshot_guest(const struct snapshot *snap, const char *name,
    struct failure *why)
{
	const char *names[NAMES_SHOWN];

	for (size_t i = 0; i < snap->nguests; i++) {
		if (strcmp(snap->guests[i].name, name) == 0)
			return &snap->guests[i];
		if (i < NAMES_SHOWN)
			names[i] = snap->guests[i].name;
	}
	fail_name(why, "guest", name, names, snap->nguests);
	return NULL;
}

/* Takes the kind off the beginning of a name; CONTROL_OUTLET_KINDS: any. */
static uint32_t
split_kind(const char **name)
{
	const uint32_t kinds[] = { CONTROL_OUTLET_EGD, CONTROL_OUTLET_STREAM };
	size_t len;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		len = strlen(format_outlet_kind(kinds[i]));
		if (strncmp(*name, format_outlet_kind(kinds[i]), len) == 0 &&
		    (*name)[len] == ':') {
			*name += len + 1;
			return kinds[i];
		}
	}
	return CONTROL_OUTLET_KINDS;
}

const struct control_outlet *
snapshot_service(const struct snapshot *snap, const char *name,
    struct failure *why)
{
	const struct control_outlet *found = NULL, *o;
	const char *names[NAMES_SHOWN], *alone = name;
	uint32_t kind = split_kind(&alone);
	size_t nnames = 0;

	for (size_t i = 0; i < snap->nservices; i++) {
		o = &snap->services[i].outlet;
		if (o->kind == CONTROL_OUTLET_GUEST)
			continue;
		if (nnames++ < NAMES_SHOWN)
			names[nnames - 1] = o->name;
		if (strcmp(o->name, alone) != 0 ||
		    (kind != CONTROL_OUTLET_KINDS && o->kind != kind))
			continue;
		if (found != NULL && kind == CONTROL_OUTLET_KINDS) {
			fail(why, EXIT_REFUSED,
			    "there is an egd and a stream called %s: say "
			    "egd:%s or stream:%s",
			    name, name, name);
			return NULL;
		}
		if (found == NULL)
			found = o;
	}
	if (found == NULL)
		fail_name(why, "service", name, names, nnames);
	return found;
}

const struct control_outlet *
snapshot_guest_egd(const struct snapshot *snap,
    const struct control_guest *guest)
{
	const struct control_outlet *o;

	for (size_t i = 0; i < snap->nservices; i++) {
		o = &snap->services[i].outlet;
		if (o->kind == CONTROL_OUTLET_GUEST &&
		    strcmp(o->name, guest->name) == 0 &&
		    strcmp(o->pool, guest->pool) == 0)
			return o;
	}
	return NULL;
}
