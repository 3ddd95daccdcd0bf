/*
 * Calls of the Varlink protocol, good and bad.
 */
#include "unit/unit.h"

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
		{ "{\"oneway\":true,\"method\":\"io.vrngd.Status.Get\"}",
		    CALL_STATUS, true },
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

/* Bytes at random, and good calls with one of them changed. */
static void
test_garbage(void **state)
{
	static const char good[] = "{\"method\":\"io.vrngd.Status.Get\","
				   "\"parameters\":{\"a\":[1,2.5e3,null]}}";
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
		cmocka_unit_test(test_garbage),
	};

	return UNIT_MAIN("status calls", tests);
}
