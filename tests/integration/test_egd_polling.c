/*
 * Polling for the requests of EGD clients: it finds them, loses nothing, ends
 * when there is nothing to look for, and takes no more than its share.
 */
#include <sys/un.h>

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "integration/peer.h"

#define POOL	  "pool \"default\" { source \"kernel\" { type = kernel } }\n"
#define EGD	  "egd \"e\" { %s %s }\n"
#define WORKER	  "vrngd-egd"
#define CLIENTS	  4
#define KILLS	  8	/* of workers: more would end the session */
#define SAVED_NS  25000 /* by a hit, as vrngd.conf(5) has it */
#define CREDIT_MS 100	/* whose share can be saved up */

/* The polling counters of a guest or service. */
struct polled {
	uint64_t polls, hits, misses, ns;
};

static uint64_t
number(const char *text, const char *name)
{
	const char *at = strstr(text, name);

	assert_non_null(at);
	return strtoull(at + strlen(name), NULL, 10);
}

static struct polled
ask(struct suite *s, const char *name)
{
	static char out[1 << 16];
	const char *text;

	assert_int_equal(
	    admin_ctl(s, out, sizeof(out), "status --json %s", name), 0);
	text = strstr(out, "\"polling\":");
	assert_non_null(text);
	return (struct polled){
		.polls = number(text, "\"polls\": "),
		.hits = number(text, "\"hits\": "),
		.misses = number(text, "\"misses\": "),
		.ns = number(text, "\"ns\": "),
	};
}

static void
conf(struct suite *s, const struct place *p, const char *polling)
{
	admin_conf(s, "w", POOL EGD, p->text, polling);
}

static void
start(struct suite *s, struct place *p, const char *polling)
{
	place_unix(s, p, "egd");
	conf(s, p, polling);
	admin_start(s);
}

static void
request(int fd, uint8_t n)
{
	const uint8_t bytes[] = { 2, n };

	assert_int_equal(write(fd, bytes, sizeof(bytes)), sizeof(bytes));
}

static void
answer(int fd, uint8_t *bytes, size_t n)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	size_t had = 0;
	ssize_t r;

	while (had < n) {
		assert_int_equal(poll(&pfd, 1, FE_TIMEOUT_MS), 1);
		r = read(fd, bytes + had, n - had);
		assert_true(r > 0);
		had += (size_t)r;
	}
}

static void
take(int fd, unsigned int times)
{
	uint8_t bytes[64];

	while (times-- > 0) {
		request(fd, sizeof(bytes));
		answer(fd, bytes, sizeof(bytes));
	}
}

/* Requests are found, of one client and of several; on a busy host, later. */
static void
find(struct suite *s, const char *name, const int *fds, int n)
{
	struct polled before, polled;
	uint64_t deadline = fe_now() + 4 * FE_TIMEOUT_MS;

	do {
		assert_true(fe_now() < deadline);
		before = ask(s, name);
		for (int i = 0; i < 2000; i++)
			take(fds[i % n], 1);
		polled = ask(s, name);
		print_message("# %ju hits\n",
		    (uintmax_t)(polled.hits - before.hits));
	} while (polled.hits - before.hits < 500);
	assert_true(polled.polls >= polled.hits + polled.misses);
	assert_in_range(polled.ns, 1000, UINT64_C(120) * 1000000000);
	/* A round of events may have several requests. */
	assert_in_range(polled.hits - before.hits, 500, 2000);
}

static void
test_hits(void **state)
{
	struct suite *s = *state;
	struct place p;
	char out[4096];
	int fds[CLIENTS];

	start(s, &p, "poll-us = 1000 poll-share = 100%");
	for (int i = 0; i < CLIENTS; i++)
		fds[i] = place_connect(&p);
	find(s, "e", fds, 1);
	find(s, "e", fds, CLIENTS);
	assert_int_equal(admin_ctl(s, out, sizeof(out), "status"), 0);
	assert_non_null(strstr(out, " HITS"));
	for (int i = 0; i < CLIENTS; i++)
		close(fds[i]);
	suite_pass(s);
}

/* A guest's EGD socket has the guest's polling, and counts for the guest. */
static void
test_guest(void **state)
{
	struct suite *s = *state;
	struct place p;
	int fd;

	place_unix(s, &p, "egd");
	admin_conf(s, "w",
	    POOL "guest \"vm0\" { egd = \"%s\" poll-us = 1000 "
		 "poll-share = 100%% }\n",
	    ((const struct sockaddr_un *)(const void *)&p.addr)->sun_path);
	admin_start(s);
	fd = place_connect(&p);
	find(s, "vm0", &fd, 1);
	close(fd);
	suite_pass(s);
}

/* Without the key, and for streams, there are no polls. */
static void
test_off(void **state)
{
	struct suite *s = *state;
	struct place p, raw;
	uint8_t bytes[4096];
	int fd;

	place_unix(s, &p, "egd");
	place_unix(s, &raw, "raw");
	admin_conf(s, "w",
	    "pool \"default\" { poll-us = 1000 poll-share = 100%% "
	    "source \"kernel\" { type = kernel } }\n"
	    "egd \"e\" { %s poll-us = 0 } stream \"r\" { %s }\n",
	    p.text, raw.text);
	admin_start(s);
	fd = place_connect(&p);
	take(fd, 1000);
	close(fd);
	fd = place_connect(&raw);
	for (int i = 0; i < 200; i++)
		answer(fd, bytes, sizeof(bytes));
	close(fd);
	assert_int_equal(ask(s, "e").polls, 0);
	assert_int_equal(ask(s, "r").polls, 0);
	suite_pass(s);
}

/*
 * Within some second an idle worker does nothing; before that it may have to
 * answer the parent, which checks on it after work.
 */
static void
check_idle(struct suite *s)
{
	pid_t worker = daemon_child(&s->d, WORKER, "e");
	char before[32], after[32];
	int tries = 4;
	long cpu;

	do {
		assert_true(tries-- > 0);
		usleep(100000);
		CHECK(proc_status(worker, "voluntary_ctxt_switches", before,
		    sizeof(before)));
		cpu = proc_cpu(worker);
		usleep(1000000);
		CHECK(proc_status(worker, "voluntary_ctxt_switches", after,
		    sizeof(after)));
	} while (strcmp(before, after) != 0 || proc_cpu(worker) != cpu);
}

/* With a client that sends nothing. */
static void
test_idle(void **state)
{
	struct suite *s = *state;
	struct place p;
	int fd;

	start(s, &p, "poll-us = 1000 poll-share = 100%");
	fd = place_connect(&p);
	find(s, "e", &fd, 1);
	check_idle(s);
	take(fd, 10);
	close(fd);
	suite_pass(s);
}

/* While clients wait for bytes, there is nothing to look for. */
static void
test_starved(void **state)
{
	struct suite *s = *state;
	struct place p;
	pid_t worker;
	uint64_t end;
	long cpu;
	int fd;

	start(s, &p,
	    "poll-us = 1000 poll-share = 100% max-bytes = 6400 "
	    "period = 1000ms");
	fd = place_connect(&p);
	take(fd, 1);
	worker = daemon_child(&s->d, WORKER, "e");
	cpu = proc_cpu(worker);
	end = fe_now() + 3000;
	while (fe_now() < end)
		take(fd, 1);
	cpu = proc_cpu(worker) - cpu;
	print_message("# %ld ms of 3000\n", cpu * 1000 / sysconf(_SC_CLK_TCK));
	assert_in_range(cpu, 0, sysconf(_SC_CLK_TCK));
	close(fd);
	suite_pass(s);
}

/*
 * A second of a client that is slow.  Polls never take more than the share.
 * Returns whether they found requests, and took a good part of it.
 */
static bool
shared(struct suite *s, int fd)
{
	struct polled before = ask(s, "e"), polled;
	uint64_t begun = fe_now(), hits, ns, most;

	while (fe_now() < begun + 1000) {
		take(fd, 1);
		usleep(400);
	}
	polled = ask(s, "e");
	hits = polled.hits - before.hits;
	ns = polled.ns - before.ns;
	most = (fe_now() - begun + CREDIT_MS) * 1000000 / 20 + hits * SAVED_NS;
	print_message("# %ju hits, %ju misses, %ju us of %ju\n",
	    (uintmax_t)hits, (uintmax_t)(polled.misses - before.misses),
	    (uintmax_t)ns / 1000, (uintmax_t)most / 1000);
	assert_in_range(ns, 0, most);
	return hits > 0 && ns >= most / 10;
}

static void
test_share(void **state)
{
	struct suite *s = *state;
	struct place p;
	int tries = 30, fd; /* on a busy host */

	start(s, &p, "poll-us = 1000 poll-share = 5%");
	fd = place_connect(&p);
	while (!shared(s, fd) && --tries > 0)
		continue;
	assert_true(tries > 0);
	close(fd);
	suite_pass(s);
}

/* A reload begins and ends it, while the client keeps its connection. */
static void
test_reload(void **state)
{
	struct suite *s = *state;
	struct place p;
	uint64_t polls;
	int fd;

	start(s, &p, "");
	fd = place_connect(&p);
	for (int i = 0; i < 4; i++) {
		polls = ask(s, "e").polls;
		take(fd, 500);
		assert_int_equal(ask(s, "e").polls, polls);
		conf(s, &p, "poll-us = 500 poll-share = 100%");
		admin_reload(s, ": reloaded, ");
		find(s, "e", &fd, 1);
		conf(s, &p, "");
		admin_reload(s, ": reloaded, ");
		/* The worker may receive the new limits during the first. */
		take(fd, 100);
	}
	close(fd);
	suite_pass(s);
}

/* Workers die during polls, and no request or byte is lost or sent twice. */
static void
test_deaths(void **state)
{
	struct suite *s = *state;
	struct place p;
	uint8_t *all = malloc(KILLS * 300 * 64), *at = all;
	pid_t worker;
	int fd;

	assert_non_null(all);
	start(s, &p, "poll-us = 1000 poll-share = 100%");
	fd = place_connect(&p);
	for (int n = 0; n < KILLS; n++) {
		worker = daemon_child_wait(&s->d, WORKER, "e", FE_TIMEOUT_MS);
		assert_true(worker > 0);
		for (int i = 0; i < 300; i++, at += 64) {
			request(fd, 64);
			if (i == 200)
				CHECK(kill(worker, SIGKILL));
			answer(fd, at, 64);
		}
	}
	assert_true(ask(s, "e").hits > 0);
	suite_unique(all, (size_t)(at - all));
	free(all);
	close(fd);
	suite_pass(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { SUITE_EMPTY(test_hits),
		SUITE_EMPTY(test_guest), SUITE_EMPTY(test_off),
		SUITE_EMPTY(test_idle), SUITE_EMPTY(test_starved),
		SUITE_EMPTY(test_share), SUITE_EMPTY(test_reload),
		SUITE_EMPTY(test_deaths) };

	return SUITE_MAIN("egd_polling", tests);
}
