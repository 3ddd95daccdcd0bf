/*
 * Fetches the status over Varlink, and looks up values in it.  Used by all
 * commands that show something.
 */
#include <sys/socket.h>

#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/pretty.h"
#include "ctl/snapshot.h"

#define CALL	    "{\"method\":\"io.vrngd.Status.Get\"}"
#define BEGIN	    "{\"parameters\":{\"status\":" /* of the answer */
#define END	    "}}"
#define NAMES_SHOWN 10
#define READ_SIZE   65536
#define ANSWER_MAX  (256 << 20) /* bytes */

/* Reads up to a NUL.  Returns what was read, allocated, or NULL. */
static char *
read_answer(int fd, const char *path, struct failure *why)
{
	size_t len = 0, room = 0;
	char *text = NULL, *more;
	ssize_t n;

	do {
		if (len == room) {
			room = room == 0 ? READ_SIZE : room * 2;
			if (room > ANSWER_MAX)
				errx(EXIT_REFUSED, "status is too long");
			if ((more = realloc(text, room)) == NULL)
				err(EXIT_REFUSED, NULL);
			text = more;
		}
		do {
			n = recv(fd, text + len, room - len, 0);
		} while (n == -1 && errno == EINTR);
		if (n <= 0) {
			connect_fail_read(path, n, why);
			free(text);
			return NULL;
		}
		len += (size_t)n;
	} while (text[len - 1] != '\0');
	return text;
}

struct json_object *
snapshot_parse(const char *text)
{
	struct json_tokener *tokener = json_tokener_new();
	struct json_object *reply;

	if (tokener == NULL)
		err(EXIT_REFUSED, NULL);
	json_tokener_set_flags(tokener, JSON_TOKENER_VALIDATE_UTF8);
	reply = json_tokener_parse_ex(tokener, text, -1);
	if (json_tokener_get_error(tokener) != json_tokener_success) {
		json_object_put(reply);
		reply = NULL;
	}
	json_tokener_free(tokener);
	return reply;
}

/* Queries the daemon.  Returns its answer, allocated, or NULL. */
static char *
query(const char *path, struct failure *why)
{
	int fd = connect_open(path, SOCK_STREAM, "--status", why);
	char *text;

	if (fd == -1)
		return NULL;
	/* An error here shows when the answer is read. */
	(void)send(fd, CALL, sizeof(CALL), MSG_NOSIGNAL);
	text = read_answer(fd, path, why);
	close(fd);
	return text;
}

static int
fail_invalid(const char *path, struct failure *why)
{
	return fail(why, EXIT_REFUSED, "invalid answer from the daemon at %s",
	    path);
}

/* The status in an answer, which is freed; NULL with the reason. */
static struct json_object *
status_of(char *text, const char *path, struct failure *why)
{
	struct json_object *reply = snapshot_parse(text), *status;

	free(text);
	status =
	    snapshot_object(snapshot_object(reply, "parameters"), "status");
	if (status != NULL)
		json_object_get(status);
	else if (snapshot_text(reply, "error")[0] != '\0')
		fail(why, EXIT_REFUSED, "the daemon rejected the request: %s",
		    snapshot_text(reply, "error"));
	else
		fail_invalid(path, why);
	json_object_put(reply);
	return status;
}

struct json_object *
snapshot_take(const char *path, struct failure *why)
{
	char *text = query(path, why);

	return text == NULL ? NULL : status_of(text, path, why);
}

/* Whether an answer is a status in its usual form. */
static bool
is_usual(const char *text, size_t size)
{
	return size >= sizeof(BEGIN) + sizeof(END) &&
	    memcmp(text, BEGIN, sizeof(BEGIN) - 1) == 0 &&
	    strcmp(text + size - (sizeof(END) - 1), END) == 0 &&
	    pretty_can(text, size);
}

int
snapshot_print(const char *path, struct failure *why)
{
	const size_t around = sizeof(BEGIN) - 1 + sizeof(END) - 1;
	char *text = query(path, why);
	struct json_object *status;
	size_t size;
	int r;

	if (text == NULL)
		return -1;
	size = strlen(text);
	if (is_usual(text, size)) {
		r = pretty_json(text + sizeof(BEGIN) - 1, size - around,
		    stdout);
		putchar('\n');
		free(text);
		return r == 0 ? 0 : fail_invalid(path, why);
	}
	if ((status = status_of(text, path, why)) == NULL)
		return -1;
	snapshot_print_json(status);
	json_object_put(status);
	return 0;
}

void
snapshot_print_json(struct json_object *o)
{
	puts(json_object_to_json_string_ext(o,
	    JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED |
		JSON_C_TO_STRING_NOSLASHESCAPE));
}

/* The value of a key, if it is of that type; else NULL. */
static struct json_object *
value_of(struct json_object *o, const char *key, enum json_type type)
{
	struct json_object *value;

	if (!json_object_is_type(o, json_type_object) ||
	    !json_object_object_get_ex(o, key, &value) ||
	    !json_object_is_type(value, type))
		return NULL;
	return value;
}

const char *
snapshot_text(struct json_object *o, const char *key)
{
	struct json_object *value = value_of(o, key, json_type_string);

	return value == NULL ? "" : json_object_get_string(value);
}

uint64_t
snapshot_number(struct json_object *o, const char *key)
{
	return json_object_get_uint64(value_of(o, key, json_type_int));
}

bool
snapshot_bool(struct json_object *o, const char *key)
{
	return json_object_get_boolean(value_of(o, key, json_type_boolean));
}

struct json_object *
snapshot_object(struct json_object *o, const char *key)
{
	return value_of(o, key, json_type_object);
}

size_t
snapshot_length(struct json_object *o, const char *key)
{
	struct json_object *array = value_of(o, key, json_type_array);

	return array == NULL ? 0 : json_object_array_length(array);
}

struct json_object *
snapshot_item(struct json_object *o, const char *key, size_t i)
{
	struct json_object *array = value_of(o, key, json_type_array);

	if (array == NULL || i >= json_object_array_length(array))
		return NULL;
	return json_object_array_get_idx(array, i);
}

enum supply
snapshot_supply(struct json_object *pool)
{
	struct json_object *first = snapshot_item(pool, "sources", 0);
	uint64_t serving = snapshot_number(pool, "sources_serving");

	if (serving == 0 || first == NULL)
		return SUPPLY_NONE;
	if (strcmp(snapshot_text(pool, "combine"), "first") == 0)
		return snapshot_bool(first, "serving") ? SUPPLY_FULL
						       : SUPPLY_FALLBACK;
	return serving >= snapshot_number(pool, "sources_total")
	    ? SUPPLY_FULL
	    : SUPPLY_FALLBACK;
}

bool
snapshot_is_guests(struct json_object *service)
{
	return strcmp(snapshot_text(service, "kind"), "guest") == 0;
}

/* Whether an object has this name, with or without its kind in front. */
static bool
is_called(struct json_object *o, const char *name)
{
	const char *kind = snapshot_text(o, "kind");
	size_t len = strlen(kind);

	if (len > 0 && strncmp(name, kind, len) == 0 && name[len] == ':')
		name += len + 1;
	return strcmp(snapshot_text(o, "name"), name) == 0;
}

struct json_object *
snapshot_find(struct json_object *status, const char *list, const char *name,
    struct failure *why)
{
	struct json_object *pool, *o, *found = NULL;
	bool twice = false;
	char *known = NULL;
	size_t size = 0, n = 0;
	FILE *f;

	if ((f = open_memstream(&known, &size)) == NULL)
		err(EXIT_REFUSED, NULL);
	SNAPSHOT_FOREACH(pool, status, "pools")
		SNAPSHOT_FOREACH(o, pool, list) {
			if (snapshot_is_guests(o))
				continue;
			if (n++ < NAMES_SHOWN)
				fprintf(f, "%s %s",
				    n == 1 ? " (there are" : ",",
				    snapshot_text(o, "name"));
			if (!is_called(o, name))
				continue;
			twice = found != NULL;
			found = o;
		}
	if (n > NAMES_SHOWN)
		fprintf(f, " and %zu more", n - NAMES_SHOWN);
	if (n > 0)
		fputc(')', f);
	if (fclose(f) == EOF)
		err(EXIT_REFUSED, NULL);
	if (twice)
		fail(why, EXIT_REFUSED,
		    "ambiguous service %s: use egd:%s or stream:%s", name, name,
		    name);
	else if (found == NULL)
		fail(why, EXIT_REFUSED, "unknown %.*s %s%s",
		    (int)strlen(list) - 1, list, name, known);
	free(known);
	return twice ? NULL : found;
}

struct json_object *
snapshot_find_any(struct json_object *status, const char *name,
    struct failure *why)
{
	struct json_object *pool, *o;

	SNAPSHOT_FOREACH(pool, status, "pools")
		SNAPSHOT_FOREACH(o, pool, "guests")
			if (is_called(o, name))
				return o;
	SNAPSHOT_FOREACH(pool, status, "pools")
		SNAPSHOT_FOREACH(o, pool, "services")
			if (!snapshot_is_guests(o) && is_called(o, name))
				return snapshot_find(status, "services", name,
				    why);
	fail(why, EXIT_REFUSED,
	    "unknown guest or service %s: vrngctl status lists them", name);
	return NULL;
}
