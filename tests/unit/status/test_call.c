/*
 * Calls of the Varlink protocol, good and bad.
 */
#include "unit/unit.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "status/call.h"

static void
test_kinds(void **state)
{
	static const struct {
		const char *text;
		enum call_kind kind;
		bool oneway;
	} rows[] = {
		{ "{\"method\":\"io.vrngd.Status.Get\"}", CALL_STATUS, false },
		{ " { \"method\" : \"io.vrngd.Status.Get\",\n"
		  "\"parameters\":{}, \"more\":true } \r\n",
		    CALL_STATUS, false },
		{ "{\"method\":\"io.vrngd.Status.Get\",\"parameters\":null}",
		    CALL_STATUS, false },
		{ "{\"oneway\":true,\"method\":\"io.vrngd.Status.Get\"}",
		    CALL_STATUS, true },
		{ "{\"method\":\"io.vrngd.Status.Monitor\",\"more\":true}",
		    CALL_MONITOR, false },
		{ "{\"method\":\"io.vrngd.Status.Monitor\"}", CALL_REPLY,
		    false },
		{ "{\"method\":\"io.vrngd.Status.Set\"}", CALL_REPLY, false },
		{ "{\"method\":\"\"}", CALL_REPLY, false },
		{ "", CALL_BAD, false },
		{ " ", CALL_BAD, false },
		{ "{}", CALL_BAD, false },
		{ "[]", CALL_BAD, false },
		{ "null", CALL_BAD, false },
		{ "7", CALL_BAD, false },
		{ "{\"method\":7}", CALL_BAD, false },
		{ "{\"method\":null}", CALL_BAD, false },
		{ "{\"method\":\"x\"", CALL_BAD, false },
		{ "{\"method\":\"x\"}}", CALL_BAD, false },
		{ "{\"method\":\"x\"} {}", CALL_BAD, false },
		{ "{'method':'x'}", CALL_BAD, false },
		{ "{\"method\":\"x\",}", CALL_BAD, false },
		{ "{\"method\":\"\xff\"}", CALL_BAD, false },
		{ "{\"method\":\"x\",\"a\":[[[[[[[[]]]]]]]]}", CALL_BAD,
		    false },
	};
	struct call call;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		call = call_parse(rows[i].text, strlen(rows[i].text));
		if (call.kind != rows[i].kind)
			print_error("# %s\n", rows[i].text);
		assert_int_equal(call.kind, rows[i].kind);
		assert_int_equal(call.oneway, rows[i].oneway);
		assert_int_equal(call.reply != NULL, call.kind == CALL_REPLY);
		free(call.reply);
	}
}

static void
test_reply(void **state)
{
	static const char text[] = "{\"method\":\"a.\\\"b\\\"\"}";
	struct call call = call_parse(text, strlen(text));

	(void)state;
	assert_string_equal(call.reply,
	    "{\"error\":\"org.varlink.service.MethodNotFound\","
	    "\"parameters\":{\"method\":\"a.\\\"b\\\"\"}}");
	free(call.reply);
}

#define CALL(method, parameters) \
	"{\"method\":\"" method "\",\"parameters\":" parameters "}"
#define GET(parameters) CALL("io.vrngd.Status.Get", parameters)
#define DESCRIBE(parameters) \
	CALL("org.varlink.service.GetInterfaceDescription", parameters)
#define INVALID(name) \
	"{\"error\":\"org.varlink.service.InvalidParameter\"," \
	"\"parameters\":{\"parameter\":\"" name "\"}}"
#define LONG_NAME \
	"0123456789012345678901234567890123456789012345678901234567890123"

static void
test_select(void **state)
{
	static const char text[] =
	    GET("{\"guest\":\"vm1\",\"service\":\"stream:lan\","
		"\"pool\":null}");
	struct call call = call_parse(text, strlen(text));

	(void)state;
	assert_int_equal(call.kind, CALL_STATUS);
	assert_string_equal(call.select.guest, "vm1");
	assert_string_equal(call.select.service, "stream:lan");
	assert_string_equal(call.select.pool, "");
}

static void
test_replies(void **state)
{
	static const char *const rows[][2] = {
		{ GET("[]"), INVALID("parameters") },
		{ GET("\"\""), INVALID("parameters") },
		{ GET("{\"guests\":\"vm1\"}"), INVALID("guests") },
		{ GET("{\"guest\":1}"), INVALID("guest") },
		{ GET("{\"guest\":\"\"}"), INVALID("guest") },
		{ GET("{\"guest\":\"a\\u0000b\"}"), INVALID("guest") },
		{ GET("{\"pool\":\"" LONG_NAME "\"}"), INVALID("pool") },
		{ "{\"method\":\"io.vrngd.Status.Get\",\"upgrade\":true}",
		    INVALID("upgrade") },
		{ CALL("io.vrngd.Status.Monitor", "{}"),
		    "{\"error\":\"org.varlink.service.ExpectedMore\","
		    "\"parameters\":{}}" },
		{ CALL("io.vrngd.Status.Monitor", "{\"level\":\"error\"}"),
		    INVALID("level") },
		{ CALL("org.varlink.service.GetInfo", "{\"x\":\"y\"}"),
		    INVALID("x") },
		{ CALL("org.varlink.service.GetInfo", "{}"),
		    "{\"parameters\":{\"vendor\":\"vrngd\","
		    "\"product\":\"vrngd\",\"version\":\"" PACKAGE_VERSION
		    "\",\"url\":\"man:vrngd(8)\",\"interfaces\":"
		    "[\"org.varlink.service\",\"io.vrngd.Status\"]}}" },
		{ DESCRIBE("{}"), INVALID("interface") },
		{ DESCRIBE("{\"interface\":null}"), INVALID("interface") },
		{ DESCRIBE("{\"interface\":\"io.vrngd\"}"),
		    "{\"error\":\"org.varlink.service.InterfaceNotFound\","
		    "\"parameters\":{\"interface\":\"io.vrngd\"}}" },
	};
	struct call call;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		call = call_parse(rows[i][0], strlen(rows[i][0]));
		assert_int_equal(call.kind, CALL_REPLY);
		assert_string_equal(call.reply, rows[i][1]);
		free(call.reply);
	}
}

/* The text of an interface is its file. */
static void
test_description(void **state)
{
	static const char text[] =
	    DESCRIBE("{\"interface\":\"io.vrngd.Status\"}");
	struct call call = call_parse(text, strlen(text));
	struct json_object *reply = json_tokener_parse(call.reply), *o;
	static char file[65536];
	FILE *f = fopen(STATUS_INTERFACE, "r");

	(void)state;
	assert_non_null(f);
	assert_int_not_equal(fread(file, 1, sizeof(file) - 1, f), 0);
	fclose(f);
	assert_true(json_object_object_get_ex(reply, "parameters", &o));
	assert_true(json_object_object_get_ex(o, "description", &o));
	assert_string_equal(json_object_get_string(o), file);
	json_object_put(reply);
	free(call.reply);
}

static void
test_not_found(void **state)
{
	const struct select s = { "vm1", "lan", "slow" };
	static const char *const rows[] = {
		[SELECT_NO_GUEST] =
		    "{\"error\":\"io.vrngd.Status.UnknownGuest\","
		    "\"parameters\":{\"guest\":\"vm1\"}}",
		[SELECT_NO_SERVICE] =
		    "{\"error\":\"io.vrngd.Status.UnknownService\","
		    "\"parameters\":{\"service\":\"lan\"}}",
		[SELECT_NO_POOL] = "{\"error\":\"io.vrngd.Status.UnknownPool\","
				   "\"parameters\":{\"pool\":\"slow\"}}",
	};
	char *reply;

	(void)state;
	for (size_t i = SELECT_NO_GUEST; i <= SELECT_NO_POOL; i++) {
		reply = call_not_found(&s, (enum selected)i);
		assert_string_equal(reply, rows[i]);
		free(reply);
	}
}

/* Bytes at random, and good calls with one of them changed. */
static void
test_garbage(void **state)
{
	static const char good[] = "{\"method\":\"io.vrngd.Status.Get\","
				   "\"parameters\":{\"guest\":\"vm1\","
				   "\"pool\":null}}";
	uint64_t seed = 4711;
	uint8_t text[256];
	struct call call;
	size_t len;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		len = i % 2 == 0 ? unit_below(&seed, sizeof(text))
				 : sizeof(good) - 1;
		if (i % 2 == 0)
			unit_fill(text, len, unit_random(&seed));
		else
			memcpy(text, good, len);
		if (len > 0)
			text[unit_below(&seed, len)] =
			    (uint8_t)(1 + unit_below(&seed, 255));
		call = call_parse((const char *)text, len);
		free(call.reply);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_reply),
		cmocka_unit_test(test_select),
		cmocka_unit_test(test_replies),
		cmocka_unit_test(test_description),
		cmocka_unit_test(test_not_found),
		cmocka_unit_test(test_garbage),
	};

	return UNIT_MAIN("status calls", tests);
}
