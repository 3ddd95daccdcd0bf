/*
 * Many clients of an egd worker, who come and go.
 */
#include "integration/outlet.h"

#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "integration/suite.h"

#ifdef VRNGD_SANITIZE
#define GROWN 1024 /* KiB a round, of which most is the sanitizers' */
#else
#define GROWN 128 /* KiB a round */
#endif
#define MANY 1000
#define FEW  64 /* descriptors */

static void
check_thousand(struct outlet *o)
{
	int *fds = calloc(MANY, sizeof(*fds)), had;
	uint8_t *buf = malloc(MANY * 64);
	long rss;

	assert_non_null(fds);
	assert_non_null(buf);
	outlet_stats(o);
	had = proc_fds(o->pid);
	rss = outlet_number(o, "VmRSS");
	outlet_crowd(o, fds, MANY);
	for (size_t i = 0; i < MANY; i++)
		SAY(fds[i], "\002\100");
	for (size_t i = 0; i < MANY; i++)
		assert_int_equal(
		    outlet_read(o, fds[i], buf + i * 64, 64, OUTLET_TIMEOUT),
		    64);
	suite_unique(buf, MANY * 64);
	assert_int_equal(outlet_stats(o)->counters.bytes, MANY * 64);
	assert_int_equal(o->given, MANY * 64);
	assert_int_equal(o->nclients, MANY);
	for (size_t i = 0; i < MANY; i++)
		assert_int_equal(o->clients[i].bytes, 64);
	if (had != -1) /* who may look */
		assert_int_equal(proc_fds(o->pid), had + MANY);
	/* Well under 1 KiB each; and what the kernel maps besides. */
	assert_in_range(outlet_number(o, "VmRSS"), rss, rss + 2048);
	outlet_leave(fds, MANY);
	for (int i = 0; i < 100 && outlet_stats(o)->clients > 0; i++)
		outlet_pump(o, 10);
	assert_int_equal(o->stats.clients, 0);
	assert_int_equal(proc_fds(o->pid), had);
	free(buf);
	free(fds);
	outlet_stop(o);
}

static void
test_thousand(void **state)
{
	(void)state;
	check_thousand(outlet_unix(SERVE_EGD));
	check_thousand(outlet_tcp(SERVE_EGD));
}

/* Clients are served, and seen, while the parent reads no frame. */
static void
test_report(void **state)
{
	struct outlet *o = outlet_unix(SERVE_EGD);
	int *fds = calloc(MANY, sizeof(*fds));
	uint8_t buf[16];

	(void)state;
	assert_non_null(fds);
	o->grants = GRANT_ROOM;
	outlet_limits(o, 4096, 64, REQUEST_MAX);
	outlet_crowd(o, fds, MANY);
	outlet_quiet(o);
	assert_int_equal(o->granted, 4096);
	for (int i = 0; i < 20; i++) {
		SAY(fds[i], "\002\020");
		assert_int_equal(recv(fds[i], buf, sizeof(buf), MSG_WAITALL),
		    16);
	}
	SAY(fds[0], "\001\020");
	outlet_expect(o, fds[0], "\020", 1);
	assert_int_equal(outlet_stats(o)->clients, MANY);
	assert_int_equal(o->nclients, MANY);
	assert_int_equal(o->clients[0].bytes, 32);
	for (unsigned int i = 1; i < MANY; i++)
		assert_int_equal(o->clients[i].bytes, i < 20 ? 16 : 0);
	outlet_leave(fds, MANY);
	free(fds);
	outlet_stop(o);
}

/* In whatever state they come and go, they leave nothing behind. */
static void
come_and_go(struct outlet *o, size_t n)
{
	const char said[][8] = { "", "\001", "\002\377", "\001\377", "\000\000",
		"\003\000\000\377x", "\004\004\004", "\002\001\002\377" };
	int fd, fds[50];

	for (size_t i = 0; i < n; i++) {
		fd = outlet_connect(o);
		outlet_say(fd, said[i % 8], 1 + i % 5);
		if (i % 7 == 0)
			outlet_give(o, 100);
		if (i % 50 < 49)
			outlet_pump(o, 0);
		if (i >= 50)
			close(fds[i % 50]);
		fds[i % 50] = fd;
	}
	outlet_leave(fds, 50);
	for (int i = 0; i < 100 && outlet_stats(o)->clients > 1; i++)
		outlet_pump(o, 10);
	assert_int_equal(o->stats.clients, 1);
}

/*
 * The worker keeps nothing of clients that have left.  Its memory grows to what
 * the most of them at a time need, which is more on a busy host, and not beyond.
 */
static void
test_come_and_go(void **state)
{
	struct outlet *o = outlet_unix(SERVE_EGD);
	int stay, had, rounds = 0;
	long rss;

	(void)state;
	o->grants = GRANT_NOTHING;
	outlet_crowd(o, &stay, 1);
	had = proc_fds(o->pid);
	do {
		assert_true(rounds++ < 10);
		rss = outlet_number(o, "VmRSS");
		come_and_go(o, 1500);
	} while (outlet_number(o, "VmRSS") > rss + GROWN);
	assert_int_equal(o->stats.counters.connections, 1 + rounds * 1500);
	assert_int_equal(proc_fds(o->pid), had);
	o->grants = GRANT_NEED;
	SAY(stay, "\002\377");
	assert_int_equal(
	    outlet_read(o, stay, (uint8_t[256]){ 0 }, 255, OUTLET_TIMEOUT),
	    255);
	/* The log did not grow with them. */
	assert_true(strlen(o->log) < 4096);
	close(stay);
	outlet_stop(o);
}

/* All who ask for much get the same, however much that is. */
static void
test_fair(void **state)
{
	struct outlet *o = outlet_unix(SERVE_EGD);
	uint64_t got[20] = { 0 }, low, high;
	int fds[20];
	char said[20][2000];
	uint8_t buf[4096];
	ssize_t n;

	(void)state;
	outlet_crowd(o, fds, 20);
	o->grants = GRANT_NOTHING;
	for (size_t i = 0; i < 20; i++) {
		for (size_t k = 0; k < sizeof(said[i]); k += 2) {
			said[i][k] = 2;
			said[i][k + 1] = (char)(10 * i + 60);
		}
		outlet_say(fds[i], said[i], sizeof(said[i]));
	}
	outlet_quiet(o);
	for (int round = 0; round < 150; round++) {
		outlet_give(o, 997);
		outlet_pump(o, 1);
		for (size_t i = 0; i < 20; i++) {
			n = recv(fds[i], buf, sizeof(buf), MSG_DONTWAIT);
			got[i] += n > 0 ? (uint64_t)n : 0;
		}
	}
	low = high = got[0];
	for (size_t i = 0; i < 20; i++) {
		low = got[i] < low ? got[i] : low;
		high = got[i] > high ? got[i] : high;
	}
	assert_true(low > 4000);
	assert_true(high - low <= 3 * 256);
	outlet_leave(fds, 20);
	outlet_stop(o);
}

/* Lets a worker have few descriptors. */
static void
limit_worker(struct outlet *o)
{
	const struct rlimit few = { FEW, FEW };
	int status;

	assert_int_equal(waitpid(o->pid, &status, WUNTRACED), o->pid);
	CHECK(prlimit(o->pid, RLIMIT_NOFILE, &few, NULL));
	CHECK(kill(o->pid, SIGCONT));
}

/* There are no more clients than it has descriptors for. */
static void
test_few_descriptors(void **state)
{
	struct outlet *o = outlet_traced(limit_worker);
	int pairs[FEW][2];

	(void)state;
	for (size_t i = 0; i < FEW; i++) {
		CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pairs[i]));
		outlet_client(o, pairs[i][0]);
		close(pairs[i][0]);
		SAY(pairs[i][1], "\002\020");
	}
	for (size_t i = 0; i < FEW; i++)
		if (i < FEW - 16)
			assert_int_equal(outlet_read(o, pairs[i][1],
					     (uint8_t[16]){ 0 }, 16,
					     OUTLET_TIMEOUT),
			    16);
		else
			outlet_closed(o, pairs[i][1]);
	outlet_logged(o, "client rejected, pid ");
	for (size_t i = 0; i < FEW; i++)
		close(pairs[i][1]);
	outlet_stop(o);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_thousand),
		cmocka_unit_test(test_report),
		cmocka_unit_test(test_come_and_go),
		cmocka_unit_test(test_fair),
		cmocka_unit_test(test_few_descriptors),
	};
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	return SUITE_MAIN("egd_worker_clients", tests);
}
