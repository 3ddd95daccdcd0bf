/*
 * The catalog, vrngd.catalog, and the manual have all events that there are,
 * and no others.
 */
#include "unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "parent/host/event.h"

#define ENTRY	"-- "
#define SUBJECT "Subject: "

/* All of a file, allocated. */
static char *
slurp(const char *path)
{
	FILE *file = fopen(path, "r");
	char *text = NULL;
	size_t size = 0;

	assert_non_null(file);
	assert_true(getdelim(&text, &size, '\0', file) > 0);
	fclose(file);
	return text;
}

static const struct event_type *
find(const char *id)
{
	for (unsigned int i = 0; i < EVENT_TYPES; i++)
		if (strncmp(event_type(i)->id, id, strlen(event_type(i)->id)) ==
		    0)
			return event_type(i);
	return NULL;
}

/* How often it stands in a text. */
static int
count(const char *text, const char *what)
{
	int n = 0;

	for (; (text = strstr(text, what)) != NULL; text += strlen(what))
		n++;
	return n;
}

/* Each entry is about an event, says what it is called, and says something. */
static void
test_entries(void **state)
{
	char *text = slurp(CATALOG), *rest = text, *line;
	const struct event_type *type;
	const char *subject = "";
	unsigned int entries = 0;
	size_t len = 100;

	(void)state;
	while ((line = strsep(&rest, "\n")) != NULL) {
		if (strncmp(line, SUBJECT, strlen(SUBJECT)) == 0) {
			assert_string_equal(line + strlen(SUBJECT), subject);
			continue;
		}
		len += strlen(line);
		if (strncmp(line, ENTRY, strlen(ENTRY)) != 0)
			continue;
		assert_true(len > 100);
		len = 0;
		entries++;
		if ((type = find(line + strlen(ENTRY))) == NULL)
			fail_msg("there is no event %s", line);
		else
			subject = type->subject;
	}
	assert_true(len > 100);
	assert_int_equal(entries, EVENT_TYPES);
	free(text);
}

static void
test_complete(void **state)
{
	char *text = slurp(CATALOG), entry[64];

	(void)state;
	for (unsigned int i = 0; i < EVENT_TYPES; i++) {
		snprintf(entry, sizeof(entry), "\n" ENTRY "%s\n" SUBJECT,
		    event_type(i)->id);
		if (count(text, entry) != 1)
			fail_msg("not one entry for %s", event_type(i)->name);
	}
	free(text);
}

/* Each has a row with its id, and each field of the catalog is explained. */
static void
test_manual(void **state)
{
	char *manual = slurp(MANUAL), *text = slurp(CATALOG);
	char *rest = text, *field, item[64];

	(void)state;
	for (unsigned int i = 0; i < EVENT_TYPES; i++) {
		snprintf(item, sizeof(item), "\n.It %s Ta ", event_type(i)->id);
		if (count(manual, item) != 1)
			fail_msg("not one row for %s", event_type(i)->name);
	}
	while ((field = strstr(rest, "@VRNGD_")) != NULL) {
		rest = strchr(++field, '@');
		assert_non_null(rest);
		*rest++ = '\0';
		snprintf(item, sizeof(item), ".It Dv %s\n", field);
		if (count(manual, item) != 1)
			fail_msg("%s is not explained", field);
	}
	free(manual);
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_entries),
		cmocka_unit_test(test_complete),
		cmocka_unit_test(test_manual),
	};

	return UNIT_MAIN("catalog", tests);
}
