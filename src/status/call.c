/*
 * Parses Varlink calls with json-c, and builds the replies to all but a status.
 * Used by client.c.
 */
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "status/call.h"

/* The known methods. */
static const struct {
	const char *name;
	enum call_kind kind;
} methods[] = {
	{ "io.vrngd.Status.Get", CALL_STATUS },
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

/* {"error":NAME,"parameters":{KEY:VALUE}} */
static char *
error_reply(const char *name, const char *key, const char *value)
{
	struct json_object *reply = json_object_new_object();
	struct json_object *parameters = json_object_new_object();
	char *text;

	json_object_object_add(parameters, key, json_object_new_string(value));
	json_object_object_add(reply, "error", json_object_new_string(name));
	json_object_object_add(reply, "parameters", parameters);
	text = strdup(
	    json_object_to_json_string_ext(reply, JSON_C_TO_STRING_PLAIN));
	json_object_put(reply);
	return text;
}

static bool
is_true(struct json_object *call, const char *key)
{
	struct json_object *value;

	return json_object_object_get_ex(call, key, &value) &&
	    json_object_get_boolean(value);
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
	const char *name;

	json_object_object_get_ex(object, "method", &method);
	if (!json_object_is_type(method, json_type_string)) {
		json_object_put(object);
		return call;
	}
	name = json_object_get_string(method);
	call.kind = CALL_REPLY;
	call.oneway = is_true(object, "oneway");
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
		if (strcmp(methods[i].name, name) == 0)
			call.kind = methods[i].kind;
	if (call.kind == CALL_REPLY)
		call.reply = error_reply("org.varlink.service.MethodNotFound",
		    "method", name);
	json_object_put(object);
	return call;
}
