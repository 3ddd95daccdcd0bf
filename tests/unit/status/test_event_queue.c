/*
 * The queue of events of a client: whole replies, no more than have room, and
 * the number of the others.
 */
#include "unit/unit.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "status/event_queue.h"

#define EVENT_SIZE 1000 /* bytes, at most */

/* Bytes that a client has received. */
struct reader {
	char text[EVENT_QUEUE_SIZE * 2];
	size_t n;
	uint64_t next; /* the number of the next event */
	uint64_t lost; /* as reported */
};

static uint64_t
number(struct json_object *o, const char *key)
{
	struct json_object *value;

	assert_true(json_object_object_get_ex(o, key, &value));
	return json_object_get_uint64(value);
}

/* Takes all whole replies, whose events are numbered. */
static void
take_replies(struct reader *r)
{
	struct json_object *reply, *parameters, *event;
	size_t at = 0, len;

	while (memchr(r->text + at, '\0', r->n - at) != NULL) {
		len = strlen(r->text + at);
		reply = json_tokener_parse(r->text + at);
		assert_non_null(reply);
		assert_int_equal(number(reply, "continues"), 1);
		assert_true(json_object_object_get_ex(reply, "parameters",
		    &parameters));
		assert_true(
		    json_object_object_get_ex(parameters, "event", &event));
		r->lost += number(parameters, "lost");
		r->next += number(parameters, "lost");
		if (event != NULL)
			assert_int_equal(number(event, "n"), r->next++);
		json_object_put(reply);
		at += len + 1;
	}
	memmove(r->text, r->text + at, r->n - at);
	r->n -= at;
}

/* Reads at most so many bytes. */
static void
read_some(struct event_queue *q, struct reader *r, size_t most)
{
	struct part first = event_queue_first(q);
	size_t n = first.size < most ? first.size : most;

	memcpy(r->text + r->n, first.text, n);
	r->n += n;
	event_queue_shift(q, n);
	take_replies(r);
}

static void
put_event(struct event_queue *q, uint64_t n, size_t size)
{
	char text[EVENT_SIZE + 64];
	int len;

	len = snprintf(text, sizeof(text), "{\"n\":%ju,\"x\":\"%*s\"}",
	    (uintmax_t)n, (int)size, "");
	event_queue_put(q, (struct part){ text, (size_t)len });
	assert_true(event_queue_first(q).size <= EVENT_QUEUE_SIZE);
}

/* Each event is received or counted, in their order, by any reader. */
static void
test_bounds(void **state)
{
	static struct reader r;
	uint64_t seed = program_seed(), n = 0;
	struct event_queue q;

	(void)state;
	assert_true(event_queue_init(&q));
	for (int round = 0; round < 2000; round++) {
		for (size_t i = unit_below(&seed, 40); i > 0; i--)
			put_event(&q, n++, unit_below(&seed, EVENT_SIZE));
		read_some(&q, &r, unit_below(&seed, 24000));
	}
	do {
		read_some(&q, &r, EVENT_QUEUE_SIZE);
		if (q.lost > 0)
			event_queue_note(&q);
	} while (event_queue_first(&q).size > 0);
	assert_int_equal(r.next, n);
	assert_true(r.lost > 0 && r.lost < n);
	assert_int_equal(r.n, 0);
	event_queue_free(&q);
}

/* The first reply, and one that only has a number. */
static void
test_note(void **state)
{
	struct event_queue q;

	(void)state;
	assert_true(event_queue_init(&q));
	assert_int_equal(event_queue_first(&q).size, 0);
	event_queue_note(&q);
	assert_string_equal(event_queue_first(&q).text,
	    "{\"parameters\":{\"event\":null,\"lost\":0},\"continues\":true}");
	event_queue_shift(&q, event_queue_first(&q).size);
	q.lost = UINT64_MAX;
	event_queue_note(&q);
	assert_string_equal(event_queue_first(&q).text,
	    "{\"parameters\":{\"event\":null,\"lost\":18446744073709551615},"
	    "\"continues\":true}");
	assert_int_equal(q.lost, 0);
	event_queue_free(&q);
}

/* An event that is larger than the queue is lost. */
static void
test_large(void **state)
{
	static char text[EVENT_QUEUE_SIZE];
	struct event_queue q;

	(void)state;
	assert_true(event_queue_init(&q));
	memset(text, ' ', sizeof(text));
	event_queue_put(&q, (struct part){ text, sizeof(text) });
	assert_int_equal(event_queue_first(&q).size, 0);
	assert_int_equal(q.lost, 1);
	event_queue_free(&q);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_note),
		cmocka_unit_test(test_large),
	};

	return UNIT_MAIN("event queue", tests);
}
