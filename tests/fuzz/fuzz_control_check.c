/*
 * Requests on the control socket: the input is a frame.
 */
#include "common/control_proto.h"
#include "common/names.h"
#include "fuzz/fuzz.h"
#include "parent/control/control_check.h"

static bool
is_string(const char *text, size_t size)
{
	return memchr(text, '\0', size) != NULL;
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct input in = { bytes, len };
	struct control_request req;
	const char *why = NULL;

	input_copy(&in, &req, sizeof(req));
	if (control_check(&req, len, &why) != 0) {
		CHECK(why != NULL && strlen(why) > 0);
		return 0;
	}
	CHECK(len == sizeof(req) && req.version == CONTROL_VERSION);
	CHECK(is_string(req.name, sizeof(req.name)) && names_valid(req.name));
	CHECK(
	    is_string(req.class, sizeof(req.class)) && names_valid(req.class));
	CHECK(is_string(req.pool, sizeof(req.pool)) && names_valid(req.pool));
	CHECK(is_string(req.socket, sizeof(req.socket)));
	CHECK(req.command != CONTROL_GUEST_ADD || req.socket[0] == '/');
	CHECK(req.command != CONTROL_LOG_LEVEL ||
	    req.log_level <= LOG_LEVEL_DEBUG);
	return 0;
}
