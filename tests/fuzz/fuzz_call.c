/*
 * Varlink calls: the input is one, without its NUL.
 */
#include <json-c/json.h>

#include "fuzz/fuzz.h"
#include "status/call.h"

/* A reply is one JSON object. */
static void
check_reply(char *reply)
{
	struct json_object *parsed;

	CHECK(reply != NULL);
	parsed = json_tokener_parse(reply);
	CHECK(json_object_is_type(parsed, json_type_object));
	json_object_put(parsed);
	free(reply);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct call call;

	if (len >= CALL_SIZE_MAX || memchr(bytes, '\0', len) != NULL)
		return 0;
	call = call_parse((const char *)bytes, len);
	CHECK(call.kind == CALL_REPLY || call.reply == NULL);
	if (call.kind == CALL_REPLY)
		check_reply(call.reply);
	else if (call.kind == CALL_STATUS || call.kind == CALL_MONITOR) {
		CHECK(memchr(call.select.guest, '\0',
			  sizeof(call.select.guest)) != NULL);
		CHECK(memchr(call.select.service, '\0',
			  sizeof(call.select.service)) != NULL);
		CHECK(memchr(call.select.pool, '\0',
			  sizeof(call.select.pool)) != NULL);
	}
	return 0;
}
