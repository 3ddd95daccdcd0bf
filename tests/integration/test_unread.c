/*
 * Readers that hang: a log that nobody reads holds up no guest, and what was
 * lost is reported when it is read again.
 */
#include <bsd/unistd.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "integration/journal.h"

#define GUESTS	   "200"
#define REPORTS	   40  /* of all guests, which come to more than is kept */
#define SERVED_MAX 100 /* ms, for a request while nobody reads */

struct log_pipe {
	int fds[2];
	size_t filled; /* bytes, before the daemon starts */
};

static uint64_t
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* The daemon's standard error becomes the pipe. */
static void
prepare(void *arg)
{
	const struct log_pipe *p = arg;

	if (dup2(p->fds[1], STDERR_FILENO) == -1)
		_exit(126);
	closefrom(3);
}

/* Fills a pipe; its description stays one that blocks. */
static void
pipe_fill(struct log_pipe *p)
{
	char bytes[4096];
	ssize_t n;
	int fd;

	memset(bytes, '\n', sizeof(bytes));
	CHECK(pipe2(p->fds, O_CLOEXEC));
	fd = p->fds[1];
	CHECK(fcntl(fd, F_SETFL, O_NONBLOCK));
	p->filled = 0;
	while ((n = write(fd, bytes, sizeof(bytes))) > 0)
		p->filled += (size_t)n;
	assert_int_equal(errno, EAGAIN);
	CHECK(fcntl(fd, F_SETFL, 0));
}

/* A guest connects as soon as there is a socket. */
static void
connect_early(struct suite *s)
{
	const uint64_t deadline = now_ms() + DAEMON_TIMEOUT_MS;

	while (access(daemon_path(&s->d, "vm0.sock"), F_OK) == -1) {
		assert_true(now_ms() < deadline);
		poll(NULL, 0, 10);
	}
	suite_up_qemu(s, &s->fe, "vm0");
}

/*
 * More is logged than is kept, and the guest is served all the time.  Requests
 * are counted by the best of a few, since the machine may be busy.
 */
static void
flood(struct suite *s)
{
	uint64_t start, best = UINT64_MAX, took;

	for (int i = 0; i < REPORTS; i++) {
		CHECK(kill(s->d.pid, SIGUSR1));
		start = now_ms();
		suite_served(&s->fe);
		took = now_ms() - start;
		best = took < best ? took : best;
		poll(NULL, 0, 5);
	}
	assert_true(best < SERVED_MAX);
}

static bool
has_lost(const char *text)
{
	const char *found = strstr(text, " records lost, ");
	const char *line = found;

	while (line != NULL && line > text && line[-1] != ' ')
		line--;
	return found != NULL && strtoul(line, NULL, 10) > 0;
}

/* Reads until there is the line; returns whether all others were whole. */
static void
read_lost(int fd)
{
	static char text[1 << 20];
	size_t used = 0;
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	ssize_t n;

	do {
		text[used] = '\0';
		assert_int_equal(poll(&pfd, 1, DAEMON_TIMEOUT_MS), 1);
		n = read(fd, text + used, sizeof(text) - 1 - used);
		assert_true(n > 0);
		used += (size_t)n;
		text[used] = '\0';
	} while (!has_lost(text));
	assert_non_null(strstr(text, " ready: "));
	for (char *line = text, *end; (end = strchr(line, '\n')) != NULL;
	     line = end + 1)
		assert_true(end == line || (line[0] == '2' && line[10] == 'T'));
}

static void
test_pipe(void **state)
{
	const char *const args[] = { "-s", "@vm%d.sock", "-c", GUESTS, NULL };
	struct suite *s = *state;
	struct log_pipe p;

	pipe_fill(&p);
	s->d.prepare = prepare;
	s->d.prepare_arg = &p;
	CHECK(daemon_spawn(&s->d, args));
	connect_early(s);
	flood(s);
	read_lost(p.fds[0]);
	suite_served(&s->fe);
	close(p.fds[0]);
	close(p.fds[1]);
	suite_pass(s);
}

/* It ends, whether its last lines are read or not. */
static void
test_ends(void **state)
{
	const char *const args[] = { "-s", "@vm%d.sock", NULL };
	struct suite *s = *state;
	struct log_pipe p;

	pipe_fill(&p);
	s->d.prepare = prepare;
	s->d.prepare_arg = &p;
	CHECK(daemon_spawn(&s->d, args));
	connect_early(s);
	assert_int_equal(daemon_stop(&s->d, SIGTERM), 0);
	close(p.fds[0]);
	close(p.fds[1]);
	suite_pass(s);
}

/* A reader that has gone away is nothing to wait for either. */
static void
test_gone(void **state)
{
	const char *const args[] = { "-s", "@vm%d.sock", NULL };
	struct suite *s = *state;
	struct log_pipe p;

	pipe_fill(&p);
	s->d.prepare = prepare;
	s->d.prepare_arg = &p;
	CHECK(daemon_spawn(&s->d, args));
	connect_early(s);
	close(p.fds[0]);
	close(p.fds[1]);
	CHECK(kill(s->d.pid, SIGUSR1));
	suite_served(&s->fe);
	assert_int_equal(daemon_stop(&s->d, SIGTERM), 0);
	suite_pass(s);
}

static void
test_journal(void **state)
{
	const char *const args[] = { "-s", "@vm%d.sock", "-c", GUESTS, NULL };
	struct suite *s = *state;
	struct journal_record r;
	int fd = journal_open(s);

	s->d.journal = true;
	CHECK(daemon_spawn(&s->d, args));
	connect_early(s);
	flood(s);
	journal_expect(fd, "MESSAGE", "ready: ", &r);
	journal_expect(fd, "VRNGD_LOST", "", &r);
	assert_true(has_lost(journal_value(&r, "MESSAGE")) ||
	    journal_number(&r, "VRNGD_LOST") > 0);
	journal_is(&r, "VRNGD_LOST_ALARMS", "0");
	journal_is(&r, "PRIORITY", "4");
	suite_served(&s->fe);
	close(fd);
	suite_pass(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SUITE_EMPTY(test_pipe),
		SUITE_EMPTY(test_ends),
		SUITE_EMPTY(test_gone),
		SUITE_EMPTY(test_journal),
	};

	return SUITE_MAIN("unread", tests);
}
