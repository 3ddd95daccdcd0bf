/*
 * Events and their records: the fields that the journal is given, and that no
 * text makes one.
 */
#include "unit/unit.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "parent/host/event.h"
#include "parent/host/log_output.h"

static const struct log_subject vm1 = {
	.kind = "guest",
	.name = "vm1",
	.pool = "default",
	.class = "gold",
};

static void
make(void *arg, const struct log_line *line)
{
	journal_entry_make(arg, line);
}

/* The value of a field, or NULL; the record has no two of a name. */
static const char *
value(const struct journal_entry *r, const char *name)
{
	static char found[JOURNAL_ENTRY_SIZE];
	const char *answer = NULL;
	size_t len = strlen(name);

	for (int i = 0; i < r->nfields; i++) {
		const char *field = r->fields[i].iov_base;

		if (strncmp(field, name, len) != 0 || field[len] != '=')
			continue;
		assert_null(answer);
		snprintf(found, sizeof(found), "%.*s",
		    (int)(r->fields[i].iov_len - len - 1), field + len + 1);
		answer = found;
	}
	return answer;
}

static void
expect(const struct journal_entry *r, const char *name, const char *text)
{
	const char *found = value(r, name);

	assert_non_null(found);
	assert_string_equal(found, text);
}

static void
test_fields(void **state)
{
	struct journal_entry r;

	(void)state;
	log_open(make, &r);
	event_log(EVENT_THROTTLED, &vm1,
	    LOG_FIELDS(LOG_NUMBER("VRNGD_WAIT_NS", UINT64_MAX),
		LOG_TEXT("VRNGD_LIMIT", "class")),
	    "waited for %s", "this");
	assert_int_equal(r.nfields, 9);
	expect(&r, "MESSAGE", "guest vm1: waited for this");
	expect(&r, "MESSAGE_ID", event_type(EVENT_THROTTLED)->id);
	expect(&r, "PRIORITY", "6");
	expect(&r, "VRNGD_GUEST", "vm1");
	expect(&r, "VRNGD_POOL", "default");
	expect(&r, "VRNGD_CLASS", "gold");
	expect(&r, "VRNGD_PROCESS", "parent");
	expect(&r, "VRNGD_WAIT_NS", "18446744073709551615");
	expect(&r, "VRNGD_LIMIT", "class");
}

static void
test_service(void **state)
{
	const struct log_subject egd = { .kind = "egd", .name = "local" };
	struct journal_entry r;

	(void)state;
	log_open(make, &r);
	log_about(LOG_LEVEL_WARNING, &egd, "text");
	assert_int_equal(r.nfields, 4);
	expect(&r, "MESSAGE", "egd local: text");
	expect(&r, "PRIORITY", "4");
	expect(&r, "VRNGD_SERVICE", "local");
	expect(&r, "VRNGD_PROCESS", "parent");
}

/* The text of a line about a source names it. */
static void
test_source(void **state)
{
	const struct log_subject hwrng = { .pool = "b", .source = "hwrng" };
	struct journal_entry r;

	(void)state;
	log_open(make, &r);
	event_log(EVENT_SOURCE_LOST, &hwrng, NULL, "pool b: source hwrng");
	assert_int_equal(r.nfields, 6);
	expect(&r, "MESSAGE", "pool b: source hwrng");
	expect(&r, "VRNGD_POOL", "b");
	expect(&r, "VRNGD_SOURCE", "hwrng");
}

static void
test_about_nothing(void **state)
{
	struct journal_entry r;

	(void)state;
	log_open(make, &r);
	event_log(EVENT_RELOAD_REFUSED, NULL,
	    LOG_FIELDS(LOG_TEXT("VRNGD_PROCESS", "entropy")), "no");
	assert_int_equal(r.nfields, 4);
	expect(&r, "MESSAGE", "no");
	expect(&r, "PRIORITY", "3");
	expect(&r, "MESSAGE_ID", event_type(EVENT_RELOAD_REFUSED)->id);
	expect(&r, "VRNGD_PROCESS", "entropy");
}

/* Whatever stands in a text, it is one field, and its value all of the text. */
static void
test_forged(void **state)
{
	const char *const forged =
	    "x\nVRNGD_GUEST=vm2\nPRIORITY=0\n\nMESSAGE_ID=1\n=";
	struct journal_entry r;

	(void)state;
	log_open(make, &r);
	log_send(
	    &(const struct log_line){
		.level = LOG_LEVEL_INFO,
		.about = &vm1,
		.fields = LOG_FIELDS(LOG_TEXT("VRNGD_REASON", forged)),
	    },
	    "%s", forged);
	assert_int_equal(r.nfields, 7);
	expect(&r, "VRNGD_GUEST", "vm1");
	expect(&r, "PRIORITY", "6");
	expect(&r, "VRNGD_REASON", forged);
	assert_null(value(&r, "MESSAGE_ID"));
	assert_memory_equal(value(&r, "MESSAGE"), "guest vm1: x\n", 13);
}

/* What does not fit is left out; the rest is as it should be. */
static void
test_too_much(void **state)
{
	static char text[2 * JOURNAL_ENTRY_SIZE];
	struct log_field fields[2 * JOURNAL_FIELDS_MAX] = { { .name = NULL } };
	struct journal_entry r;

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	log_open(make, &r);
	event_log(EVENT_CUT_OFF, &vm1,
	    LOG_FIELDS(LOG_TEXT("VRNGD_REASON", text),
		LOG_NUMBER("VRNGD_DEATHS", 3)),
	    "text");
	assert_null(value(&r, "VRNGD_REASON"));
	expect(&r, "VRNGD_DEATHS", "3");
	for (size_t i = 0; i + 1 < sizeof(fields) / sizeof(*fields); i++)
		fields[i] = LOG_NUMBER("VRNGD_BYTES", i);
	event_log(EVENT_CUT_OFF, &vm1, fields, "text");
	assert_int_equal(r.nfields, JOURNAL_FIELDS_MAX);
}

/* No two have the same id, which is 128 bits in lower case. */
static void
test_ids(void **state)
{
	const struct event_type *a, *b;

	(void)state;
	for (unsigned int i = 0; i < EVENT_TYPES; i++) {
		a = event_type(i);
		assert_int_equal(strlen(a->id), 32);
		for (const char *c = a->id; *c != '\0'; c++)
			assert_true(isxdigit((unsigned char)*c) &&
			    !isupper((unsigned char)*c));
		for (unsigned int j = 0; j < i; j++) {
			b = event_type(j);
			assert_string_not_equal(a->id, b->id);
			assert_string_not_equal(a->subject, b->subject);
		}
	}
}

static void
test_level(void **state)
{
	struct journal_entry r = { .nfields = -1 };

	(void)state;
	log_open(make, &r);
	log_set_level(LOG_LEVEL_INFO);
	event_log(EVENT_SERVED, NULL, NULL, "not to be seen");
	assert_int_equal(r.nfields, -1);
	log_set_level(LOG_LEVEL_DEBUG);
	event_log(EVENT_SERVED, NULL, NULL, "seen");
	assert_int_equal(r.nfields, 4);
	log_set_level(LOG_LEVEL_INFO);
}

/* As journald reads it: a value with a newline goes with its length. */
static void
test_packed(void **state)
{
	static const char wanted[] = "MESSAGE\n"
				     "\4\0\0\0\0\0\0\0"
				     "a\nb=\n"
				     "PRIORITY=6\n"
				     "VRNGD_PROCESS=parent\n"
				     "SYSLOG_IDENTIFIER=";
	char out[JOURNAL_PACKED_SIZE];
	struct journal_entry r;
	size_t n;

	(void)state;
	log_open(make, &r);
	log_info("a\nb=");
	n = journal_entry_pack(&r, out, sizeof(out));
	assert_true(n > sizeof(wanted));
	assert_memory_equal(out, wanted, sizeof(wanted) - 1);
	assert_int_equal(out[n - 1], '\n');
	assert_null(
	    memchr(out + sizeof(wanted) - 1, '=', n - sizeof(wanted) + 1));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_service),
		cmocka_unit_test(test_source),
		cmocka_unit_test(test_about_nothing),
		cmocka_unit_test(test_forged),
		cmocka_unit_test(test_too_much),
		cmocka_unit_test(test_ids),
		cmocka_unit_test(test_level),
		cmocka_unit_test(test_packed),
	};

	return UNIT_MAIN("event", tests);
}
