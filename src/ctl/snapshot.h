/*
 * What the daemon told of itself at one moment.
 */
#ifndef VRNGCTL_SNAPSHOT_H
#define VRNGCTL_SNAPSHOT_H

#include <stddef.h>

#include "ctl/connect.h"

/* A service or a guest's EGD socket, and those of its clients that were told. */
struct snapshot_service {
	struct control_outlet outlet;
	size_t first; /* of them, in the snapshot's clients */
	size_t nclients;
};

/* Allocated arrays, each in the order in which the daemon told them. */
struct snapshot {
	struct control_pool *pools;
	size_t npools;
	struct control_source *sources;
	size_t nsources;
	struct control_class *classes; /* before those within them */
	size_t nclasses;
	struct control_guest *guests;
	size_t nguests;
	struct snapshot_service *services;
	size_t nservices;
	struct control_outlet_client *clients;
	size_t nclients;
	uint32_t last; /* enum control_kind of the last reply */
};

/*
 * Asks the daemon at `path`.  Returns 0 and the snapshot, to be freed with
 * snapshot_free(), or -1 with the reason and nothing to be freed.
 */
int snapshot_take(struct snapshot *, const char *path, struct failure *);

void snapshot_free(struct snapshot *);

/* How well a pool is supplied. */
enum supply {
	SUPPLY_FULL,	 /* from the sources that it is meant to be */
	SUPPLY_FALLBACK, /* from a later one, or not from all of them */
	SUPPLY_NONE,	 /* from none */
};

enum supply snapshot_supply(const struct snapshot *,
    const struct control_pool *);

/*
 * The guest of that name; or NULL, with the reason and the names that there
 * are.
 */
const struct control_guest *snapshot_guest(const struct snapshot *,
    const char *name, struct failure *);

/*
 * The service of that name, which may be "egd:NAME" or "stream:NAME" where one
 * of each has it; or NULL, likewise.
 */
const struct control_outlet *snapshot_service(const struct snapshot *,
    const char *name, struct failure *);

/* A guest's EGD socket; NULL if nothing was told of it. */
const struct control_outlet *snapshot_guest_egd(const struct snapshot *,
    const struct control_guest *);

#endif
