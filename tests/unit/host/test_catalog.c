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

/*
 * For each event its level, as in the manual, and the file in tests/integration
 * that causes it and reads it back from the journal.  An event without such a
 * test has no row, and fails.
 */
static const struct {
	enum event event;
	const char *level;
	const char *test;
} tested[] = {
	{ EVENT_READY, "info", "events.c" },
	{ EVENT_STOPPING, "info", "test_statistics.c" },
	{ EVENT_RELOADED, "info", "test_events.c" },
	{ EVENT_RELOAD_PARTLY, "err", "test_events_more.c" },
	{ EVENT_RELOAD_REFUSED, "err", "test_events.c" },
	{ EVENT_LAYERS_MISSING, "warning", "test_events_more.c" },
	{ EVENT_LOG_LOST, "warning", "test_unread.c" },
	{ EVENT_CONTROLLED, "info", "test_events.c" },
	{ EVENT_CONTROL_REFUSED, "warning", "test_events_more.c" },
	{ EVENT_GUEST_ADDED, "info", "test_events.c" },
	{ EVENT_GUEST_REJECTED, "warning", "test_events.c" },
	{ EVENT_GUEST_REMOVED, "info", "test_events.c" },
	{ EVENT_GUEST_MOVED, "warning", "test_events_more.c" },
	{ EVENT_CONNECTED, "info", "test_events.c" },
	{ EVENT_DISCONNECTED, "info", "test_events.c" },
	{ EVENT_SECOND_REFUSED, "warning", "test_events_more.c" },
	{ EVENT_SERVED, "debug", "test_events_more.c" },
	{ EVENT_UNREACHABLE, "info", "test_events_more.c" },
	{ EVENT_THROTTLED, "info", "test_statistics.c" },
	{ EVENT_PROCESS_DIED, "warning", "test_events.c" },
	{ EVENT_PROCESS_MISSING, "err", "test_events_more.c" },
	{ EVENT_ALARM, "err", "test_events.c" },
	{ EVENT_PROCESS_HUNG, "err", "test_events_more.c" },
	{ EVENT_WORKER_RESTARTED, "warning", "test_events.c" },
	{ EVENT_WORKERS_DIE, "warning", "test_events_more.c" },
	{ EVENT_CUT_OFF, "err", "test_events.c" },
	{ EVENT_RESUMED, "info", "test_statistics.c" },
	{ EVENT_NOT_RESUMED, "warning", "test_events_more.c" },
	{ EVENT_NOT_KEPT, "warning", "test_events_more.c" },
	{ EVENT_ENTROPY_RESTARTED, "warning", "test_events.c" },
	{ EVENT_SOURCE_HEALTHY, "info", "test_events.c" },
	{ EVENT_SOURCE_CONNECTED, "info", "test_events_more.c" },
	{ EVENT_SOURCE_RECOVERED, "info", "test_events.c" },
	{ EVENT_SOURCE_STALLED, "warning", "test_events.c" },
	{ EVENT_SOURCE_FAILED, "warning", "test_events.c" },
	{ EVENT_SOURCE_LATCHED, "err", "test_events.c" },
	{ EVENT_SOURCE_LOST, "warning", "test_events_more.c" },
	{ EVENT_SOURCE_EXHAUSTED, "warning", "test_events_more.c" },
	{ EVENT_SOURCE_RETESTED, "info", "test_events.c" },
	{ EVENT_POOL_SERVING, "info", "test_events.c" },
	{ EVENT_POOL_DEGRADED, "warning", "test_events.c" },
	{ EVENT_POOL_STARVED, "err", "test_events.c" },
	{ EVENT_STATISTICS, "info", "test_statistics.c" },
	{ EVENT_SOURCE_STATISTICS, "info", "test_statistics.c" },
	{ EVENT_POOL_STATISTICS, "info", "test_statistics.c" },
};

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

/*
 * Each event has a test, which names it; its level is that of the table and of
 * the manual.
 */
static void
test_tested(void **state)
{
	static const char *const levels[] = {
		[LOG_LEVEL_ERROR] = "err",
		[LOG_LEVEL_WARNING] = "warning",
		[LOG_LEVEL_INFO] = "info",
		[LOG_LEVEL_DEBUG] = "debug",
	};
	char *manual = slurp(MANUAL), *text, path[512], name[64], row[128];
	unsigned int rows[EVENT_TYPES] = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(tested) / sizeof(tested[0]); i++) {
		const struct event_type *type = event_type(tested[i].event);

		rows[tested[i].event]++;
		assert_string_equal(levels[type->level], tested[i].level);
		snprintf(row, sizeof(row), "\n.It %s Ta %s Ta ", type->id,
		    tested[i].level);
		if (count(manual, row) != 1)
			fail_msg("the manual has another level for %s",
			    type->name);
		snprintf(path, sizeof(path), "%s/%s", INTEGRATION,
		    tested[i].test);
		text = slurp(path);
		snprintf(name, sizeof(name), "EVENT_%s", type->name);
		if (count(text, name) == 0)
			fail_msg("%s is not in %s", name, path);
		free(text);
	}
	for (unsigned int i = 0; i < EVENT_TYPES; i++)
		if (rows[i] != 1)
			fail_msg("not one test for %s", event_type(i)->name);
	free(manual);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_entries),
		cmocka_unit_test(test_complete),
		cmocka_unit_test(test_manual),
		cmocka_unit_test(test_tested),
	};

	return UNIT_MAIN("catalog", tests);
}
