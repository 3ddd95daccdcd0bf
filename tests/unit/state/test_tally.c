/*
 * The log of guests that are added: each has a record, many are one line.
 */
#include "unit/unit.h"

#include <bsd/string.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "parent/state/tally.h"

/* What was logged. */
struct seen {
	unsigned int shown;  /* records with a message */
	unsigned int hidden; /* and without */
	unsigned int lines;  /* about many guests */
	char text[LOG_TEXT_SIZE];
};

static void
sink(void *arg, const struct log_line *line)
{
	struct seen *seen = arg;

	if (line->id == NULL) {
		seen->lines++;
		strlcpy(seen->text, line->text, sizeof(seen->text));
	} else if (line->view == LOG_VIEW_TEXT)
		seen->shown++;
	else
		seen->hidden++;
}

static void
add(struct tally *t, int n)
{
	static struct guest guest;

	guest.subject = (struct log_subject){ .kind = "guest", .name = "vm" };
	for (int i = 0; i < n; i++)
		tally_guest(t, &guest);
}

/* Several at once: their number is known. */
static void
test_at_once(void **state)
{
	struct seen seen = { 0 };
	sd_event *event;
	struct tally t;

	(void)state;
	assert_true(sd_event_new(&event) >= 0);
	log_open(sink, &seen);
	tally_init(&t, event, EVENT_GUEST_ADDED, "added");
	tally_begin(&t, 2000);
	add(&t, 2000);
	assert_int_equal(seen.lines, 0);
	tally_end(&t);
	assert_int_equal(seen.shown, 0);
	assert_int_equal(seen.hidden, 2000);
	assert_int_equal(seen.lines, 1);
	assert_string_equal(seen.text, "2000 guests added");
	/* Few guests are shown. */
	tally_begin(&t, 3);
	add(&t, 3);
	tally_end(&t);
	assert_int_equal(seen.shown, 3);
	assert_int_equal(seen.lines, 1);
	tally_free(&t);
	assert_int_equal(seen.lines, 1);
	sd_event_unref(event);
}

/* One by one: their number is not known before. */
static void
test_one_by_one(void **state)
{
	uint64_t deadline = clock_now() + 30 * NS_PER_SEC;
	struct seen seen = { 0 };
	sd_event *event;
	struct tally t;

	(void)state;
	assert_true(sd_event_new(&event) >= 0);
	log_open(sink, &seen);
	tally_init(&t, event, EVENT_GUEST_ADDED, "added");
	add(&t, 1000);
	assert_int_equal(seen.shown + seen.hidden, 1000);
	assert_in_range(seen.shown, TALLY_SHOWN, TALLY_SHOWN + 30);
	while (seen.lines == 0 && clock_now() < deadline)
		assert_true(sd_event_run(event, 10000) >= 0);
	assert_int_equal(seen.lines, 1);
	assert_int_equal(strtoul(seen.text, NULL, 10), seen.hidden);
	assert_non_null(strstr(seen.text, " more guests added"));
	/* What is left is logged at the end. */
	add(&t, 100);
	tally_free(&t);
	assert_int_equal(seen.shown + seen.hidden, 1100);
	assert_int_equal(seen.lines, 2);
	sd_event_unref(event);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_at_once),
		cmocka_unit_test(test_one_by_one),
	};

	return UNIT_MAIN("tally", tests);
}
