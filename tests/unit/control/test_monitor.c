/*
 * Events on their way to the status process: what is in them, and that no more
 * are kept than have room.
 */
#include "unit/unit.h"

#include <sys/socket.h>

#include <errno.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/channel.h"
#include "common/clock.h"
#include "parent/control/monitor.h"
#include "parent/host/event.h"

static const struct log_subject vm1 = {
	.kind = "guest",
	.name = "vm1",
	.pool = "default",
	.class = "gold",
};

static struct {
	sd_event *event;
	struct process process;
	struct monitor monitor;
	int fd; /* of the status process */
} world;

static void
sink(void *arg, const struct log_line *line)
{
	(void)arg, (void)line;
}

static void
start(void)
{
	int fds[2];

	assert_int_equal(channel_pair(fds), 0);
	assert_true(sd_event_new(&world.event) >= 0);
	world.process = (struct process){ .channel = fds[0] };
	TAILQ_INIT(&world.process.out);
	world.fd = fds[1];
	monitor_init(&world.monitor, world.event, &world.process);
	log_open(sink, NULL);
}

static void
stop(void)
{
	monitor_free(&world.monitor);
	close(world.fd);
	close(world.process.channel);
	sd_event_unref(world.event);
}

static void
ask(uint32_t on, uint32_t serial)
{
	const struct proto_events_ask ask = { .on = on, .serial = serial };

	monitor_ask(&world.monitor, &ask);
}

/* Runs the event loop.  Returns whether the process has received events. */
static bool
receive(struct json_object **events, uint64_t *lost, uint32_t serial)
{
	struct frame f;
	char *text;

	*events = NULL;
	*lost = 0;
	while (sd_event_run(world.event, 50000) > 0)
		continue;
	if (channel_recv(world.fd, &f, ROLE_PARENT, ROLE_STATUS) !=
	    CHANNEL_FRAME)
		return false;
	assert_int_equal(f.hdr.type, PROTO_EVENTS);
	assert_int_equal(f.u.events.serial, serial);
	assert_int_equal(fcntl(f.fds[0], F_GET_SEALS), JSON_SEALS);
	text = calloc(1, f.u.events.size + 1);
	assert_non_null(text);
	assert_int_equal(pread(f.fds[0], text, f.u.events.size + 1, 0),
	    f.u.events.size);
	close(f.fds[0]);
	*events = json_tokener_parse(text);
	assert_true(json_object_is_type(*events, json_type_array));
	*lost = f.u.events.lost;
	free(text);
	return true;
}

/* The same without checking what is in them. */
static size_t
receive_number(uint64_t *lost, uint32_t serial)
{
	struct json_object *events = NULL;
	size_t n;

	assert_true(receive(&events, lost, serial));
	n = json_object_array_length(events);
	json_object_put(events);
	return n;
}

static void
expect(struct json_object *o, const char *key, const char *want)
{
	struct json_object *value;

	assert_true(json_object_object_get_ex(o, key, &value));
	if (want == NULL)
		assert_null(value);
	else
		assert_string_equal(json_object_get_string(value), want);
}

static void
test_fields(void **state)
{
	struct json_object *events, *event, *fields;
	uint64_t lost;

	(void)state;
	start();
	event_log(EVENT_CONNECTED, &vm1, NULL, "before");
	ask(1, 1);
	assert_true(receive(&events, &lost, 1));
	assert_int_equal(json_object_array_length(events), 0);
	json_object_put(events);
	ask(1, 2);
	assert_false(receive(&events, &lost, 2));
	log_error("no event");
	log_set_level(LOG_LEVEL_ERROR);
	event_log(EVENT_CONNECTED, &vm1,
	    LOG_FIELDS(LOG_NUMBER("VRNGD_PEER_PID", 7),
		LOG_TEXT("VRNGD_PROCESS", "vhost")),
	    "connected by \"%s\"", "\xff\n");
	event_log(EVENT_NOT_RESUMED, NULL,
	    LOG_FIELDS(LOG_TEXT("VRNGD_GUEST", "vm2")), "rejected");
	log_set_level(LOG_LEVEL_INFO);
	assert_true(receive(&events, &lost, 2));
	assert_int_equal(lost, 0);
	assert_int_equal(json_object_array_length(events), 2);
	event = json_object_array_get_idx(events, 0);
	expect(event, "event", "connected");
	expect(event, "message_id", event_type(EVENT_CONNECTED)->id);
	expect(event, "level", "info");
	expect(event, "message", "guest vm1: connected by \"\xef\xbf\xbd\n\"");
	expect(event, "guest", "vm1");
	expect(event, "service", NULL);
	expect(event, "kind", NULL);
	expect(event, "pool", "default");
	expect(event, "class", "gold");
	expect(event, "source", NULL);
	assert_true(json_object_object_get_ex(event, "fields", &fields));
	expect(fields, "VRNGD_PEER_PID", "7");
	expect(fields, "VRNGD_PROCESS", "vhost");
	event = json_object_array_get_idx(events, 1);
	expect(event, "guest", "vm2");
	expect(event, "message", "rejected");
	json_object_put(events);
	stop();
}

/* Events gather while none are asked for, as many as have room. */
static void
test_bounds(void **state)
{
	const uint64_t n = 10000;
	struct json_object *events = NULL;
	uint64_t lost;
	size_t got;

	(void)state;
	start();
	ask(1, 1);
	assert_int_equal(receive_number(&lost, 1), 0);
	for (uint64_t i = 0; i < n; i++)
		event_log(EVENT_CONNECTED, &vm1, NULL, "connected");
	assert_false(receive(&events, &lost, 1));
	ask(1, 2);
	got = receive_number(&lost, 2);
	assert_in_range(got, 100, n / 2);
	assert_int_equal(got + lost, n);
	/* Then there is room again. */
	ask(1, 3);
	assert_false(receive(&events, &lost, 3));
	event_log(EVENT_CONNECTED, &vm1, NULL, "connected");
	assert_int_equal(receive_number(&lost, 3), 1);
	assert_int_equal(lost, 0);
	stop();
}

/* After the end nothing is gathered or answered. */
static void
test_off(void **state)
{
	size_t before = unit_count_fds();
	struct json_object *events = NULL;
	uint64_t lost;

	(void)state;
	start();
	ask(1, 1);
	assert_int_equal(receive_number(&lost, 1), 0);
	ask(1, 2);
	event_log(EVENT_CONNECTED, &vm1, NULL, "connected");
	ask(0, 3);
	event_log(EVENT_CONNECTED, &vm1, NULL, "connected");
	assert_false(receive(&events, &lost, 3));
	ask(1, 4);
	assert_int_equal(receive_number(&lost, 4), 0);
	event_log(EVENT_CONNECTED, &vm1, NULL, "connected");
	monitor_stop(&world.monitor);
	event_log(EVENT_CONNECTED, &vm1, NULL, "connected");
	ask(1, 1);
	assert_int_equal(receive_number(&lost, 1), 0);
	assert_int_equal(lost, 0);
	stop();
	assert_int_equal(unit_count_fds(), before);
}

/* Files are not sent too often, however often they are asked for. */
static void
test_rate(void **state)
{
	const uint32_t n = 20;
	uint64_t lost, begin = clock_now();

	(void)state;
	start();
	for (uint32_t i = 1; i <= n; i++) {
		if (i % 2 == 0)
			ask(0, i);
		ask(1, i);
		event_log(EVENT_CONNECTED, &vm1, NULL, "connected");
		receive_number(&lost, i);
	}
	assert_true(clock_now() - begin >= (n - 1) * MONITOR_INTERVAL);
	stop();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_off),
		cmocka_unit_test(test_rate),
	};

	return UNIT_MAIN("monitor", tests);
}
