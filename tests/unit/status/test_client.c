/*
 * Clients of the monitoring socket: in order, all at once, half, too long, too
 * slow and too many; the test is the parent that is asked.
 */
#include "unit/unit.h"

#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "status/client.h"

#define GET	"{\"method\":\"io.vrngd.Status.Get\"}"
#define UNKNOWN "{\"method\":\"x\"}"

static struct server server;
static size_t nbusy; /* times that it was about to do what may wait */

static void
count_busy(void)
{
	nbusy++;
}

static void
start(void)
{
	server_init(&server, epoll_create1(EPOLL_CLOEXEC), count_busy);
	log_set_level(LOG_LEVEL_ERROR);
}

/* Lets the server do all that it can. */
static void
run(void)
{
	struct epoll_event ev;

	while (epoll_wait(server.epoll_fd, &ev, 1, 0) == 1)
		client_event(&server, ev.data.ptr, ev.events);
}

static void
stop(void)
{
	size_t before = nbusy, n = server.nclients;

	client_expire(&server, UINT64_MAX);
	assert_int_equal(nbusy, before + n);
	assert_int_equal(server.nclients, 0);
	close(server.epoll_fd);
}

/* A client's end of a connection to the server. */
static int
join(void)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX,
			     SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
			     fds),
	    0);
	client_add(&server, fds[1]);
	return fds[0];
}

static void
say(int fd, const char *text, size_t size)
{
	assert_int_equal(send(fd, text, size, MSG_NOSIGNAL), size);
	run();
}

/* Answers the question to the parent, with a string of `size` bytes. */
static void
answer(size_t size)
{
	int fd = memfd_create("status", MFD_CLOEXEC);
	char *text = malloc(size);

	memset(text, 'x', size);
	text[0] = text[size - 1] = '"';
	assert_int_equal(write(fd, text, size), size);
	free(text);
	assert_int_equal(client_answer(&server, fd, size), 0);
	run();
}

/* Reads one answer, with its NUL. */
static void
check_answer(int fd, const char *want)
{
	char text[1024];

	assert_int_equal(recv(fd, text, sizeof(text), 0), strlen(want) + 1);
	assert_string_equal(text, want);
}

static void
check_silent(int fd)
{
	char c;

	assert_int_equal(recv(fd, &c, 1, 0), -1);
	assert_int_equal(errno, EAGAIN);
}

static void
check_dropped(int fd)
{
	char c;

	errno = 0;
	assert_true(recv(fd, &c, 1, 0) <= 0);
	assert_int_not_equal(errno, EAGAIN);
	close(fd);
}

static void
test_get(void **state)
{
	int a, b;

	(void)state;
	start();
	a = join();
	b = join();
	assert_false(client_ask(&server));
	say(a, GET, sizeof(GET));
	assert_true(client_ask(&server));
	/* Who comes after the question needs another one. */
	say(b, GET, sizeof(GET));
	assert_false(client_ask(&server));
	answer(3);
	check_answer(a, "{\"parameters\":{\"status\":\"x\"}}");
	check_silent(b);
	assert_true(client_ask(&server));
	answer(4);
	check_answer(b, "{\"parameters\":{\"status\":\"xx\"}}");
	check_silent(a);
	assert_false(client_ask(&server));
	close(a);
	close(b);
	run();
	stop();
}

static void
test_pipelined(void **state)
{
	static const char calls[] =
	    UNKNOWN "\0" GET "\0{\"oneway\":true,\"method\":\"x\"}\0" UNKNOWN;
	static const char reply[] =
	    "{\"error\":\"org.varlink.service.MethodNotFound\","
	    "\"parameters\":{\"method\":\"x\"}}";
	char text[256];
	int fd;

	(void)state;
	start();
	fd = join();
	for (size_t i = 0; i < sizeof(calls); i++)
		say(fd, &calls[i], 1);
	check_answer(fd, reply);
	assert_true(client_ask(&server));
	answer(3);
	assert_int_equal(recv(fd, text, 30, 0), 30);
	assert_string_equal(text, "{\"parameters\":{\"status\":\"x\"}}");
	check_answer(fd, reply);
	close(fd);
	run();
	stop();
}

static void
test_bad(void **state)
{
	static char endless[CALL_SIZE_MAX];
	int fd, good;

	(void)state;
	start();
	good = join();
	say(good, GET, 5);
	fd = join();
	say(fd, "{]", 3);
	check_dropped(fd);
	fd = join();
	say(fd, "\0", 1);
	check_dropped(fd);
	memset(endless, ' ', sizeof(endless));
	fd = join();
	say(fd, endless, sizeof(endless) - 1);
	check_silent(fd);
	say(fd, endless, 1);
	check_dropped(fd);
	/* The longest call that there may be. */
	memcpy(endless, GET, sizeof(GET) - 1);
	endless[sizeof(endless) - 1] = '\0';
	fd = join();
	say(fd, endless, sizeof(endless));
	assert_true(client_ask(&server));
	close(fd);
	say(good, &GET[5], sizeof(GET) - 5);
	assert_false(client_ask(&server));
	answer(3);
	assert_true(client_ask(&server));
	answer(3);
	check_answer(good, "{\"parameters\":{\"status\":\"x\"}}");
	close(good);
	run();
	stop();
}

/* A client that is in a call, or does not read its answer, times out. */
static void
test_slow(void **state)
{
	uint64_t now = clock_now();
	int idle, half, deaf;

	(void)state;
	start();
	idle = join();
	half = join();
	deaf = join();
	assert_int_equal(client_expire(&server, now), 0);
	say(half, GET, 5);
	say(deaf, GET, sizeof(GET));
	assert_true(client_ask(&server));
	assert_true(client_expire(&server, now) >= now + CLIENT_CALL_TIME);
	answer(8 << 20);
	client_expire(&server, clock_now() + CLIENT_CALL_TIME);
	check_dropped(half);
	assert_int_equal(server.nclients, 2);
	client_expire(&server, clock_now() + CLIENT_REPLY_TIME);
	assert_int_equal(server.nclients, 1);
	check_silent(idle);
	close(deaf);
	close(idle);
	run();
	stop();
}

/* Statuses that are not read are a few at most. */
static void
test_memory(void **state)
{
	int fds[SNAPSHOTS_MAX * 2];

	(void)state;
	start();
	for (size_t i = 0; i < SNAPSHOTS_MAX * 2; i++) {
		fds[i] = join();
		say(fds[i], GET, sizeof(GET));
		assert_true(client_ask(&server));
		answer(4 << 20);
		assert_int_equal(server.nclients,
		    i < SNAPSHOTS_MAX ? i + 1 : SNAPSHOTS_MAX);
	}
	for (size_t i = 0; i < SNAPSHOTS_MAX * 2; i++)
		close(fds[i]);
	run();
	stop();
}

/* Idle clients make room, the one first that was idle longest. */
static void
test_many(void **state)
{
	const size_t most = geteuid() == 0 ? CLIENTS_LIMIT : CLIENTS_A_USER;
	int fds[CLIENTS_LIMIT], fd;

	(void)state;
	start();
	for (size_t i = 0; i < most; i++)
		fds[i] = join();
	say(fds[0], UNKNOWN, sizeof(UNKNOWN));
	fd = join();
	check_dropped(fds[1]);
	check_silent(fd);
	close(fd);
	run();
	fds[1] = join();
	for (size_t i = 0; i < most; i++)
		say(fds[i], GET, sizeof(GET));
	/* No client is idle. */
	fd = join();
	check_dropped(fd);
	assert_int_equal(server.nclients, most);
	for (size_t i = 0; i < most; i++)
		close(fds[i]);
	run();
	stop();
}

/* The same, before more answers. */
static void
check_next(int fd, const char *want)
{
	char text[1024];

	assert_int_equal(recv(fd, text, strlen(want) + 1, 0), strlen(want) + 1);
	assert_string_equal(text, want);
}

#define MONITOR "{\"method\":\"io.vrngd.Status.Monitor\",\"more\":true}"
#define MONITOR_VM1 \
	"{\"method\":\"io.vrngd.Status.Monitor\",\"more\":true," \
	"\"parameters\":{\"guest\":\"vm1\"}}"
#define EVENT(event, lost) \
	"{\"parameters\":{\"event\":" event ",\"lost\":" lost \
	"},\"continues\":true}"
#define VM1 "{\"guest\":\"vm1\"}"
#define VM2 "{\"guest\":\"vm2\"}"

/* Events from the parent, an array. */
static void
happen(const char *events, uint64_t lost)
{
	int fd = memfd_create("events", MFD_CLOEXEC);
	size_t size = strlen(events);

	assert_int_equal(write(fd, events, size), size);
	assert_int_equal(client_events(&server, fd, size, lost), 0);
	run();
}

static void
test_monitor(void **state)
{
	int all, one, late;

	(void)state;
	start();
	all = join();
	one = join();
	say(all, MONITOR, sizeof(MONITOR));
	say(one, MONITOR_VM1, sizeof(MONITOR_VM1));
	assert_int_equal(server.nmonitors, 2);
	/* Events are not gathered yet. */
	check_silent(all);
	happen("[]", 0);
	check_answer(all, EVENT("null", "0"));
	check_answer(one, EVENT("null", "0"));
	late = join();
	say(late, MONITOR, sizeof(MONITOR));
	check_answer(late, EVENT("null", "0"));
	happen("[" VM2 "]", 0);
	check_answer(all, EVENT(VM2, "0"));
	check_answer(late, EVENT(VM2, "0"));
	check_silent(one);
	/* Events that the parent lost are reported after others, or alone. */
	happen("[" VM1 "]", 3);
	check_next(one, EVENT(VM1, "0"));
	check_answer(one, EVENT("null", "3"));
	happen("[]", 4);
	check_answer(one, EVENT("null", "4"));
	/* Further calls wait for ever. */
	say(one, GET, sizeof(GET));
	assert_false(client_ask(&server));
	close(one);
	close(all);
	close(late);
	run();
	assert_int_equal(server.nmonitors, 0);
	stop();
}

/* Reads `n` bytes at most; returns the number of whole replies in them. */
static size_t
read_replies(int fd, size_t n)
{
	static char text[65536];
	size_t replies = 0;
	ssize_t got;

	while (n > 0 &&
	    (got = recv(fd, text, n < sizeof(text) ? n : sizeof(text), 0)) >
		0) {
		n -= (size_t)got;
		for (ssize_t i = 0; i < got; i++)
			replies += text[i] == '\0';
		run();
	}
	return replies;
}

/* A client that does not read loses events; others receive all. */
static void
test_monitor_slow(void **state)
{
	static char event[4096], text[EVENT_QUEUE_SIZE];
	size_t n = 2000, seen = 0, kept;
	uint64_t now;
	int deaf, good;
	ssize_t got;

	(void)state;
	start();
	deaf = join();
	good = join();
	say(deaf, MONITOR, sizeof(MONITOR));
	say(good, MONITOR, sizeof(MONITOR));
	happen("[]", 0);
	memset(event, ' ', sizeof(event) - 1);
	memcpy(event, "[{\"x\":\"", 8);
	memcpy(&event[sizeof(event) - 5], "\"}]", 4);
	for (size_t i = 0; i < n; i++) {
		happen(event, 0);
		seen += read_replies(good, SIZE_MAX);
	}
	assert_int_equal(seen, n + 1);
	assert_int_equal(server.nclients, 2);
	/* It reads again: what was queued, and how many were lost. */
	kept = read_replies(deaf, SIZE_MAX);
	assert_in_range(kept, 3, n);
	happen("[]", 0);
	check_silent(deaf);
	/* It does not read for too long. */
	now = clock_now();
	for (size_t i = 0; i < n; i++) {
		happen(event, 0);
		seen += read_replies(good, SIZE_MAX);
	}
	client_expire(&server, now + MONITOR_TIME / 2);
	assert_int_equal(server.nclients, 2);
	client_expire(&server, clock_now() + MONITOR_TIME);
	assert_int_equal(server.nclients, 1);
	check_silent(good);
	while ((got = recv(deaf, text, sizeof(text), 0)) > 0)
		continue;
	assert_int_equal(got, 0);
	close(deaf);
	close(good);
	run();
	stop();
}

static void
test_monitor_many(void **state)
{
	static const char refused[] =
	    "{\"error\":\"io.vrngd.Status.TooManyMonitors\","
	    "\"parameters\":{}}";
	const size_t most = geteuid() == 0 ? MONITORS_LIMIT : MONITORS_A_USER;
	int fds[MONITORS_LIMIT], fd;

	(void)state;
	start();
	for (size_t i = 0; i < most; i++) {
		fds[i] = join();
		say(fds[i], MONITOR, sizeof(MONITOR));
	}
	happen("[" VM1 "]", 0);
	fd = join();
	say(fd, MONITOR, sizeof(MONITOR));
	check_answer(fd, refused);
	/* It may do all else. */
	say(fd, GET, sizeof(GET));
	assert_true(client_ask(&server));
	answer(3);
	check_answer(fd, "{\"parameters\":{\"status\":\"x\"}}");
	for (size_t i = 0; i < most; i++)
		assert_int_equal(read_replies(fds[i], SIZE_MAX), 2);
	close(fds[0]);
	run();
	say(fd, MONITOR, sizeof(MONITOR));
	check_answer(fd, EVENT("null", "0"));
	for (size_t i = 1; i < most; i++)
		close(fds[i]);
	close(fd);
	run();
	assert_int_equal(server.nclients, 0);
	stop();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_get),
		cmocka_unit_test(test_pipelined),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_slow),
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_monitor),
		cmocka_unit_test(test_monitor_slow),
		cmocka_unit_test(test_monitor_many),
	};

	return UNIT_MAIN("status clients", tests);
}
