/*
 * The queue of log lines: order, its limit, and which lines it gives up.
 */
#include "unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "parent/host/log_queue.h"

#define LINE 1000 /* bytes */

static void
put(struct log_queue *q, enum log_level level, unsigned int number)
{
	char line[LINE];

	memset(line, '.', sizeof(line));
	snprintf(line, sizeof(line), "%u", number);
	log_queue_put(q, level, line, sizeof(line));
}

/* Takes the first line out: its number, or -1. */
static int
take(struct log_queue *q, enum log_level *level)
{
	struct log_entry *e = log_queue_first(q);
	int number;

	if (e == NULL)
		return -1;
	assert_int_equal(e->size, LINE);
	assert_int_equal(sscanf(e->bytes, "%d", &number), 1);
	*level = e->level;
	log_queue_shift(q);
	return number;
}

static void
test_order(void **state)
{
	enum log_level level = LOG_LEVEL_DEBUG;
	struct log_queue q;

	(void)state;
	log_queue_init(&q);
	put(&q, LOG_LEVEL_DEBUG, 1);
	put(&q, LOG_LEVEL_ERROR, 2);
	put(&q, LOG_LEVEL_INFO, 3);
	assert_int_equal(take(&q, &level), 1);
	assert_int_equal(level, LOG_LEVEL_DEBUG);
	assert_int_equal(take(&q, &level), 2);
	assert_int_equal(take(&q, &level), 3);
	assert_int_equal(take(&q, &level), -1);
	assert_int_equal(q.used, 0);
	assert_int_equal(q.lost, 0);
}

/* Fills it; returns how many it holds. */
static unsigned int
fill(struct log_queue *q, enum log_level level)
{
	unsigned int n;

	for (n = 0; q->lost == 0; n++)
		put(q, level, n);
	assert_true(q->used <= LOG_QUEUE_MAX);
	assert_true(q->used > LOG_QUEUE_MAX - 2 * LINE);
	return n - 1;
}

/* A full queue keeps the oldest lines of one level. */
static void
test_full(void **state)
{
	enum log_level level = LOG_LEVEL_DEBUG;
	struct log_queue q;
	uint64_t lost, alarms;
	unsigned int n;

	(void)state;
	log_queue_init(&q);
	n = fill(&q, LOG_LEVEL_INFO);
	put(&q, LOG_LEVEL_DEBUG, n);
	put(&q, LOG_LEVEL_INFO, n);
	log_queue_lost(&q, &lost, &alarms);
	assert_int_equal(lost, 3);
	assert_int_equal(alarms, 0);
	assert_int_equal(q.lost, 0);
	for (unsigned int i = 0; i < n; i++)
		assert_int_equal(take(&q, &level), i);
	assert_int_equal(take(&q, &level), -1);
}

/* Alarms take the place of warnings, these of information; none is written. */
static void
test_alarms(void **state)
{
	enum log_level level = LOG_LEVEL_DEBUG;
	struct log_queue q;
	uint64_t lost, alarms;
	unsigned int n;

	(void)state;
	log_queue_init(&q);
	n = fill(&q, LOG_LEVEL_INFO);
	log_queue_first(&q)->done = 1; /* is being written */
	put(&q, LOG_LEVEL_WARNING, 10000);
	for (unsigned int i = 0; i + 1 < n; i++)
		put(&q, LOG_LEVEL_ERROR, 20000 + i);
	log_queue_lost(&q, &lost, &alarms);
	assert_int_equal(lost, n + 1);
	assert_int_equal(alarms, 0);
	put(&q, LOG_LEVEL_ERROR, 30000);
	put(&q, LOG_LEVEL_WARNING, 30001);
	log_queue_lost(&q, &lost, &alarms);
	assert_int_equal(lost, 2);
	assert_int_equal(alarms, 1);
	assert_int_equal(take(&q, &level), 0);
	assert_int_equal(level, LOG_LEVEL_INFO);
	for (unsigned int i = 0; i + 1 < n; i++)
		assert_int_equal(take(&q, &level), 20000 + i);
	assert_int_equal(take(&q, &level), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_alarms),
	};

	return UNIT_MAIN("log_queue", tests);
}
