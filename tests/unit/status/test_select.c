/*
 * Parts of a status: guests, services and pools by name, and text that ends
 * anywhere.
 */
#include "unit/unit.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "status/select.h"

#define GUEST(name)	    "{\"name\":\"" name "\",\"bytes\":1,\"x\":[{}]}"
#define SERVICE(kind, name) "{\"name\":\"" name "\",\"kind\":\"" kind "\"}"
#define POOL(name, guests, services) \
	"{\"name\":\"" name "\",\"sources\":[{\"what\":\"\\\"]},\\\\\"}]," \
	"\"guests\":[" guests "],\"classes\":[],\"services\":[" services "]}"
#define STATUS(pools) \
	"{\"schema\":1,\"config\":\"a\\\\\",\"pools\":[" pools \
	"],\"sessions_not_stored\":0}"

static const char status[] =
    STATUS(POOL("one", GUEST("vm1") "," GUEST("vm10") "," GUEST("vm2"),
	SERVICE("egd", "both") "," SERVICE("guest", "vm1") "," SERVICE("guest",
	    "vm2") "," SERVICE("egd", "vm1")) "," POOL("empty", "",
	"") "," POOL("two", GUEST("pools"), SERVICE("stream", "both")));

/* The selected text, which must be JSON. */
static char *
join(const struct parts *parts)
{
	struct json_object *object;
	char *text = calloc(1, sizeof(status) * 2);

	assert_non_null(text);
	for (size_t i = 0; i < parts->n; i++)
		strncat(text, parts->part[i].text, parts->part[i].size);
	object = json_tokener_parse(text);
	assert_non_null(object);
	json_object_put(object);
	return text;
}

static void
test_select(void **state)
{
	static const struct {
		struct select select;
		const char *want;
	} rows[] = {
		{ { .pool = "two" },
		    STATUS(POOL("two", GUEST("pools"),
			SERVICE("stream", "both"))) },
		{ { .pool = "empty" }, STATUS(POOL("empty", "", "")) },
		/* With its EGD socket. */
		{ { .guest = "vm1" },
		    STATUS(
			POOL("one", GUEST("vm1"), SERVICE("guest", "vm1"))) },
		{ { .guest = "vm10" }, STATUS(POOL("one", GUEST("vm10"), "")) },
		{ { .guest = "pools" },
		    STATUS(POOL("two", GUEST("pools"), "")) },
		{ { .service = "both" },
		    STATUS(POOL("one", "", SERVICE("egd", "both")) "," POOL(
			"two", "", SERVICE("stream", "both"))) },
		{ { .service = "stream:both" },
		    STATUS(POOL("two", "", SERVICE("stream", "both"))) },
		{ { .service = "both", .pool = "one" },
		    STATUS(POOL("one", "", SERVICE("egd", "both"))) },
		/* A service, not the guest of that name. */
		{ { .service = "vm1" },
		    STATUS(POOL("one", "", SERVICE("egd", "vm1"))) },
		{ { .guest = "vm1", .service = "vm1" },
		    STATUS(POOL("one", GUEST("vm1"),
			SERVICE("guest", "vm1") "," SERVICE("egd", "vm1"))) },
		{ { .guest = "pools", .service = "egd:both" },
		    STATUS(POOL("one", "", SERVICE("egd", "both")) "," POOL(
			"two", GUEST("pools"), "")) },
	};
	struct parts parts;
	char *text;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_true(select_any(&rows[i].select));
		assert_int_equal(select_status(&rows[i].select, status,
				     sizeof(status) - 1, &parts),
		    SELECT_FOUND);
		text = join(&parts);
		assert_string_equal(text, rows[i].want);
		free(text);
	}
	assert_false(select_any(&(struct select){ .guest = "" }));
}

static void
test_unknown(void **state)
{
	static const struct {
		struct select select;
		enum selected want;
	} rows[] = {
		{ { .guest = "vm" }, SELECT_NO_GUEST },
		{ { .guest = "both" }, SELECT_NO_GUEST },
		{ { .guest = "vm1", .pool = "two" }, SELECT_NO_GUEST },
		{ { .guest = "vm1", .service = "x" }, SELECT_NO_SERVICE },
		{ { .service = "vm2" }, SELECT_NO_SERVICE },
		{ { .service = "guest:vm2" }, SELECT_NO_SERVICE },
		{ { .service = "stream:" }, SELECT_NO_SERVICE },
		{ { .pool = "on" }, SELECT_NO_POOL },
		{ { .guest = "vm1", .pool = "three" }, SELECT_NO_POOL },
	};
	struct parts parts;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(select_status(&rows[i].select, status,
				     sizeof(status) - 1, &parts),
		    rows[i].want);
}

static void
test_events(void **state)
{
#define EVENT(guest, service, pool) \
	"{\"event\":\"x\",\"guest\":" guest ",\"service\":" service \
	",\"kind\":\"egd\",\"pool\":" pool ",\"fields\":{\"guest\":\"f\"}}"
	static const char list[] =
	    "[" EVENT("\"vm1\"", "null", "\"one\"") "," EVENT("null", "\"vm1\"",
		"\"two\"") "," EVENT("null", "null", "null") "]";
	static const struct {
		struct select select;
		bool want[3];
	} rows[] = {
		{ { .guest = "" }, { true, true, true } },
		{ { .guest = "vm1" }, { true, false, false } },
		{ { .service = "vm1" }, { false, true, false } },
		{ { .service = "egd:vm1" }, { false, true, false } },
		{ { .service = "stream:vm1" }, { false, false, false } },
		{ { .guest = "vm1", .service = "vm1" }, { true, true, false } },
		{ { .guest = "vm1", .service = "vm1", .pool = "two" },
		    { false, true, false } },
		{ { .pool = "one" }, { true, false, false } },
		{ { .guest = "f" }, { false, false, false } },
	};
	struct select_array all;
	struct part event;
	size_t n;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		all = select_array(list, sizeof(list) - 1);
		for (n = 0; select_next(&all, &event); n++)
			assert_int_equal(select_event(&rows[i].select, event),
			    rows[i].want[n]);
		assert_int_equal(n, 3);
	}
	all = select_array("[]", 2);
	assert_false(select_next(&all, &event));
}

/* Text that is cut off or random is not read beyond its end. */
static void
test_garbage(void **state)
{
	static const char likely[] = "{}[]\",:\\pols1 \0";
	const struct select s = { .guest = "vm1", .service = "both" };
	struct parts parts;
	uint64_t seed = 4711;
	char *text;

	(void)state;
	for (size_t len = 1; len < sizeof(status); len++) {
		/* Allocated, so that sanitizers find a read beyond it. */
		text = malloc(len);
		assert_non_null(text);
		memcpy(text, status, len);
		select_status(&s, text, len, &parts);
		for (size_t i = 0; i < len; i++)
			if (unit_below(&seed, 20) == 0)
				text[i] =
				    likely[unit_below(&seed, sizeof(likely))];
		select_status(&s, text, len, &parts);
		for (size_t i = 0; i < parts.n; i++)
			assert_true(parts.part[i].size <= len);
		free(text);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_select),
		cmocka_unit_test(test_unknown),
		cmocka_unit_test(test_events),
		cmocka_unit_test(test_garbage),
	};

	return UNIT_MAIN("parts of a status", tests);
}
