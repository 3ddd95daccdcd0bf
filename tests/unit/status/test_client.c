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
	};

	return UNIT_MAIN("status clients", tests);
}
