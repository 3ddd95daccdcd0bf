/*
 * Raw bytes of an egd worker, over connections.
 */
#include "integration/outlet.h"

#include <sys/socket.h>

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "integration/suite.h"

#define MS UINT64_C(1000000)

static const char *const local[] = { "127.0.0.0/8", NULL };

typedef struct outlet *make_outlet(enum proto_protocol);

/* A peer that only reads gets everything, in order. */
static void
check_bytes(make_outlet *make)
{
	struct outlet *o = make(SERVE_STREAM);
	int fd = outlet_connect(o);

	outlet_served(o, fd, 0, 300000);
	assert_true(outlet_stats(o)->counters.bytes >= 300000);
	assert_true(o->stats.counters.requests >= 300000 / 4096);
	assert_true(o->clients[0].bytes == o->stats.counters.bytes);
	assert_true(o->clients[0].requests == o->stats.counters.requests);
	close(fd);
	for (int i = 0; i < 100 && outlet_stats(o)->clients > 0; i++)
		outlet_pump(o, 10);
	assert_int_equal(o->stats.clients, 0);
	outlet_quiet(o);
	assert_true(o->want.need <= o->want.received);
	outlet_stop(o);
}

static void
test_bytes(void **state)
{
	(void)state;
	check_bytes(outlet_unix);
	check_bytes(outlet_tcp);
}

/* What the peer says is read, has no meaning, and need never be said. */
static void
test_said(void **state)
{
	struct outlet *o = outlet_tcp(SERVE_STREAM);
	int fd = outlet_connect(o);
	char junk[10000];
	struct pollfd pfd = { .fd = fd, .events = POLLOUT };
	uint64_t at = 0;
	long before, cpu;

	(void)state;
	memset(junk, 7, sizeof(junk));
	for (int i = 0; i < 200; i++) {
		assert_int_equal(poll(&pfd, 1, OUTLET_TIMEOUT), 1);
		outlet_say(fd, junk, sizeof(junk));
		if (i % 10 == 0) {
			outlet_served(o, fd, at, 1000);
			at += 1000;
		}
	}
	/* That nothing more is said is no end. */
	shutdown(fd, SHUT_WR);
	outlet_served(o, fd, at, 50000);
	assert_int_equal(outlet_stats(o)->clients, 1);
	o->grants = GRANT_NOTHING;
	outlet_quiet(o);
	before = outlet_number(o, "voluntary_ctxt_switches");
	cpu = proc_cpu(o->pid);
	outlet_pump(o, 500);
	assert_in_range(proc_cpu(o->pid), cpu, cpu + 10);
	assert_in_range(outlet_number(o, "voluntary_ctxt_switches"), before,
	    before + 2);
	assert_true(o->stats.counters.malformed == 0);
	close(fd);
	outlet_stop(o);
}

/* A peer that does not read gets little, and delays no other. */
static void
check_stalled(make_outlet *make)
{
	struct outlet *o = make(SERVE_STREAM);
	int fds[5], fd, size = 4096;
	uint64_t before;
	uint8_t *buf = malloc(200000);

	assert_non_null(buf);
	outlet_crowd(o, fds, 5);
	for (int i = 0; i < 5; i++)
		setsockopt(fds[i], SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	/* The kernel takes some, then no more. */
	do {
		before = o->given;
		outlet_pump(o, 2 * OUTLET_BRIEF);
	} while (o->given > before);
	assert_true(before < 5 * 1000000);
	fd = outlet_connect(o);
	assert_int_equal(outlet_read(o, fd, buf, 200000, OUTLET_TIMEOUT),
	    200000);
	suite_unique(buf, 200000);
	/* They are served when they read. */
	assert_int_equal(outlet_read(o, fds[2], buf, 200000, OUTLET_TIMEOUT),
	    200000);
	free(buf);
	close(fd);
	outlet_leave(fds, 5);
	outlet_stop(o);
}

static void
test_stalled(void **state)
{
	(void)state;
	check_stalled(outlet_unix);
	check_stalled(outlet_tcp);
}

static void
test_fair(void **state)
{
	struct outlet *o = outlet_unix(SERVE_STREAM);
	uint64_t got[10] = { 0 }, low, high;
	uint8_t buf[16384];
	int fds[10];
	ssize_t n;

	(void)state;
	o->grants = GRANT_NOTHING;
	outlet_crowd(o, fds, 10);
	outlet_quiet(o);
	assert_in_range(o->want.need, 10 * 4096 / 2, 10 * 4096);
	for (int round = 0; round < 300; round++) {
		outlet_give(o, 3001);
		outlet_pump(o, 1);
		for (size_t i = 0; i < 10; i++) {
			n = recv(fds[i], buf, sizeof(buf), MSG_DONTWAIT);
			got[i] += n > 0 ? (uint64_t)n : 0;
		}
	}
	low = high = got[0];
	for (size_t i = 0; i < 10; i++) {
		low = got[i] < low ? got[i] : low;
		high = got[i] > high ? got[i] : high;
	}
	assert_true(low > 4 * 4096);
	assert_true(high - low <= 2 * 4096);
	outlet_leave(fds, 10);
	outlet_stop(o);
}

/* Bytes that no peer can receive now wait, at no cost meanwhile. */
static void
test_crowded(void **state)
{
	struct outlet *o = outlet_unix(SERVE_STREAM);
	uint8_t *buf = malloc(1 << 20);
	int fds[4];
	const uint64_t target = 240000; /* sockets, window, and channel */
	size_t n = 0;
	long before;

	(void)state;
	assert_non_null(buf);
	outlet_crowd(o, fds, 4);
	outlet_quiet(o);
	o->grants = GRANT_NOTHING;
	for (uint64_t end = outlet_ms() + OUTLET_TIMEOUT;
	     o->given < target && outlet_ms() < end;) {
		outlet_give(o, (size_t)(target - o->given));
		outlet_pump(o, 1);
	}
	assert_int_equal(o->given, target);
	outlet_quiet(o);
	before = proc_cpu(o->pid);
	outlet_pump(o, 1000);
	assert_in_range(proc_cpu(o->pid), before, before + 20);
	/* It still reports statistics. */
	assert_int_equal(outlet_stats(o)->clients, 4);
	for (uint64_t end = outlet_ms() + OUTLET_TIMEOUT;
	     n < o->given && outlet_ms() < end;)
		for (size_t i = 0; i < 4; i++)
			n += outlet_read(o, fds[i], buf + n,
			    n + 1000 < o->given ? 1000 : (size_t)o->given - n,
			    1);
	assert_int_equal(n, o->given);
	suite_unique(buf, n);
	assert_int_equal(outlet_stats(o)->counters.bytes, o->given);
	free(buf);
	outlet_leave(fds, 4);
	outlet_stop(o);
}

/*
 * Who does not read is closed after a while; who is not sent anything is not.
 */
static void
test_idle(void **state)
{
	struct outlet *o = outlet_unix(SERVE_STREAM);
	int reads = outlet_connect(o), stalls = outlet_connect(o);
	uint8_t buf[16384];

	(void)state;
	outlet_serve(o, SERVE_STREAM, 10, 300 * MS, local);
	for (int i = 0; i < 60; i++) {
		outlet_pump(o, 10);
		while (recv(reads, buf, sizeof(buf), MSG_DONTWAIT) > 0)
			;
	}
	outlet_logged(o, "disconnected: idle");
	assert_int_equal(outlet_stats(o)->clients, 1);
	o->grants = GRANT_NOTHING;
	for (int i = 0; i < 60; i++) {
		outlet_pump(o, 10);
		while (recv(reads, buf, sizeof(buf), MSG_DONTWAIT) > 0)
			;
	}
	assert_int_equal(outlet_stats(o)->clients, 1);
	close(reads);
	close(stalls);
	outlet_stop(o);
}

/* A worker with one client that was connected to. */
static struct outlet *
connected(enum proto_protocol protocol, int *fd)
{
	struct outlet *o = outlet_start();
	int fds[2];

	o->grants = GRANT_ROOM;
	o->connects = true;
	outlet_serve(o, protocol, 1, 0, (const char *const[]){ NULL });
	outlet_limits(o, protocol == SERVE_EGD ? 512 : 0, 1, REQUEST_MAX);
	outlet_bytes(o);
	outlet_clients(o);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	outlet_client(o, fds[0]);
	close(fds[0]);
	*fd = fds[1];
	return o;
}

static void
test_connected(void **state)
{
	struct outlet *o;
	int fd;

	(void)state;
	o = connected(SERVE_STREAM, &fd);
	outlet_served(o, fd, 0, 100000);
	outlet_logged(o, "connected to pid ");
	close(fd);
	outlet_until(o, &o->gone, 0);
	assert_true(outlet_stats(o)->counters.bytes >= 100000);
	assert_int_equal(o->stats.counters.connections, 1);
	outlet_stop(o);
	o = connected(SERVE_EGD, &fd);
	SAY(fd, "\002\020\001\020");
	outlet_served(o, fd, 0, 16);
	outlet_expect(o, fd, "\020", 1);
	outlet_served(o, fd, 16, 16);
	SAY(fd, "\377");
	outlet_closed(o, fd);
	assert_int_equal(outlet_stats(o)->counters.malformed, 1);
	close(fd);
	outlet_stop(o);
}

/* The bursts of a small share are as small. */
static void
test_small_share(void **state)
{
	struct outlet *o = outlet_unix(SERVE_STREAM);
	int fd;

	(void)state;
	o->grants = GRANT_NOTHING;
	outlet_limits(o, 0, 50, 100);
	fd = outlet_connect(o);
	outlet_until(o, &o->wants, 0);
	outlet_quiet(o);
	assert_int_equal(o->want.need, 100);
	outlet_give(o, 70);
	outlet_served(o, fd, 0, 70);
	outlet_quiet(o);
	o->grants = GRANT_NEED;
	outlet_served(o, fd, 70, 1000);
	close(fd);
	outlet_stop(o);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_said),
		cmocka_unit_test(test_stalled),
		cmocka_unit_test(test_fair),
		cmocka_unit_test(test_crowded),
		cmocka_unit_test(test_idle),
		cmocka_unit_test(test_connected),
		cmocka_unit_test(test_small_share),
	};

	return SUITE_MAIN("egd_worker_streams", tests);
}
