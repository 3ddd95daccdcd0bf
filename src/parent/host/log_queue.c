/*
 * The queue of log lines that could not be written yet (log_queue.h).  Used by
 * log_output.c.
 */
#include <stdlib.h>
#include <string.h>

#include "parent/host/log_queue.h"

void
log_queue_init(struct log_queue *q)
{
	*q = (struct log_queue){ 0 };
	TAILQ_INIT(&q->entries);
}

static size_t
cost(size_t size)
{
	return sizeof(struct log_entry) + size;
}

static void
count_lost(struct log_queue *q, enum log_level level)
{
	q->lost++;
	q->lost_alarms += level == LOG_LEVEL_ERROR;
}

static void
drop(struct log_queue *q, struct log_entry *e)
{
	TAILQ_REMOVE(&q->entries, e, entry);
	q->used -= cost(e->size);
	free(e);
}

/*
 * The oldest of the least important lines below `level`, or NULL.  Skips a
 * partially written line.
 */
static struct log_entry *
find_victim(const struct log_queue *q, enum log_level level)
{
	struct log_entry *e, *victim = NULL;

	TAILQ_FOREACH(e, &q->entries, entry) {
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): not in the list */
		if (e->level <= level || e->done > 0)
			continue;
		if (victim == NULL || e->level > victim->level)
			victim = e;
	}
	return victim;
}

void
log_queue_put(struct log_queue *q, enum log_level level, const void *bytes,
    size_t size)
{
	struct log_entry *e;

	while (q->used + cost(size) > LOG_QUEUE_MAX) {
		if ((e = find_victim(q, level)) == NULL) {
			count_lost(q, level);
			return;
		}
		count_lost(q, e->level);
		drop(q, e);
	}
	if ((e = malloc(cost(size))) == NULL) {
		count_lost(q, level);
		return;
	}
	e->level = level;
	e->size = size;
	e->done = 0;
	memcpy(e->bytes, bytes, size);
	TAILQ_INSERT_TAIL(&q->entries, e, entry);
	q->used += cost(size);
}

struct log_entry *
log_queue_first(struct log_queue *q)
{
	return TAILQ_FIRST(&q->entries);
}

void
log_queue_shift(struct log_queue *q)
{
	drop(q, TAILQ_FIRST(&q->entries));
}

void
log_queue_lost(struct log_queue *q, uint64_t *lost, uint64_t *alarms)
{
	*lost = q->lost;
	*alarms = q->lost_alarms;
	q->lost = q->lost_alarms = 0;
}
