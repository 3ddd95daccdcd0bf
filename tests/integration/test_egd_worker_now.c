/*
 * What an egd worker says that there is at once, and what of the parent and the
 * entropy process that depends on.
 */
#include "integration/outlet.h"

#include <sys/socket.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "integration/suite.h"

#define TIMEOUT_MS 250 /* of the worker, for an answer of the parent */

/* The parent tells, without having been pumped. */
static void
tell(struct outlet *o, uint64_t granted, uint64_t available)
{
	struct frame f;

	frame_init(&f, PROTO_NOW, 5, o->generation);
	f.u.now.granted = granted;
	f.u.now.available = available;
	assert_int_equal(channel_send(o->channel, &f), 0);
}

/* A worker and a client, and a parent that does nothing by itself. */
static struct outlet *
start(int *fd)
{
	struct outlet *o = outlet_unix(SERVE_EGD);

	*fd = outlet_connect(o);
	o->grants = GRANT_NOTHING;
	o->tells = false;
	return o;
}

static void
finish(struct outlet *o, int fd)
{
	close(fd);
	outlet_stop(o);
}

/* 01 is answered with what there is when all that was granted has come. */
static void
test_granted(void **state)
{
	int fd;
	struct outlet *o = start(&fd);

	(void)state;
	SAY(fd, "\001\024");
	outlet_until(o, &o->asks, 0);
	assert_int_equal(o->want.need, 20);
	tell(o, 0, 0);
	HEARS(o, fd, "\000");
	outlet_quiet(o);
	assert_int_equal(o->want.need, 0);
	/* Some of it. */
	SAY(fd, "\001\024");
	outlet_until(o, &o->asks, 1);
	tell(o, 7, 0);
	outlet_pump(o, OUTLET_BRIEF / 5);
	outlet_give(o, 3);
	outlet_pump(o, OUTLET_BRIEF / 5);
	outlet_give(o, 4);
	HEARS(o, fd, "\007");
	outlet_served(o, fd, 0, 7);
	/* All of it: no answer has to be waited for. */
	SAY(fd, "\001\024");
	outlet_until(o, &o->asks, 2);
	outlet_give(o, 20);
	HEARS(o, fd, "\024");
	outlet_served(o, fd, 7, 20);
	tell(o, 27, 0); /* too late */
	SAY(fd, "\001\001");
	outlet_until(o, &o->asks, 3);
	tell(o, 27, 0);
	HEARS(o, fd, "\000");
	assert_int_equal(outlet_stats(o)->counters.requests, 4);
	assert_int_equal(o->stats.counters.short_answers, 3);
	finish(o, fd);
}

/* Without an answer, or without what it promised, time is short. */
static void
test_timeout(void **state)
{
	int fd;
	struct outlet *o = start(&fd);
	uint64_t start_ms;

	(void)state;
	for (int i = 0; i < 4; i++) {
		start_ms = outlet_ms();
		if (i < 2)
			SAY(fd, "\001\024");
		else
			SAY(fd, "\000");
		outlet_until(o, &o->asks, (unsigned int)i);
		if (i % 2 == 1 && i < 2)
			tell(o, 1000, 0);
		HEARS(o, fd, "\000");
		if (i >= 2)
			HEARS(o, fd, "\000\000\000");
		assert_in_range(outlet_ms() - start_ms, TIMEOUT_MS, 2000);
	}
	/* Answers that come too late are no harm. */
	tell(o, 0, 1000);
	tell(o, 0, 1000);
	outlet_pump(o, OUTLET_BRIEF);
	SAY(fd, "\000");
	outlet_until(o, &o->asks, 4);
	tell(o, 0, 16);
	HEARS(o, fd, "\000\000\000\200");
	/* What came until then is not kept. */
	SAY(fd, "\001\024");
	outlet_until(o, &o->asks, 5);
	outlet_give(o, 3);
	HEARS(o, fd, "\003");
	outlet_served(o, fd, 0, 3);
	finish(o, fd);
}

/* What is in the window needs no answer of the parent. */
static void
test_window(void **state)
{
	struct outlet *o = outlet_unix(SERVE_EGD);
	int fd;

	(void)state;
	o->grants = GRANT_ROOM;
	outlet_limits(o, 1000, 64, REQUEST_MAX);
	outlet_quiet(o);
	assert_int_equal(o->want.room, 1000);
	assert_int_equal(o->granted, 1000);
	o->grants = GRANT_NOTHING;
	fd = outlet_connect(o);
	for (int i = 0; i < 3; i++) {
		SAY(fd, "\001\377");
		HEARS(o, fd, "\377");
		outlet_served(o, fd, 255 * (uint64_t)i, 255);
	}
	assert_int_equal(o->asks, 0);
	o->promised = 100;
	o->available = 50;
	o->tells = true;
	SAY(fd, "\000");
	HEARS(o, fd, "\000\000\014\010"); /* (235 + 100 + 50) * 8 */
	assert_int_equal(o->asks, 1);
	finish(o, fd);
}

/* What others wait for is not to be had. */
static void
test_owed(void **state)
{
	int fd, other;
	struct outlet *o = start(&fd);

	(void)state;
	other = outlet_connect(o);
	SAY(other, "\002\144");
	outlet_until(o, &o->wants, 0);
	o->tells = true;
	o->available = 1000;
	SAY(fd, "\000");
	HEARS(o, fd, "\000\000\034\040"); /* (1000 - 100) * 8 */
	o->available = 99;
	SAY(fd, "\000");
	HEARS(o, fd, "\000\000\000\000");
	o->available = UINT64_MAX;
	SAY(fd, "\000");
	HEARS(o, fd, "\377\377\377\370");
	close(other);
	finish(o, fd);
}

/* Those who ask together are told together. */
static void
test_together(void **state)
{
	int fds[20], fd;
	struct outlet *o = start(&fd);

	(void)state;
	SAY(fd, "\000");
	outlet_until(o, &o->asks, 0);
	for (size_t i = 0; i < 20; i++) {
		fds[i] = outlet_connect(o);
		if (i % 2 == 0)
			SAY(fds[i], "\000");
		else
			SAY(fds[i], "\001\001");
	}
	outlet_pump(o, OUTLET_BRIEF / 5);
	assert_int_equal(o->asks, 1);
	tell(o, 0, 2);
	HEARS(o, fd, "\000\000\000\000"); /* others wait for 10 bytes */
	outlet_until(o, &o->asks, 1);
	outlet_give(o, 5);
	tell(o, 5, 1);
	for (size_t i = 0; i < 20; i += 2)
		HEARS(o, fds[i], "\000\000\000\000");
	for (size_t i = 1; i < 20; i += 2) {
		if (i < 10) {
			HEARS(o, fds[i], "\001");
			outlet_served(o, fds[i], i / 2, 1);
		} else
			HEARS(o, fds[i], "\000");
	}
	assert_int_equal(o->asks, 2);
	/* Whoever asked and is gone leaves nothing behind. */
	SAY(fd, "\000");
	SAY(fds[1], "\001\001");
	outlet_until(o, &o->asks, 2);
	close(fds[1]);
	close(fd);
	outlet_pump(o, OUTLET_BRIEF / 5);
	SAY(fds[3], "\000");
	outlet_pump(o, 2 * TIMEOUT_MS);
	HEARS(o, fds[3], "\000\000\000\000");
	SAY(fds[3], "\000");
	outlet_until(o, &o->asks, 3);
	tell(o, 5, 1);
	HEARS(o, fds[3], "\000\000\000\010");
	for (size_t i = 0; i < 20; i++)
		if (i != 1)
			close(fds[i]);
	outlet_stop(o);
}

/*
 * Requests that do not wait are not starved by those that do: their share is
 * put by for the next one.
 */
static void
test_no_starving(void **state)
{
	int waiting[50], fd;
	struct outlet *o = start(&fd);
	uint8_t buf[256];
	uint64_t got = 0, others = 0, end = outlet_ms() + 20000;
	char said[200];
	ssize_t r;
	size_t n;

	(void)state;
	for (size_t i = 0; i < sizeof(said); i += 2) {
		said[i] = 2;
		said[i + 1] = (char)0144;
	}
	for (size_t i = 0; i < 50; i++) {
		waiting[i] = outlet_connect(o);
		outlet_say(waiting[i], said, sizeof(said));
	}
	o->tells = true;
	outlet_quiet(o);
	while (others < UINT64_C(50) * 1500 && outlet_ms() < end) {
		SAY(fd, "\001\144");
		outlet_pump(o, 1);
		outlet_give(o, 100);
		n = outlet_read(o, fd, buf, 1, OUTLET_TIMEOUT);
		assert_int_equal(n, 1);
		n = buf[0];
		assert_int_equal(outlet_read(o, fd, buf, n, OUTLET_TIMEOUT), n);
		got += n;
		for (size_t i = 0; i < 50; i++) {
			r = recv(waiting[i], buf, sizeof(buf), MSG_DONTWAIT);
			others += r > 0 ? (uint64_t)r : 0;
		}
	}
	others /= 50;
	assert_true(others >= 1500);
	/* It asks for less in each of its turns than they do. */
	assert_in_range(got, others / 5, others + 2 * 256);
	for (size_t i = 0; i < 50; i++)
		close(waiting[i]);
	finish(o, fd);
}

/* The entropy process dies and is replaced, in the midst of requests. */
static void
test_replaced(void **state)
{
	int fd, other;
	struct outlet *o = start(&fd);

	(void)state;
	other = outlet_connect(o);
	SAY(fd, "\002\144");
	outlet_until(o, &o->wants, 0);
	outlet_give(o, 10);
	outlet_served(o, fd, 0, 10);
	SAY(other, "\001\024");
	outlet_until(o, &o->asks, 0);
	tell(o, 110, 0);
	outlet_silent(o, fd);
	/* Its end means that nothing comes that was granted. */
	close(o->bytes);
	o->bytes = -1;
	HEARS(o, other, "\000");
	outlet_silent(o, fd);
	outlet_bytes(o);
	outlet_quiet(o);
	outlet_send(o, PROTO_WANT_ASK);
	outlet_quiet(o);
	assert_int_equal(o->want.need, 90);
	assert_int_equal(o->want.received, 0);
	/* And so does another in its place. */
	SAY(other, "\001\024");
	outlet_until(o, &o->asks, 1);
	tell(o, 110, 0);
	outlet_pump(o, OUTLET_BRIEF);
	outlet_bytes(o);
	HEARS(o, other, "\000");
	outlet_quiet(o);
	assert_int_equal(o->want.need, 90);
	outlet_give(o, 90);
	outlet_served(o, fd, 10, 90);
	close(other);
	finish(o, fd);
}

/* A frame at the wrong time ends the worker, which says so. */
static void
check_nonsense(struct outlet *o, const char *line)
{
	uint64_t end = outlet_ms() + OUTLET_TIMEOUT;

	outlet_logged(o, line);
	while (o->pid != 0 && outlet_ms() < end)
		outlet_pump(o, 1);
	assert_int_equal(o->pid, 0);
	assert_int_equal(o->status, 0x100);
	o->status = 0;
	outlet_stop(o);
}

static void
test_nonsense(void **state)
{
	const char *const nobody[] = { NULL };
	struct outlet *o = outlet_unix(SERVE_EGD);

	(void)state;
	outlet_send(o, PROTO_NOW);
	check_nonsense(o, "NOW makes no sense now");
	o = outlet_unix(SERVE_EGD);
	outlet_send(o, PROTO_ALLOW);
	check_nonsense(o, "ALLOW makes no sense now");
	o = outlet_unix(SERVE_EGD);
	outlet_socket(o, SOCKET_LISTENING, o->fd);
	check_nonsense(o, "SOCKET makes no sense now");
	o = outlet_unix(SERVE_EGD);
	outlet_serve(o, SERVE_STREAM, 1, 0, nobody);
	check_nonsense(o, "SERVE makes no sense now");
	o = outlet_unix(SERVE_EGD);
	outlet_serve(o, SERVE_EGD, CLIENTS_MAX + 1, 0, nobody);
	check_nonsense(o, "SERVE makes no sense now");
	o = outlet_start();
	outlet_limits(o, 0, 1, 1);
	check_nonsense(o, "LIMITS where SERVE should be");
	o = outlet_start();
	outlet_serve(o, SERVE_EGD, 1, 0, nobody);
	outlet_bytes(o);
	check_nonsense(o, "BYTES makes no sense now");
}

/* Who goes on asking where there is nothing keeps nobody busy. */
static void
test_calm(void **state)
{
	int fd;
	struct outlet *o = start(&fd);
	uint64_t end = outlet_ms() + 500;
	unsigned int answers = 0;

	(void)state;
	o->tells = true;
	while (outlet_ms() < end) {
		SAY(fd, "\001\024");
		HEARS(o, fd, "\000");
		answers++;
	}
	print_message("# %u answers, %u questions\n", answers, o->asks);
	assert_true(answers > 5);
	assert_true(answers <= 60 && o->asks <= 60);
	/* As soon as there is something, it is had at once. */
	o->grants = GRANT_NEED;
	SAY(fd, "\001\024");
	HEARS(o, fd, "\024");
	outlet_served(o, fd, 0, 20);
	finish(o, fd);
}

/*
 * What is put by for clients that had a short answer is little, is told to the
 * parent as held, and is no more when they go.
 */
static void
test_put_by(void **state)
{
	int fds[40], fd, waiting;
	struct outlet *o = start(&fd);
	uint64_t end = outlet_ms() + OUTLET_TIMEOUT;
	uint8_t buf[256];

	(void)state;
	waiting = outlet_connect(o);
	o->tells = true;
	for (size_t i = 0; i < 40; i++) {
		fds[i] = outlet_connect(o);
		SAY(fds[i], "\001\377");
		HEARS(o, fds[i], "\000");
	}
	SAY(waiting, "\002\377");
	outlet_quiet(o);
	outlet_give(o, 1024);
	outlet_quiet(o);
	print_message("# %llu held\n", (unsigned long long)o->want.held);
	assert_in_range(o->want.held, 1, 1024);
	outlet_give(o, 255);
	assert_int_equal(outlet_read(o, waiting, buf, 255, OUTLET_TIMEOUT),
	    255);
	for (size_t i = 0; i < 40; i++)
		close(fds[i]);
	/* They have gone, so that nothing is held: told with the next WANT. */
	while (o->want.held > 0 && outlet_ms() < end) {
		SAY(waiting, "\002\001");
		outlet_pump(o, 10);
		outlet_give(o, 1);
		assert_int_equal(
		    outlet_read(o, waiting, buf, 1, OUTLET_TIMEOUT), 1);
	}
	assert_int_equal(o->want.held, 0);
	close(waiting);
	finish(o, fd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_granted),
		cmocka_unit_test(test_timeout),
		cmocka_unit_test(test_window),
		cmocka_unit_test(test_owed),
		cmocka_unit_test(test_together),
		cmocka_unit_test(test_no_starving),
		cmocka_unit_test(test_replaced),
		cmocka_unit_test(test_nonsense),
		cmocka_unit_test(test_calm),
		cmocka_unit_test(test_put_by),
	};

	return SUITE_MAIN("egd_worker_now", tests);
}
