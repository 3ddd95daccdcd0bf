/*
 * The EGD protocol as the worker speaks it, with each of its commands.
 */
#include "integration/outlet.h"

#include <sys/socket.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "integration/suite.h"

#define WINDOW 512 /* bytes, where a test needs one */

typedef struct outlet *make_outlet(enum proto_protocol);

/* The answer to EGD_PID. */
static void
expect_pid(struct outlet *o, int fd)
{
	char text[16];
	int n;

	n = snprintf(text + 1, sizeof(text) - 1, "%d", (int)o->pid);
	text[0] = (char)n;
	outlet_expect(o, fd, text, 1 + (size_t)n);
}

/* All five commands, one after the other, over one kind of socket. */
static void
check_commands(make_outlet *make)
{
	struct outlet *o = make(SERVE_EGD);
	int fd = outlet_connect(o);

	outlet_fill(o, WINDOW);
	SAY(fd, "\004");
	expect_pid(o, fd);
	SAY(fd, "\002\020");
	outlet_served(o, fd, 0, 16);
	SAY(fd, "\002\377");
	outlet_served(o, fd, 16, 255);
	SAY(fd, "\001\012");
	EXPECT(o, fd, "\012");
	outlet_served(o, fd, 271, 10);
	SAY(fd, "\001\000");
	EXPECT(o, fd, "\000");
	outlet_quiet(o);
	SAY(fd, "\000");
	EXPECT(o, fd, "\000\000\017\260"); /* (WINDOW - 10) * 8 */
	SAY(fd, "\002\000");
	outlet_silent(o, fd);
	SAY(fd, "\003\000\010\005hello");
	outlet_silent(o, fd);
	SAY(fd, "\004");
	expect_pid(o, fd);
	assert_int_equal(outlet_stats(o)->counters.requests, 9);
	assert_int_equal(o->stats.counters.bytes, 281);
	assert_int_equal(o->stats.counters.short_answers, 0);
	assert_int_equal(o->stats.counters.malformed, 0);
	assert_int_equal(o->clients[0].bytes, 281);
	assert_int_equal(o->clients[0].requests, 9);
	assert_int_equal(o->clients[0].waiting, 0);
	close(fd);
	outlet_logged(o, "disconnected, 281 bytes in 9 requests");
	outlet_stop(o);
}

static void
test_commands_unix(void **state)
{
	(void)state;
	check_commands(outlet_unix);
}

static void
test_commands_tcp(void **state)
{
	(void)state;
	check_commands(outlet_tcp);
}

/* The same commands in one piece, and in pieces of one byte. */
static void
check_pieces(make_outlet *make, bool whole)
{
	const char said[] = "\004\001\003\002\000\001\000\003\377\377\003abc"
			    "\002\005\001\001\000\004\002\377";
	struct outlet *o = make(SERVE_EGD);
	int fd = outlet_connect(o);

	outlet_fill(o, WINDOW);
	if (whole)
		SAY(fd, said);
	for (size_t i = 0; !whole && i < sizeof(said) - 1; i++) {
		outlet_say(fd, said + i, 1);
		outlet_pump(o, 2);
	}
	expect_pid(o, fd);
	EXPECT(o, fd, "\003");
	outlet_served(o, fd, 0, 3);
	EXPECT(o, fd, "\000");
	outlet_served(o, fd, 3, 5);
	EXPECT(o, fd, "\001");
	outlet_served(o, fd, 8, 1);
	EXPECT(o, fd, "\000\000\017\270"); /* (WINDOW - 9) * 8 */
	expect_pid(o, fd);
	outlet_served(o, fd, 9, 255);
	outlet_silent(o, fd);
	assert_int_equal(outlet_stats(o)->counters.requests, 10);
	close(fd);
	outlet_stop(o);
}

static void
test_pipelined(void **state)
{
	(void)state;
	check_pieces(outlet_unix, true);
	check_pieces(outlet_tcp, true);
}

static void
test_byte_by_byte(void **state)
{
	(void)state;
	check_pieces(outlet_unix, false);
	check_pieces(outlet_tcp, false);
}

/* 02 waits as long as it must, and nothing else is done before it. */
static void
test_blocking(void **state)
{
	struct outlet *o = outlet_unix(SERVE_EGD);
	int fd = outlet_connect(o);

	(void)state;
	o->grants = GRANT_NOTHING;
	SAY(fd, "\002\144\004\001\002");
	outlet_until(o, &o->wants, 0);
	outlet_quiet(o);
	assert_int_equal(o->want.need, 100);
	outlet_silent(o, fd);
	assert_int_equal(outlet_stats(o)->counters.requests, 0);
	assert_int_equal(o->clients[0].waiting, 1);
	/* As they come, in however small parts. */
	for (int i = 0; i < 10; i++) {
		outlet_give(o, 9);
		outlet_served(o, fd, 9 * (uint64_t)i, 9);
	}
	outlet_silent(o, fd);
	outlet_give(o, 10);
	outlet_served(o, fd, 90, 10);
	expect_pid(o, fd);
	EXPECT(o, fd, "\000");
	assert_int_equal(outlet_stats(o)->counters.requests, 3);
	assert_int_equal(o->stats.counters.short_answers, 1);
	assert_true(o->stats.counters.wait_ns > 100 * UINT64_C(1000000));
	close(fd);
	outlet_stop(o);
}

/* Requests that were sent are answered even if nothing more can be said. */
static void
check_half_close(make_outlet *make)
{
	struct outlet *o = make(SERVE_EGD);
	int fd = outlet_connect(o);

	o->grants = GRANT_NOTHING;
	SAY(fd, "\002\020\004\002\377");
	shutdown(fd, SHUT_WR);
	outlet_silent(o, fd);
	o->grants = GRANT_NEED;
	outlet_served(o, fd, 0, 16);
	expect_pid(o, fd);
	outlet_served(o, fd, 16, 255);
	outlet_closed(o, fd);
	close(fd);
	/* In the middle of a command. */
	fd = outlet_connect(o);
	SAY(fd, "\004\002");
	shutdown(fd, SHUT_WR);
	expect_pid(o, fd);
	outlet_closed(o, fd);
	close(fd);
	outlet_stop(o);
}

static void
test_half_close(void **state)
{
	(void)state;
	check_half_close(outlet_unix);
	check_half_close(outlet_tcp);
}

/* After an unknown command a client receives the answers due, and no more. */
static void
check_unknown(make_outlet *make)
{
	struct outlet *o = make(SERVE_EGD);
	int fd = outlet_connect(o), other = outlet_connect(o);

	SAY(fd, "\004\002\020\177\004\004\004");
	expect_pid(o, fd);
	outlet_served(o, fd, 0, 16);
	outlet_closed(o, fd);
	outlet_logged(o, "disconnected: unknown command 0x7f, 16 bytes");
	close(fd);
	fd = outlet_connect(o);
	SAY(fd, "\005");
	outlet_closed(o, fd);
	close(fd);
	SAY(other, "\002\010");
	outlet_served(o, other, 16, 8);
	assert_int_equal(outlet_stats(o)->counters.malformed, 2);
	close(other);
	outlet_stop(o);
}

static void
test_unknown(void **state)
{
	(void)state;
	check_unknown(outlet_unix);
	check_unknown(outlet_tcp);
}

/* What clients write goes where the parent says, and nowhere before. */
static void
test_writes(void **state)
{
	struct outlet *o = outlet_unix(SERVE_EGD);
	int fd = outlet_connect(o), fds[2];
	char data[255], got[600];
	struct frame f;

	(void)state;
	SAY(fd, "\003\000\000\003abc\003\000\000\000\004");
	expect_pid(o, fd);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	frame_init(&f, PROTO_WRITES, 0, 0);
	f.fds[0] = fds[1];
	assert_int_equal(channel_send(o->channel, &f), 0);
	outlet_stats(o);
	memset(data, 'x', sizeof(data));
	SAY(fd, "\003\000\000\003def\003\000\000\377");
	outlet_say(fd, data, sizeof(data));
	SAY(fd, "\003\000\000\001.\004");
	expect_pid(o, fd);
	assert_int_equal(recv(fds[0], got, sizeof(got), MSG_DONTWAIT), 259);
	assert_memory_equal(got, "def", 3);
	assert_memory_equal(got + 3, data, sizeof(data));
	assert_int_equal(got[258], '.');
	/* One that takes nothing any more does no harm. */
	close(fds[0]);
	SAY(fd, "\003\000\000\003ghi\004");
	expect_pid(o, fd);
	close(fds[1]);
	close(fd);
	outlet_stop(o);
}

/* A client that reads slowly gets all, and delays no other. */
static void
check_slow(make_outlet *make)
{
	struct outlet *o = make(SERVE_EGD);
	int slow = outlet_connect(o), fd = outlet_connect(o), size = 4096;
	uint8_t *buf = malloc(255 * 1000);
	char said[2 * 1000];
	size_t n;

	assert_non_null(buf);
	outlet_fill(o, WINDOW);
	setsockopt(slow, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	for (size_t i = 0; i < sizeof(said); i += 2) {
		said[i] = 2;
		said[i + 1] = (char)0377;
	}
	outlet_say(slow, said, sizeof(said));
	outlet_quiet(o);
	/* Little lies unread, the rest was not even asked for. */
	assert_in_range(o->given, 255, 100000);
	for (int i = 0; i < 20; i++) {
		SAY(fd, "\001\040");
		EXPECT(o, fd, "\040");
		assert_int_equal(outlet_read(o, fd, buf, 32, OUTLET_TIMEOUT),
		    32);
	}
	n = outlet_read(o, slow, buf, 255 * 1000, 4 * OUTLET_TIMEOUT);
	assert_int_equal(n, 255 * 1000);
	assert_int_equal(outlet_stats(o)->counters.requests, 1020);
	assert_int_equal(o->stats.counters.bytes, 255 * 1000 + 20 * 32);
	assert_in_range(o->given - o->stats.counters.bytes, 1, WINDOW);
	suite_unique(buf, n);
	free(buf);
	close(slow);
	close(fd);
	outlet_stop(o);
}

static void
test_slow(void **state)
{
	(void)state;
	check_slow(outlet_unix);
	check_slow(outlet_tcp);
}

/* An answer that does not fit into the socket is not lost. */
static void
test_slow_answers(void **state)
{
	struct outlet *o = outlet_unix(SERVE_EGD);
	int fd = outlet_connect(o), size = 4096;
	char said[500];
	uint64_t end = outlet_ms() + OUTLET_TIMEOUT;
	size_t sent = 0;
	ssize_t n;

	(void)state;
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	memset(said, 4, sizeof(said));
	/* Until both directions are full. */
	while (sent < 100 * sizeof(said) && outlet_ms() < end) {
		n = send(fd, said, sizeof(said), MSG_DONTWAIT);
		if (n == -1 && outlet_stats(o)->counters.requests < sent)
			break;
		sent += n > 0 ? (size_t)n : 0;
	}
	assert_in_range(sent, 1000, 100 * sizeof(said) - 1);
	outlet_quiet(o);
	shutdown(fd, SHUT_WR);
	for (size_t i = 0; i < sent; i++)
		expect_pid(o, fd);
	outlet_closed(o, fd);
	close(fd);
	outlet_stop(o);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_commands_unix),
		cmocka_unit_test(test_commands_tcp),
		cmocka_unit_test(test_pipelined),
		cmocka_unit_test(test_byte_by_byte),
		cmocka_unit_test(test_blocking),
		cmocka_unit_test(test_half_close),
		cmocka_unit_test(test_unknown),
		cmocka_unit_test(test_writes),
		cmocka_unit_test(test_slow),
		cmocka_unit_test(test_slow_answers),
	};

	return SUITE_MAIN("egd_worker", tests);
}
