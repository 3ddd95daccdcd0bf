/*
 * Who may be a client of an egd worker, and how long; and when it ends.
 */
#include "integration/outlet.h"

#include <sys/socket.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "integration/suite.h"

#define LINGER_MS 5000 /* of the worker */
#define MS	  UINT64_C(1000000)

static const char *const local[] = { "127.0.0.0/8", NULL };

static void
test_max_clients(void **state)
{
	struct outlet *o = outlet_unix(SERVE_EGD);
	int fds[3], fd;

	(void)state;
	outlet_serve(o, SERVE_EGD, 3, 0, local);
	outlet_crowd(o, fds, 3);
	for (int i = 0; i < 20; i++) {
		fd = outlet_connect(o);
		outlet_closed(o, fd);
		close(fd);
	}
	outlet_logged(o, "client rejected, pid ");
	outlet_logged(o, "client limit (max-clients) reached with 3 clients");
	assert_int_equal(outlet_stats(o)->counters.turned_away, 20);
	assert_int_equal(o->stats.counters.connections, 3);
	close(fds[0]);
	outlet_pump(o, OUTLET_BRIEF);
	fds[0] = outlet_connect(o);
	SAY(fds[0], "\002\020");
	outlet_served(o, fds[0], 0, 16);
	/* More may connect from now on; a lower limit disconnects no client. */
	outlet_serve(o, SERVE_EGD, 4, 0, local);
	fd = outlet_connect(o);
	SAY(fd, "\002\020");
	outlet_served(o, fd, 16, 16);
	outlet_serve(o, SERVE_EGD, 1, 0, local);
	SAY(fd, "\002\020");
	outlet_served(o, fd, 32, 16);
	assert_int_equal(outlet_stats(o)->clients, 4);
	outlet_leave(fds, 3);
	close(fd);
	outlet_stop(o);
}

/*
 * It answers a ping, and reports once that it is busy before work that can
 * wait.
 */
static void
test_watched(void **state)
{
	struct outlet *o = outlet_unix(SERVE_EGD);
	unsigned int busies;
	int fd;

	(void)state;
	outlet_send(o, PROTO_PING);
	outlet_until(o, &o->pongs, 0);
	outlet_quiet(o);
	busies = o->busies;
	fd = outlet_connect(o);
	outlet_until(o, &o->busies, busies);
	for (int i = 0; i < 20; i++) {
		SAY(fd, "\002\020");
		outlet_served(o, fd, (uint64_t)i * 16, 16);
	}
	assert_int_equal(o->busies, busies + 1);
	for (unsigned int i = 1; i < 4; i++) {
		outlet_send(o, PROTO_PING);
		outlet_until(o, &o->pongs, i);
		SAY(fd, "\000");
		outlet_until(o, &o->busies, busies + i);
		outlet_quiet(o);
		assert_int_equal(o->busies, busies + i + 1);
	}
	close(fd);
	outlet_stop(o);
}

static void
test_allow(void **state)
{
	const char *const others[] = { "10.0.0.0/8", "127.0.0.2/32", "::1/128",
		NULL };
	struct outlet *o = outlet_tcp(SERVE_EGD);
	int fd = outlet_connect(o), other;

	(void)state;
	SAY(fd, "\002\020");
	outlet_served(o, fd, 0, 16);
	outlet_serve(o, SERVE_EGD, 10, 0, others);
	/* A client that is no longer allowed is disconnected. */
	outlet_closed(o, fd);
	outlet_logged(o, "no longer allowed");
	other = outlet_connect(o);
	outlet_closed(o, other);
	close(other);
	outlet_logged(o, "client rejected, 127.0.0.1:");
	assert_int_equal(outlet_stats(o)->counters.turned_away, 1);
	outlet_serve(o, SERVE_EGD, 10, 0, local);
	other = outlet_connect(o);
	SAY(other, "\002\020");
	outlet_served(o, other, 16, 16);
	close(other);
	close(fd);
	outlet_stop(o);
	/* Networks do not matter where there are no addresses. */
	o = outlet_unix(SERVE_EGD);
	outlet_serve(o, SERVE_EGD, 10, 0, others);
	fd = outlet_connect(o);
	SAY(fd, "\002\020");
	outlet_served(o, fd, 0, 16);
	close(fd);
	outlet_stop(o);
}

static void
test_idle(void **state)
{
	struct outlet *o = outlet_unix(SERVE_EGD);
	int silent, half, waits, slow, speaks, idle = outlet_connect(o);
	char said[400];

	(void)state;
	/* Without a time-out nothing happens. */
	outlet_pump(o, 3 * OUTLET_BRIEF);
	outlet_silent(o, idle);
	outlet_serve(o, SERVE_EGD, 10, 300 * MS, local);
	outlet_closed(o, idle);
	outlet_logged(o, "disconnected: idle");
	close(idle);
	silent = outlet_connect(o);
	half = outlet_connect(o);
	waits = outlet_connect(o);
	slow = outlet_connect(o);
	speaks = outlet_connect(o);
	o->grants = GRANT_NOTHING;
	SAY(waits, "\002\377");
	outlet_until(o, &o->wants, o->wants);
	outlet_give(o, 255);
	outlet_served(o, waits, 0, 255);
	SAY(waits, "\002\020");
	memset(said, 4, sizeof(said));
	outlet_say(slow, said, sizeof(said));
	SAY(half, "\002");
	for (int i = 0; i < 10; i++) {
		outlet_pump(o, OUTLET_BRIEF);
		SAY(speaks, "\003\000\000\000");
	}
	outlet_closed(o, silent);
	outlet_closed(o, half);
	assert_int_equal(outlet_stats(o)->clients, 2);
	outlet_give(o, 16);
	outlet_served(o, waits, 255, 16);
	outlet_closed(o, waits);
	outlet_closed(o, speaks);
	assert_int_equal(outlet_stats(o)->clients, 0);
	outlet_leave((int[]){ silent, half, waits, slow, speaks }, 5);
	outlet_stop(o);
}

/* Without clients it ends, after a time in which another can connect. */
static void
test_linger(void **state)
{
	struct outlet *unused = outlet_unix(SERVE_EGD);
	struct outlet *o = outlet_tcp(SERVE_EGD);
	int fd = outlet_connect(o);

	(void)state;
	outlet_pump(o, 0);
	outlet_end(unused, LINGER_MS + OUTLET_TIMEOUT);
	SAY(fd, "\002\020");
	outlet_served(o, fd, 0, 16);
	close(fd);
	outlet_pump(o, LINGER_MS / 2);
	fd = outlet_connect(o);
	outlet_pump(o, LINGER_MS / 2 + OUTLET_BRIEF);
	SAY(fd, "\002\020");
	outlet_served(o, fd, 16, 16);
	close(fd);
	assert_in_range(outlet_end(o, LINGER_MS + OUTLET_TIMEOUT),
	    LINGER_MS - 2 * OUTLET_BRIEF, LINGER_MS + OUTLET_TIMEOUT);
	assert_int_equal(o->stats.counters.connections, 2);
	assert_int_equal(o->stats.counters.bytes, 32);
	assert_int_equal(o->stats.clients, 0);
	outlet_stop(o);
	outlet_stop(unused);
}

/* Who has nothing to do is not woken up. */
static void
test_no_wakeups(void **state)
{
	struct outlet *o = outlet_unix(SERVE_EGD);
	int fds[100];
	long before;

	(void)state;
	outlet_crowd(o, fds, 100);
	o->grants = GRANT_NOTHING;
	for (size_t i = 0; i < 50; i++)
		SAY(fds[i], "\002\100");
	outlet_quiet(o);
	before = outlet_number(o, "voluntary_ctxt_switches");
	outlet_pump(o, 1000);
	assert_in_range(outlet_number(o, "voluntary_ctxt_switches"), before,
	    before + 1);
	outlet_leave(fds, 100);
	outlet_stop(o);
}

/* Being stopped and continued does no harm. */
static void
test_stopped(void **state)
{
	struct outlet *o = outlet_unix(SERVE_EGD);
	int fd = outlet_connect(o);

	(void)state;
	for (uint64_t i = 0; i < 5; i++) {
		kill(o->pid, SIGSTOP);
		usleep(20000);
		SAY(fd, "\002\020");
		kill(o->pid, SIGCONT);
		outlet_served(o, fd, 16 * i, 16);
	}
	close(fd);
	outlet_stop(o);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_max_clients),
		cmocka_unit_test(test_watched),
		cmocka_unit_test(test_allow),
		cmocka_unit_test(test_idle),
		cmocka_unit_test(test_linger),
		cmocka_unit_test(test_no_wakeups),
		cmocka_unit_test(test_stopped),
	};

	return SUITE_MAIN("egd_worker_life", tests);
}
