#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "snapshot.h"

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
	}
}

int
snapshot_take(struct snapshot *snap, const char *path, struct failure *why)
{
	const struct control_request req = connect_request(CONTROL_STATUS);

	*snap = (struct snapshot){ 0 };
	if (connect_ask(path, &req, take_reply, snap, why) == -1) {
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

const struct control_guest *
snapshot_guest(const struct snapshot *snap, const char *name,
    struct failure *why)
{
	char *known = NULL;
	size_t size = 0;
	FILE *stream;

	for (size_t i = 0; i < snap->nguests; i++)
		if (strcmp(snap->guests[i].name, name) == 0)
			return &snap->guests[i];
	if ((stream = open_memstream(&known, &size)) == NULL)
		err(EXIT_REFUSED, NULL);
	for (size_t i = 0; i < snap->nguests && i < NAMES_SHOWN; i++)
		fprintf(stream, "%s %s", i == 0 ? ": there are" : ",",
		    snap->guests[i].name);
	if (snap->nguests > NAMES_SHOWN)
		fprintf(stream, " and %zu more", snap->nguests - NAMES_SHOWN);
	if (fclose(stream) == EOF)
		err(EXIT_REFUSED, NULL);
	fail(why, EXIT_REFUSED, "no guest is called %s%s", name, known);
	free(known);
	return NULL;
}
