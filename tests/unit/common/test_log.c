/*
 * Log lines: levels, input of the sink, and how many a guest can cause.
 */
#include "unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"

#define START (1000 * NS_PER_SEC)

struct seen {
	int count;
	enum log_level level;
	char subject[GUEST_NAME_SIZE];
	char text[LOG_TEXT_SIZE + 1];
};

static void
keep(void *arg, const struct log_line *line)
{
	const struct log_subject *about = line->about;
	struct seen *seen = arg;

	seen->count++;
	seen->level = line->level;
	snprintf(seen->subject, sizeof(seen->subject), "%s%s",
	    about == NULL ? "" : about->kind, about == NULL ? "" : about->name);
	snprintf(seen->text, sizeof(seen->text), "%s", line->text);
}

static void
test_levels(void **state)
{
	struct seen line = { 0 };

	(void)state;
	log_open(keep, &line);
	log_set_level(LOG_LEVEL_WARNING);
	log_debug("no");
	log_info("no");
	assert_int_equal(line.count, 0);
	log_warning("%d of %s", 3, "four");
	assert_int_equal(line.count, 1);
	assert_int_equal(line.level, LOG_LEVEL_WARNING);
	assert_string_equal(line.text, "3 of four");
	assert_string_equal(line.subject, "");
	log_error("yes");
	assert_int_equal(line.level, LOG_LEVEL_ERROR);
	log_set_level(LOG_LEVEL_DEBUG);
	log_debug("now");
	assert_int_equal(line.count, 3);
	assert_int_equal(line.level, LOG_LEVEL_DEBUG);
}

/* Events are watched at each level; other lines are not. */
static void
test_watch(void **state)
{
	const struct log_line event = { .level = LOG_LEVEL_INFO, .id = "0" };
	struct seen logged = { 0 }, watched = { 0 };

	(void)state;
	log_open(keep, &logged);
	log_set_level(LOG_LEVEL_WARNING);
	log_send(&event, "before");
	log_watch(keep, &watched);
	log_send(&event, "event %d", 1);
	log_warning("no event");
	assert_int_equal(watched.count, 1);
	assert_string_equal(watched.text, "event 1");
	assert_int_equal(logged.count, 1);
	log_set_level(LOG_LEVEL_INFO);
	log_send(&event, "event 2");
	assert_string_equal(watched.text, "event 2");
	assert_string_equal(logged.text, "event 2");
	log_watch(NULL, NULL);
	log_send(&event, "event 3");
	assert_int_equal(watched.count, 2);
	assert_int_equal(logged.count, 3);
}

static void
test_subject(void **state)
{
	const struct log_subject vm1 = { .kind = "guest", .name = "vm1" };
	struct seen line = { 0 };

	(void)state;
	log_open(keep, &line);
	log_set_level(LOG_LEVEL_INFO);
	log_about(LOG_LEVEL_DEBUG, &vm1, "no");
	assert_int_equal(line.count, 0);
	log_about(LOG_LEVEL_INFO, &vm1, "size %u", 3);
	assert_string_equal(line.subject, "guestvm1");
	assert_string_equal(line.text, "size 3");
}

static void
test_long(void **state)
{
	struct seen line = { 0 };
	char text[2 * LOG_TEXT_SIZE];

	(void)state;
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	log_open(keep, &line);
	log_info("%s", text);
	assert_int_equal(strlen(line.text), LOG_TEXT_SIZE - 1);
}

/* As many lines as may be logged at `now`; the last sets `suppressed`. */
static int
passes(struct log_limit *limit, uint64_t now, uint32_t *suppressed)
{
	uint32_t n;
	int count = 0;

	*suppressed = 0;
	while (log_limit_pass(limit, now, &n)) {
		*suppressed += n;
		assert_true(++count < 1000);
	}
	return count;
}

static void
test_limit(void **state)
{
	struct log_limit limit;
	uint32_t suppressed;

	(void)state;
	log_limit_init(&limit, START);
	assert_int_equal(passes(&limit, START, &suppressed), LOG_BURST);
	assert_int_equal(suppressed, 0);
	/* One was refused above, four are here. */
	for (int i = 0; i < 4; i++)
		assert_false(log_limit_pass(&limit, START, &suppressed));
	assert_int_equal(passes(&limit, START + NS_PER_SEC, &suppressed), 1);
	assert_int_equal(suppressed, 5);
	assert_int_equal(passes(&limit, START + 4 * NS_PER_SEC, &suppressed),
	    3);
	assert_int_equal(suppressed, 1);
	assert_int_equal(passes(&limit, START + 9999 * NS_PER_SEC, &suppressed),
	    LOG_BURST);
}

/* Frequent checks change nothing. */
static void
test_limit_often(void **state)
{
	struct log_limit limit;
	uint32_t suppressed;
	int count = 0;

	(void)state;
	log_limit_init(&limit, START);
	for (uint64_t now = START; now < START + 100 * NS_PER_SEC;
	     now += NS_PER_SEC / 10 - 1)
		count += log_limit_pass(&limit, now, &suppressed);
	assert_in_range(count, LOG_BURST + 98, LOG_BURST + 100);
}

static void
test_limit_clock_back(void **state)
{
	struct log_limit limit;
	uint32_t suppressed;

	(void)state;
	log_limit_init(&limit, START);
	assert_int_equal(passes(&limit, START, &suppressed), LOG_BURST);
	assert_int_equal(passes(&limit, 0, &suppressed), 0);
	assert_int_equal(passes(&limit, START + NS_PER_SEC, &suppressed), 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_levels),
		cmocka_unit_test(test_watch),
		cmocka_unit_test(test_subject),
		cmocka_unit_test(test_long),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_limit_often),
		cmocka_unit_test(test_limit_clock_back),
	};

	return UNIT_MAIN("log", tests);
}
