/*
 * Readers that hang: an unread log, a service manager that does not read, and a
 * VMM that only reconnects do not delay guests.
 */
#include <sys/socket.h>
#include <sys/un.h>

#include <bsd/string.h>
#include <bsd/unistd.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "integration/events.h"
#include "integration/journal.h"
#include "integration/manager.h"

#define GUESTS	   "200"
#define REPORTS	   40	/* of all guests, which come to more than is kept */
#define SERVED_MAX 100	/* ms, for a request while the log is not read */
#define RECONNECTS 40	/* more messages than a socket has room for */
#define STORM	   3000 /* ms */
/* In /proc/net/unix. */
#define SO_LISTENING 0x10000

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

/* Whether a process listens there: a socket has its name before it listens. */
static bool
listens(const char *path)
{
	char line[512], name[256];
	unsigned int flags;
	bool found = false;
	FILE *f = fopen("/proc/net/unix", "re");

	assert_non_null(f);
	while (!found && fgets(line, sizeof(line), f) != NULL)
		found = sscanf(line, "%*s %*s %*s %x %*s %*s %*s %255s", &flags,
			    name) == 2 &&
		    (flags & SO_LISTENING) != 0 && strcmp(name, path) == 0;
	fclose(f);
	return found;
}

/* A guest connects as soon as it can. */
static void
connect_early(struct suite *s)
{
	const uint64_t deadline = now_ms() + DAEMON_TIMEOUT_MS;

	while (!listens(daemon_path(&s->d, "vm0.sock"))) {
		assert_true(now_ms() < deadline);
		poll(NULL, 0, 10);
	}
	suite_up_qemu(s, &s->fe, "vm0");
}

/* How long a request of the guest takes, ms. */
static uint64_t
time_request(struct suite *s)
{
	uint64_t start = now_ms();

	suite_served(&s->fe);
	return now_ms() - start;
}

/*
 * More is logged than is kept, and the guest is served all the time.  The best
 * request counts, since the machine may be busy.
 */
static void
flood(struct suite *s)
{
	uint64_t best = UINT64_MAX, took;

	for (int i = 0; i < REPORTS; i++) {
		CHECK(kill(s->d.pid, SIGUSR1));
		took = time_request(s);
		best = took < best ? took : best;
		poll(NULL, 0, 5);
	}
	assert_true(best < SERVED_MAX);
}

static bool
has_lost(const char *text)
{
	static const char lost[] = "records lost, as the log was not read: ";
	const char *found = strstr(text, lost);

	return found != NULL && strtoul(found + strlen(lost), NULL, 10) > 0;
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
	journal_is(&r, "MESSAGE_ID", event_type(EVENT_LOG_LOST)->id);
	journal_is(&r, "PRIORITY", "4");
	suite_served(&s->fe);
	close(fd);
	suite_pass(s);
}

/* A number of the status, as JSON: the first by that key after `where`. */
static unsigned long
status_number(struct suite *s, const char *where, const char *key)
{
	char out[16384], quoted[64];
	const char *at = out;

	assert_int_equal(admin_ctl(s, out, sizeof(out), "status --json"), 0);
	snprintf(quoted, sizeof(quoted), "\"%s\"", where);
	if (where[0] != '\0')
		at = strstr(at, quoted);
	assert_non_null(at);
	snprintf(quoted, sizeof(quoted), "\"%s\":", key);
	at = strstr(at, quoted);
	assert_non_null(at);
	return strtoul(at + strlen(quoted), NULL, 10);
}

/* Two guests, and a service manager without notifications so far. */
static void
start_unheard(struct suite *s, struct manager *m)
{
	manager_open(m, s);
	admin_conf(s, "w",
	    "pool \"default\" { source \"k\" { type = kernel } }\n");
	admin_conf_guest(s, "vm0", "");
	admin_conf_guest(s, "vm1", "");
	admin_start(s);
	suite_up_qemu(s, &s->fe, "vm0");
}

/* Receives all, until nothing is left. */
static void
hear_all(struct manager *m, size_t sessions)
{
	const uint64_t deadline = now_ms() + DAEMON_TIMEOUT_MS;

	do {
		assert_true(now_ms() < deadline);
		poll(NULL, 0, 50);
		manager_hear(m);
	} while (manager_stored(m, "s-") != sessions ||
	    strstr(m->said, "READY=1") != NULL);
}

/*
 * A manager that does not read delays no guest, and learns all that counts when
 * it does: the sessions there are, no others.
 */
static void
test_manager(void **state)
{
	struct suite *s = *state;
	struct manager m;
	size_t slow = 0;

	start_unheard(s, &m);
	for (int i = 0; i < RECONNECTS; i++) {
		suite_up_qemu(s, &s->other, "vm1");
		slow += time_request(s) > SERVED_MAX;
		fe_close(&s->other);
	}
	assert_true(slow < RECONNECTS / 4);
	suite_up_qemu(s, &s->other, "vm1");
	assert_in_range(status_number(s, "", "sessions_not_stored"), 1, 2);
	hear_all(&m, 2);
	assert_int_equal(status_number(s, "", "sessions_not_stored"), 0);
	fe_close(&s->other);
	hear_all(&m, 1);
	assert_int_equal(daemon_stop(&s->d, SIGTERM), 0);
	/* The next one goes on with what was stored. */
	manager_hear(&m);
	admin_start(s);
	suite_served(&s->fe);
	manager_close(&m);
	suite_pass(s);
}

/* It ends as if the manager read. */
static void
test_manager_end(void **state)
{
	struct suite *s = *state;
	struct manager m;
	uint64_t start;

	start_unheard(s, &m);
	for (int i = 0; i < RECONNECTS; i++) {
		suite_up_qemu(s, &s->other, "vm1");
		fe_close(&s->other);
	}
	start = now_ms();
	assert_int_equal(daemon_stop(&s->d, SIGTERM), 0);
	assert_true(now_ms() - start < 5000);
	manager_close(&m);
	suite_pass(s);
}

/* Connects and hangs up for a while.  Returns how often a request was slow. */
static size_t
storm(struct suite *s)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	const uint64_t end = now_ms() + STORM;
	size_t slow = 0;
	int fd;

	strlcpy(sun.sun_path, daemon_path(&s->d, "vm1.sock"),
	    sizeof(sun.sun_path));
	while (now_ms() < end) {
		for (int i = 0; i < 20; i++) {
			fd = socket(AF_UNIX,
			    SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
			assert_int_not_equal(fd, -1);
			if (connect(fd, (struct sockaddr *)&sun, sizeof(sun)) ==
			    -1)
				assert_int_equal(errno, EAGAIN);
			close(fd);
		}
		slow += time_request(s) > SERVED_MAX;
	}
	return slow;
}

/* A guest that reconnects once in a while is served at once; a storm is not. */
static void
test_reconnects(void **state)
{
	struct suite *s = *state;
	struct manager m;
	unsigned long before;
	size_t slow;

	start_unheard(s, &m);
	for (int i = 0; i < 10; i++) {
		suite_up_qemu(s, &s->other, "vm1");
		fe_close(&s->other);
	}
	manager_hear(&m);
	before = status_number(s, "vm1", "connections");
	assert_int_equal(before, 10);
	slow = storm(s);
	assert_true(slow < 20);
	/* A burst of 20, then ten a second at most. */
	assert_in_range(status_number(s, "vm1", "connections") - before, 10,
	    60);
	manager_hear(&m);
	suite_up_qemu(s, &s->other, "vm1");
	suite_served(&s->other);
	manager_close(&m);
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
		SUITE_EMPTY(test_manager),
		SUITE_EMPTY(test_manager_end),
		SUITE_EMPTY(test_reconnects),
	};

	return SUITE_MAIN("unread", tests);
}
