/*
 * What a reload reports of the difference between two configurations.
 */
#include "unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "parent/config/config.h"

#define LINES_SIZE 4096

#define POOL \
	"pool \"default\" {\n    source \"kernel\" {\n        type = kernel\n    }\n"
#define CLASS(ceil)	  "    class \"gold\" {\n        rate = 1M\n" ceil "    }\n"
#define GUEST(name, keys) "guest \"" name "\" {\n" keys "}\n"

static void
add_line(void *arg, const struct config_changed *c)
{
	char *lines = arg;
	size_t n = strlen(lines);

	assert_int_equal(c->text[0], c->sign);
	if (c->word[0] != '\0')
		assert_non_null(strstr(c->text, c->name));
	snprintf(lines + n, LINES_SIZE - n, "%s\n", c->text);
}

static void
check(const char *old, const char *new, const char *lines)
{
	char found[LINES_SIZE] = "";

	config_changes(old, new, add_line, found);
	assert_string_equal(found, lines);
}

static void
test_none(void **state)
{
	static const char text[] = "statistics = 5min\n" POOL CLASS("") "}\n";

	(void)state;
	check(text, text, "");
	check("", "", "");
}

static void
test_blocks(void **state)
{
	(void)state;
	check(POOL "}\n", POOL "}\n" GUEST("vm9", "    weight = 1\n"),
	    "+ guest vm9\n");
	check(POOL "}\n" GUEST("vm9", "") "egd \"local\" {\n}\n", POOL "}\n",
	    "- egd local\n- guest vm9\n");
	/* Wherever they are in the file. */
	check(POOL "}\n" GUEST("a", "") GUEST("b", ""),
	    GUEST("b", "") GUEST("ab", "") GUEST("a", "") POOL "}\n",
	    "+ guest ab\n");
	check(POOL CLASS("") "}\n", POOL "}\n", "- class gold\n");
}

static void
test_keys(void **state)
{
	(void)state;
	check(POOL CLASS("        ceil = 5M\n") "}\n",
	    POOL CLASS("        ceil = 7M\n") "}\n",
	    "~ class gold ceil 5M -> 7M\n");
	check(POOL CLASS("") "}\n", POOL CLASS("        ceil = 7M\n") "}\n",
	    "~ class gold ceil (default) -> 7M\n");
	check(POOL CLASS("        ceil = 7M\n") "}\n", POOL CLASS("") "}\n",
	    "~ class gold ceil 7M -> (default)\n");
	check("statistics = 5min\n", "statistics = 1min\n",
	    "~ statistics 5min -> 1min\n");
	check(GUEST("a", "    socket = \"/x\"\n    weight = 1\n"),
	    GUEST("a", "    socket = \"/y { z\"\n    weight = 2\n"),
	    "~ guest a socket /x -> \"/y { z\"\n"
	    "~ guest a weight 1 -> 2\n");
	/* Of one name the other is the beginning. */
	check(GUEST("a", "    rate = 1\n    rates = 2\n"),
	    GUEST("a", "    rate = 1\n    rates = 3\n"),
	    "~ guest a rates 2 -> 3\n");
}

/* A class says its pool if there are several, and where it moves. */
static void
test_places(void **state)
{
	static const char two[] =
	    "pool \"a\" {\n    class \"x\" {\n        class \"y\" {\n"
	    "        }\n    }\n}\n"
	    "pool \"b\" {\n    class \"x\" {\n    }\n}\n";

	(void)state;
	check(two,
	    "pool \"a\" {\n    class \"x\" {\n    }\n    class \"y\" {\n"
	    "    }\n}\npool \"b\" {\n}\n",
	    "~ class y of pool a within class x -> pool a\n"
	    "- class x of pool b\n");
	check("pool \"a\" {\n    stock = 64K\n}\n",
	    "pool \"a\" {\n    stock = 128K\n}\n",
	    "~ pool a stock 64K -> 128K\n");
}

/* A value of any length. */
static void
test_long(void **state)
{
	char path[3001], old[4096], new[4096], lines[8192], found[8192] = "";

	(void)state;
	memset(path, 'x', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	snprintf(old, sizeof(old), GUEST("a", "    egd = \"/%s\"\n"), path);
	snprintf(new, sizeof(new), GUEST("a", "    egd = \"/y%s\"\n"), path);
	snprintf(lines, sizeof(lines), "~ guest a egd /%s -> /y%s", path, path);
	config_changes(old, new, add_line, found);
	assert_int_equal(strncmp(found, lines, LINES_SIZE - 1), 0);
}

static void
report_fails(void *arg, const char *text)
{
	(void)arg;
	fail_msg("%s", text);
}

/* No directory service is asked for the names of users and groups. */
static void
test_printed(void **state)
{
	static const char text[] =
	    "pool \"default\" { source \"k\" { type = kernel } }\n"
	    "guest \"a\" { socket = \"/a\" owner = root }\n";
	char path[] = "/tmp/vrngd-changes-XXXXXX", *printed;
	int fd = mkstemp(path);
	struct config *config;

	(void)state;
	assert_int_not_equal(fd, -1);
	assert_int_equal(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
	close(fd);
	config = config_read(path, report_fails, NULL);
	unlink(path);
	printed = config_printed(config);
	assert_non_null(strstr(printed, "    owner = 0\n"));
	assert_null(strstr(printed, "root"));
	assert_null(strstr(printed, "group"));
	free(printed);
	config_free(config);
}

/* Blocks that end like the one before them, in part, wholly, or not. */
static void
test_fold(void **state)
{
#define END "    weight = 1\n    priority = 0\n    poll-us = 0\n}\n"
	static const char *const texts[] = { "", "a = 1\n", "a {\n" END,
		"a = 1\na {\n    b = 2\n" END "a {\n    b = 3\n" END
		"a {\n    b = 4\n    c = 5\n" END "a {\n}\na {\n" END
		"a {\n" END "a {\n" END "b = 1\n" };
	char *folded, *text;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		folded = config_fold(texts[i]);
		text = config_unfold(folded);
		assert_string_equal(text, texts[i]);
		if (i == 3)
			assert_true(strlen(folded) < strlen(text) / 2 + 50);
		free(folded);
		free(text);
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_none),
		cmocka_unit_test(test_blocks),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_places),
		cmocka_unit_test(test_long),
		cmocka_unit_test(test_printed),
		cmocka_unit_test(test_fold),
	};

	return UNIT_MAIN("changes of the configuration", tests);
}
