/*
 * Parses Varlink calls with json-c, and builds the replies to all but a status.
 * Used by client.c.
 */
#include <bsd/string.h>
#include <json-c/json.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "status/call.h"
#include "status/interfaces.h"

#define SERVICE		"org.varlink.service"
#define STATUS		"io.vrngd.Status"
#define PARAMETERS_MAX	3
#define NITEMS(array)	(sizeof(array) / sizeof((array)[0]))
#define INTERFACE_SIZE	64 /* of a name, with the terminating NUL */
#define SELECT_ROOM(of) (sizeof(((struct select *)NULL)->of))

/* A parameter, which is a string: its place, of `size` bytes with the NUL. */
struct parameter {
	const char *name;
	size_t offset, size;
	bool required;
};

/* The known methods. */
struct method {
	const char *name;
	enum call_kind kind;
	bool more; /* the call must expect more than one reply */
	char *(*reply)(const char *parameters);
	struct parameter parameters[PARAMETERS_MAX];
};

static char *info_reply(const char *);
static char *description_reply(const char *);

#define SELECT(name) \
	{ \
#name, offsetof(struct select, name), SELECT_ROOM(name), false \
	}

static const struct method methods[] = {
	{ STATUS ".Get", CALL_STATUS, false, NULL,
	    { SELECT(guest), SELECT(service), SELECT(pool) } },
	{ STATUS ".Monitor", CALL_MONITOR, true, NULL,
	    { SELECT(guest), SELECT(service), SELECT(pool) } },
	{ SERVICE ".GetInfo", CALL_REPLY, false, info_reply,
	    { { NULL, 0, 0, false } } },
	{ SERVICE ".GetInterfaceDescription", CALL_REPLY, false,
	    description_reply, { { "interface", 0, INTERFACE_SIZE, true } } },
};

/* The interfaces, and their text. */
static const struct {
	const char *name, *text;
} interfaces[] = {
	{ SERVICE, interface_service },
	{ STATUS, interface_status },
};

static struct json_object *
parse(const char *text, size_t len)
{
	struct json_tokener *tokener = json_tokener_new_ex(CALL_DEPTH_MAX);
	struct json_object *call;

	if (tokener == NULL)
		return NULL;
	while (len > 0 && strchr(" \t\r\n", text[len - 1]) != NULL)
		len--;
	json_tokener_set_flags(tokener,
	    JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	call = json_tokener_parse_ex(tokener, text, (int)len);
	/* Rejects an incomplete object, and text after the object. */
	if (json_tokener_get_error(tokener) != json_tokener_success ||
	    json_tokener_get_parse_end(tokener) != len ||
	    !json_object_is_type(call, json_type_object)) {
		json_object_put(call);
		call = NULL;
	}
	json_tokener_free(tokener);
	return call;
}

/* {"error":NAME,"parameters":PARAMETERS}; `name` may be NULL. */
static char *
make_reply(const char *name, struct json_object *parameters)
{
	struct json_object *reply = json_object_new_object();
	char *text;

	if (name != NULL)
		json_object_object_add(reply, "error",
		    json_object_new_string(name));
	json_object_object_add(reply, "parameters", parameters);
	text = strdup(json_object_to_json_string_ext(reply,
	    JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(reply);
	return text;
}

/* The same with one parameter. */
static char *
text_reply(const char *name, const char *key, const char *value)
{
	struct json_object *parameters = json_object_new_object();

	json_object_object_add(parameters, key, json_object_new_string(value));
	return make_reply(name, parameters);
}

static char *
info_reply(const char *unused)
{
	static const char *const info[][2] = {
		{ "vendor", "vrngd" },
		{ "product", "vrngd" },
		{ "version", PACKAGE_VERSION },
		{ "url", "man:vrngd(8)" },
	};
	struct json_object *parameters = json_object_new_object();
	struct json_object *names = json_object_new_array();

	(void)unused;
	for (size_t i = 0; i < NITEMS(info); i++)
		json_object_object_add(parameters, info[i][0],
		    json_object_new_string(info[i][1]));
	for (size_t i = 0; i < NITEMS(interfaces); i++)
		json_object_array_add(names,
		    json_object_new_string(interfaces[i].name));
	json_object_object_add(parameters, "interfaces", names);
	return make_reply(NULL, parameters);
}

static char *
description_reply(const char *name)
{
	for (size_t i = 0; i < NITEMS(interfaces); i++)
		if (strcmp(interfaces[i].name, name) == 0)
			return text_reply(NULL, "description",
			    interfaces[i].text);
	return text_reply(SERVICE ".InterfaceNotFound", "interface", name);
}

static bool
is_true(struct json_object *call, const char *key)
{
	struct json_object *value;

	return json_object_object_get_ex(call, key, &value) &&
	    json_object_get_boolean(value);
}

/* Stores a parameter in `place`.  Returns whether it is valid. */
static bool
take_parameter(const struct method *m, const char *name,
    struct json_object *value, char *place)
{
	const struct parameter *p;
	const char *text;

	for (p = m->parameters; p < &m->parameters[PARAMETERS_MAX]; p++)
		if (p->name != NULL && strcmp(p->name, name) == 0)
			break;
	if (p == &m->parameters[PARAMETERS_MAX])
		return false;
	if (value == NULL)
		return !p->required;
	if (!json_object_is_type(value, json_type_string))
		return false;
	text = json_object_get_string(value);
	return text[0] != '\0' &&
	    strlen(text) == (size_t)json_object_get_string_len(value) &&
	    strlcpy(place + p->offset, text, p->size) < p->size;
}

/* Returns the name of the first invalid parameter, or NULL. */
static const char *
take_parameters(const struct method *m, struct json_object *call, char *place)
{
	struct json_object *all = NULL;
	size_t given = 0;

	json_object_object_get_ex(call, "parameters", &all);
	if (all != NULL && !json_object_is_type(all, json_type_object))
		return "parameters";
	if (all != NULL) {
		json_object_object_foreach(all, name, value)
		{
			if (!take_parameter(m, name, value, place))
				return name;
			given++;
		}
	}
	if (given == 0 && m->parameters[0].required)
		return m->parameters[0].name;
	return NULL;
}

static void
take_method(struct call *call, const struct method *m,
    struct json_object *object)
{
	union {
		struct select select;
		char interface[INTERFACE_SIZE];
	} place = { .select = { .guest = "" } };
	const char *invalid;

	/* A connection is never handed over to another protocol. */
	if (is_true(object, "upgrade"))
		invalid = "upgrade";
	else
		invalid = take_parameters(m, object, (char *)&place);
	if (invalid != NULL) {
		call->reply = text_reply(SERVICE ".InvalidParameter",
		    "parameter", invalid);
		return;
	}
	if (m->more && !is_true(object, "more")) {
		call->reply = make_reply(SERVICE ".ExpectedMore",
		    json_object_new_object());
		return;
	}
	call->kind = m->kind;
	if (m->kind == CALL_REPLY)
		call->reply = m->reply(place.interface);
	else
		call->select = place.select;
}

void
call_init(void)
{
	struct call call = call_parse("{\"method\":\"\"}", 13);

	free(call.reply);
}

struct call
call_parse(const char *text, size_t len)
{
	struct json_object *object = parse(text, len), *method = NULL;
	struct call call = { .kind = CALL_BAD };
	const struct method *m;
	const char *name;

	json_object_object_get_ex(object, "method", &method);
	if (!json_object_is_type(method, json_type_string)) {
		json_object_put(object);
		return call;
	}
	name = json_object_get_string(method);
	call.kind = CALL_REPLY;
	call.oneway = is_true(object, "oneway");
	for (m = methods; m < &methods[NITEMS(methods)]; m++)
		if (strcmp(m->name, name) == 0)
			break;
	if (m < &methods[NITEMS(methods)])
		take_method(&call, m, object);
	else
		call.reply =
		    text_reply(SERVICE ".MethodNotFound", "method", name);
	json_object_put(object);
	return call;
}

char *
call_not_found(const struct select *s, enum selected what)
{
	if (what == SELECT_NO_GUEST)
		return text_reply(STATUS ".UnknownGuest", "guest", s->guest);
	if (what == SELECT_NO_SERVICE)
		return text_reply(STATUS ".UnknownService", "service",
		    s->service);
	return text_reply(STATUS ".UnknownPool", "pool", s->pool);
}

char *
call_too_many(void)
{
	return make_reply(STATUS ".TooManyMonitors", json_object_new_object());
}
