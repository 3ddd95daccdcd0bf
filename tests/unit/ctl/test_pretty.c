/*
 * Indentation of JSON: as json-c does it, and nothing that is not JSON.
 */
#include "unit/unit.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/pretty.h"

static void
same_as_json_c(const char *text)
{
	struct json_object *o = json_tokener_parse(text);
	const char *wanted;
	char *pretty;
	size_t len;

	assert_non_null(o);
	wanted = json_object_to_json_string_ext(o,
	    JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED |
		JSON_C_TO_STRING_NOSLASHESCAPE);
	pretty = pretty_json(text, strlen(text), &len);
	assert_non_null(pretty);
	assert_int_equal(len, strlen(wanted));
	assert_memory_equal(pretty, wanted, len);
	free(pretty);
	json_object_put(o);
}

static void
test_same(void **state)
{
	(void)state;
	same_as_json_c("{\"a\":1}");
	same_as_json_c("[]");
	same_as_json_c(
	    "{\"a\":[],\"b\":{\"c\":null,\"d\":[true,-7]},\"e\":\"\"}");
	same_as_json_c("{\"a/b\":\"c \\\"{[,:\\\\\",\"d\":[[1,2],[{}]]}");
	same_as_json_c("[{\"n\":18446744073709551615},{\"n\":0},\"x\"]");
}

static void
test_rejected(void **state)
{
	static const char *const texts[] = { "", "{", "}", "[}", "{\"a\":1",
		"\"a", "{\"a\":1}}", "[\"\\\"]", "[\"\xc3\xbc\"]", "[\"\x1b\"]",
		"[\"\x7f\"]", "[\"\\\x1b\"]", "[\"\\\"", "[\"\\", "[],[]",
		"{},\"x\":{}", "[1, 2]", "[1.5]", "[?]" };
	char deep[100];
	size_t len;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		assert_null(pretty_json(texts[i], strlen(texts[i]), &len));
	memset(deep, '[', sizeof(deep));
	assert_null(pretty_json(deep, sizeof(deep), &len));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same),
		cmocka_unit_test(test_rejected),
	};

	return UNIT_MAIN("pretty", tests);
}
