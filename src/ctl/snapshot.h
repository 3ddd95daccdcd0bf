/*
 * The status of the daemon at one moment: a JSON object with an array "pools"
 * of objects, each with arrays "sources", "classes", "guests" and "services".
 */
#ifndef VRNGCTL_SNAPSHOT_H
#define VRNGCTL_SNAPSHOT_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ctl/connect.h"

/*
 * Queries the daemon at `path`.  Returns the status, which the caller frees
 * with json_object_put(), or NULL with the reason.
 */
struct json_object *snapshot_take(const char *path, struct failure *);

/*
 * Queries the daemon, and prints the status as JSON for people.  Returns 0, or
 * -1 with the reason.  And prints a part of a status.
 */
int snapshot_print(const char *path, struct failure *);
void snapshot_print_json(struct json_object *);

/* Parses a reply of the daemon; NULL if it is not JSON, or not UTF-8. */
struct json_object *snapshot_parse(const char *text);

/*
 * The value of a key of an object.  A value that is missing, null, or of
 * another type reads as "", 0, false, or an empty array.
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

/* The sources that a pool serves from. */
enum supply {
	SUPPLY_FULL,	 /* the first one, or all that it combines */
	SUPPLY_FALLBACK, /* a later one, or only some of them */
	SUPPLY_NONE,	 /* none */
};

enum supply snapshot_supply(struct json_object *pool);

/* Whether a service is the EGD socket of a guest. */
bool snapshot_is_guests(struct json_object *service);

/*
 * Finds a guest or service by name, in the lists "guests" or "services" of all
 * pools.  "egd:NAME" or "stream:NAME" selects one of two services with the same
 * name.  Returns NULL with the reason and the existing names if there is none.
 */
struct json_object *snapshot_find(struct json_object *, const char *list,
    const char *name, struct failure *);

/* Finds a guest of that name or, if there is none, a service. */
struct json_object *snapshot_find_any(struct json_object *, const char *name,
    struct failure *);

#endif
