/*
 * Indentation of JSON: as json-c does it, and nothing that is not JSON.
 */
#include "unit/unit.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/pretty.h"

/* Returns what was printed, allocated, or NULL. */
static char *
pretty(const char *text, size_t size)
{
	char *printed = NULL;
	size_t len;
	FILE *f = open_memstream(&printed, &len);
	int r = pretty_can(text, size) ? pretty_json(text, size, f) : -1;

	fclose(f);
	if (r == 0)
		return printed;
	free(printed);
	return NULL;
}

static void
same_as_json_c(const char *text)
{
	struct json_object *o = json_tokener_parse(text);
	const char *wanted;
	char *printed;

	assert_non_null(o);
	wanted = json_object_to_json_string_ext(o,
	    JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED |
		JSON_C_TO_STRING_NOSLASHESCAPE);
	printed = pretty(text, strlen(text));
	assert_non_null(printed);
	assert_string_equal(printed, wanted);
	free(printed);
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

/* More than is written at a time, and a string that is longer than that. */
static void
test_long(void **state)
{
	char *text = malloc(400000);
	size_t n = 0;

	(void)state;
	assert_non_null(text);
	text[n++] = '[';
	for (int i = 0; i < 20000; i++)
		n += (size_t)sprintf(text + n, "{\"a\":%d},", i);
	text[n++] = '"';
	memset(text + n, 'x', 100000);
	n += 100000;
	memcpy(text + n, "\"]", 3);
	same_as_json_c(text);
	free(text);
}

/* Each byte at each place, of words of eight bytes and of the rest. */
static void
test_ascii(void **state)
{
	char text[19];

	(void)state;
	for (size_t i = 0; i < sizeof(text); i++)
		for (int c = 0; c < 256; c++) {
			memset(text, 'a', sizeof(text));
			text[i] = (char)c;
			assert_int_equal(pretty_can(text, sizeof(text)),
			    c >= 0x20 && c < 0x7f);
		}
}

static void
test_rejected(void **state)
{
	static const char *const texts[] = { "", "{", "}", "[}", "{\"a\":1",
		"\"a", "{\"a\":1}}", "[\"\\\"]", "[\"\xc3\xbc\"]", "[\"\x1b\"]",
		"[\"\x7f\"]", "[\"\\\x1b\"]", "[\"\\\"", "[\"\\", "[],[]",
		"{},\"x\":{}", "[1, 2]", "[1.5]", "[?]" };
	char deep[100];

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		assert_null(pretty(texts[i], strlen(texts[i])));
	memset(deep, '[', sizeof(deep));
	assert_null(pretty(deep, sizeof(deep)));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same),
		cmocka_unit_test(test_long),
		cmocka_unit_test(test_ascii),
		cmocka_unit_test(test_rejected),
	};

	return UNIT_MAIN("pretty", tests);
}
