/*
 * The status of the daemon at one moment, as it came: a JSON object, with an
 * array "pools" of objects, each with its arrays "sources", "classes", "guests"
 * and "services".
 */
#ifndef VRNGCTL_SNAPSHOT_H
#define VRNGCTL_SNAPSHOT_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ctl/connect.h"

/*
 * Asks the daemon at `path`.  Returns the status, to be given back with
 * json_object_put(), or NULL with the reason.
 */
struct json_object *snapshot_take(const char *path, struct failure *);

/*
 * The value of a key of an object; what is missing, null, or of another type is
 * "", 0, false, or an empty array.
 */
const char *snapshot_text(struct json_object *, const char *key);
uint64_t snapshot_number(struct json_object *, const char *key);
bool snapshot_bool(struct json_object *, const char *key);
struct json_object *snapshot_object(struct json_object *, const char *key);
size_t snapshot_length(struct json_object *, const char *key);
struct json_object *snapshot_item(struct json_object *, const char *key,
    size_t i);

/* For each `item` of an array that is the value of a key. */
#define SNAPSHOT_FOREACH(item, object, key) \
	for (size_t item##_i = 0; \
	     ((item) = snapshot_item(object, key, item##_i)) != NULL; \
	     item##_i++)

/* How well a pool is supplied. */
enum supply {
	SUPPLY_FULL,	 /* from the sources that it is meant to be */
	SUPPLY_FALLBACK, /* from a later one, or not from all of them */
	SUPPLY_NONE,	 /* from none */
};

enum supply snapshot_supply(struct json_object *pool);

/* Whether a service is the EGD socket of a guest. */
bool snapshot_is_guests(struct json_object *service);

/*
 * The one of that name in one of the lists of pools, "guests" or "services";
 * a service's name may be "egd:NAME" or "stream:NAME", where one of each has it.
 * Or NULL, with the reason and names that there are.
 */
struct json_object *snapshot_find(struct json_object *, const char *list,
    const char *name, struct failure *);

#endif
