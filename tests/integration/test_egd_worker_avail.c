/*
 * What an egd worker answers at once, by EGD 01 and 00: from the bytes that it
 * holds and that no other client waits for.
 */
#include "integration/outlet.h"

#include <sys/socket.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "integration/suite.h"

#define FIRST_MS 250 /* that a worker waits for its first bytes */

/* A worker and a client, and a parent that does nothing by itself. */
static struct outlet *
start(int *fd)
{
	struct outlet *o = outlet_unix(SERVE_EGD);

	*fd = outlet_connect(o);
	o->grants = GRANT_NOTHING;
	return o;
}

static void
finish(struct outlet *o, int fd)
{
	close(fd);
	outlet_stop(o);
}

/* Waits until the demand that was reported is this. */
static void
needs(struct outlet *o, uint64_t need)
{
	uint64_t end = outlet_ms() + OUTLET_TIMEOUT;

	while (o->want.need != need && outlet_ms() < end)
		outlet_pump(o, 1);
	assert_int_equal(o->want.need, need);
}

/*
 * Without bytes, 01 has none, and what it was short of is wanted for the next
 * one, which may ask for it at once or later.
 */
static void
test_short(void **state)
{
	int fd;
	struct outlet *o = start(&fd);

	(void)state;
	SAY(fd, "\001\024");
	EXPECT(o, fd, "\000");
	SAY(fd, "\000");
	EXPECT(o, fd, "\000\000\000\000");
	needs(o, 20);
	outlet_give(o, 7);
	outlet_quiet(o);
	SAY(fd, "\000");
	EXPECT(o, fd, "\000\000\000\070");
	SAY(fd, "\001\024");
	EXPECT(o, fd, "\007");
	outlet_served(o, fd, 0, 7);
	needs(o, 20);
	outlet_give(o, 13);
	outlet_quiet(o);
	SAY(fd, "\001\000");
	EXPECT(o, fd, "\000");
	/* It needs no more than it has, and no window is kept besides. */
	SAY(fd, "\001\003");
	EXPECT(o, fd, "\003");
	outlet_served(o, fd, 7, 3);
	outlet_quiet(o);
	SAY(fd, "\000");
	EXPECT(o, fd, "\000\000\000\000");
	assert_int_equal(outlet_stats(o)->counters.requests, 7);
	assert_int_equal(o->stats.counters.short_answers, 2);
	assert_int_equal(o->stats.counters.bytes, 10);
	assert_int_equal(o->stats.counters.wait_ns, 0);
	finish(o, fd);
}

/* What was wanted for a client that has gone is not wanted any more. */
static void
test_gone(void **state)
{
	int fd;
	struct outlet *o = start(&fd);

	(void)state;
	SAY(fd, "\001\024");
	EXPECT(o, fd, "\000");
	needs(o, 20);
	close(fd);
	needs(o, 0);
	outlet_stop(o);
}

/* What is in the window is there at once, whatever the parent does. */
static void
test_window(void **state)
{
	struct outlet *o = outlet_unix(SERVE_EGD);
	int fd;

	(void)state;
	outlet_fill(o, 1000);
	assert_int_equal(o->want.room, 1000);
	o->grants = GRANT_NOTHING;
	fd = outlet_connect(o);
	for (int i = 0; i < 3; i++) {
		SAY(fd, "\001\377");
		EXPECT(o, fd, "\377");
		outlet_served(o, fd, 255 * (uint64_t)i, 255);
	}
	SAY(fd, "\000");
	EXPECT(o, fd, "\000\000\007\130"); /* 235 * 8 */
	SAY(fd, "\001\377");
	EXPECT(o, fd, "\353");
	outlet_served(o, fd, 765, 235);
	finish(o, fd);
}

/* Bytes that other clients wait for are not available. */
static void
test_owed(void **state)
{
	int fd, other;
	struct outlet *o = start(&fd);

	(void)state;
	outlet_limits(o, 1000, 1, REQUEST_MAX);
	other = outlet_connect(o);
	SAY(other, "\002\144");
	needs(o, 100);
	outlet_give(o, 60);
	outlet_served(o, other, 0, 60);
	for (int i = 0; i < 20; i++) {
		SAY(fd, "\001\001\000");
		EXPECT(o, fd, "\000");
		EXPECT(o, fd, "\000\000\000\000");
	}
	outlet_give(o, 100);
	outlet_served(o, other, 60, 40);
	outlet_quiet(o);
	SAY(fd, "\000");
	EXPECT(o, fd, "\000\000\001\340"); /* (160 - 100) * 8 */
	SAY(fd, "\001\377");
	EXPECT(o, fd, "\074");
	outlet_served(o, fd, 100, 60);
	close(other);
	finish(o, fd);
}

/*
 * Requests that do not wait leave those that do their bytes, and have what is
 * left: with enough for all, everything that they ask for.
 */
static void
test_enough(void **state)
{
	struct outlet *o = outlet_unix(SERVE_EGD);
	int waiting[50], fd;
	uint8_t buf[256];
	uint64_t others = 0, end = outlet_ms() + 20000;
	unsigned int full = 0, rounds = 0;
	ssize_t r;

	(void)state;
	outlet_fill(o, 4096);
	outlet_crowd(o, waiting, 50);
	fd = outlet_connect(o);
	for (; rounds < 200 && outlet_ms() < end; rounds++) {
		for (size_t i = 0; i < 50; i++)
			SAY(waiting[i], "\002\144");
		outlet_quiet(o);
		SAY(fd, "\001\144");
		assert_int_equal(outlet_read(o, fd, buf, 1, OUTLET_TIMEOUT), 1);
		full += buf[0] == 100;
		assert_int_equal(
		    outlet_read(o, fd, buf + 1, buf[0], OUTLET_TIMEOUT),
		    buf[0]);
		for (size_t i = 0; i < 50; i++) {
			r = recv(waiting[i], buf, sizeof(buf), MSG_DONTWAIT);
			others += r > 0 ? (uint64_t)r : 0;
		}
	}
	print_message("# %u of %u\n", full, rounds);
	assert_int_equal(full, rounds);
	assert_int_equal(others, rounds * 50 * 100);
	outlet_leave(waiting, 50);
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
	needs(o, 100);
	outlet_give(o, 10);
	outlet_served(o, fd, 0, 10);
	SAY(other, "\001\024");
	EXPECT(o, other, "\000");
	/* Its end means that nothing comes that was granted. */
	close(o->bytes);
	o->bytes = -1;
	SAY(other, "\001\024");
	EXPECT(o, other, "\000");
	outlet_silent(o, fd);
	outlet_bytes(o);
	outlet_quiet(o);
	outlet_send(o, PROTO_WANT_ASK);
	outlet_quiet(o);
	assert_int_equal(o->want.need, 110);
	assert_int_equal(o->want.received, 0);
	outlet_give(o, 110);
	outlet_served(o, fd, 10, 90);
	SAY(other, "\001\024");
	EXPECT(o, other, "\024");
	outlet_served(o, other, 100, 20);
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

/* Sends a connection for a place. */
static void
send_client(struct outlet *o, uint32_t place)
{
	struct frame f;
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	frame_init(&f, PROTO_CLIENT, 0, 0);
	f.u.client.place = place;
	f.fds[0] = fds[0];
	assert_int_equal(channel_send(o->channel, &f), 0);
	o->places = CLIENTS_MAX; /* it may be gone */
	o->kept[place % CLIENTS_MAX] = fds[1];
	close(fds[0]);
}

static void
test_nonsense(void **state)
{
	const char *const none[] = { NULL };
	struct outlet *o = outlet_unix(SERVE_EGD);

	(void)state;
	outlet_send(o, PROTO_ALLOW);
	check_nonsense(o, "unexpected ALLOW frame");
	o = outlet_unix(SERVE_EGD);
	outlet_socket(o, SOCKET_LISTENING, o->fd);
	check_nonsense(o, "unexpected SOCKET frame");
	o = outlet_unix(SERVE_EGD);
	outlet_clients(o);
	check_nonsense(o, "unexpected CLIENTS frame");
	o = outlet_unix(SERVE_EGD);
	send_client(o, CLIENTS_MAX);
	check_nonsense(o, "unexpected CLIENT frame");
	o = outlet_unix(SERVE_EGD);
	send_client(o, 4);
	send_client(o, 4);
	check_nonsense(o, "unexpected CLIENT frame");
	o = outlet_start();
	outlet_serve(o, SERVE_EGD, 1, 0, none);
	send_client(o, 0);
	check_nonsense(o, "unexpected CLIENT frame");
	o = outlet_unix(SERVE_EGD);
	outlet_serve(o, SERVE_STREAM, 1, 0, none);
	check_nonsense(o, "unexpected SERVE frame");
	o = outlet_unix(SERVE_EGD);
	outlet_serve(o, SERVE_EGD, CLIENTS_MAX + 1, 0, none);
	check_nonsense(o, "unexpected SERVE frame");
	o = outlet_start();
	outlet_limits(o, 0, 1, 1);
	check_nonsense(o, "unexpected LIMITS frame, expected SERVE");
	o = outlet_start();
	outlet_serve(o, SERVE_EGD, 1, 0, none);
	outlet_bytes(o);
	check_nonsense(o, "unexpected BYTES frame");
}

/* A client that asks on and on where there is nothing is nothing new. */
static void
test_again(void **state)
{
	int fd;
	struct outlet *o = start(&fd);
	unsigned int was;

	(void)state;
	SAY(fd, "\001\024");
	EXPECT(o, fd, "\000");
	needs(o, 20);
	was = o->wants;
	for (int i = 0; i < 1000; i++) {
		SAY(fd, "\001\024");
		EXPECT(o, fd, "\000");
	}
	outlet_quiet(o);
	assert_int_equal(o->wants, was);
	/* As soon as there is something, it is had. */
	o->grants = GRANT_NEED;
	outlet_quiet(o);
	SAY(fd, "\001\024");
	EXPECT(o, fd, "\024");
	outlet_served(o, fd, 0, 20);
	finish(o, fd);
}

/* A worker that is to hold a window, as the parent starts it; its client. */
static struct outlet *
begin(int *fd)
{
	const char *const none[] = { NULL };
	struct outlet *o = outlet_start();
	int fds[2];

	outlet_serve(o, SERVE_EGD, 1, 0, none);
	outlet_limits(o, 1000, 1, REQUEST_MAX);
	outlet_bytes(o);
	outlet_clients(o);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	SAY(fds[1], "\001\024");
	outlet_client(o, fds[0]);
	close(fds[0]);
	*fd = fds[1];
	return o;
}

/*
 * The first command finds a window, if there is anything to fill it with, and
 * is answered soon if there is not.
 */
static void
test_first(void **state)
{
	struct outlet *o;
	uint64_t start_ms;
	int fd;

	(void)state;
	o = begin(&fd);
	while (o->want.room < 1000)
		outlet_pump(o, 1);
	outlet_give(o, 1000);
	EXPECT(o, fd, "\024");
	outlet_served(o, fd, 0, 20);
	close(fd);
	outlet_stop(o);
	start_ms = outlet_ms();
	o = begin(&fd);
	EXPECT(o, fd, "\000");
	assert_in_range(outlet_ms() - start_ms, FIRST_MS, OUTLET_TIMEOUT);
	close(fd);
	outlet_stop(o);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_short),
		cmocka_unit_test(test_gone),
		cmocka_unit_test(test_window),
		cmocka_unit_test(test_owed),
		cmocka_unit_test(test_enough),
		cmocka_unit_test(test_replaced),
		cmocka_unit_test(test_nonsense),
		cmocka_unit_test(test_again),
		cmocka_unit_test(test_first),
	};

	return SUITE_MAIN("egd_worker_avail", tests);
}
