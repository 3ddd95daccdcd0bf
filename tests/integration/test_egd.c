/*
 * Servers of the EGD protocol as sources: one of our own, with manners good and
 * bad, and Debian's entropybroker.
 */
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "integration/load.h"
#include "integration/peer.h"

#define EGD	"stock = 4K source \"egd\" { type = egd timeout = 1s %s }"
#define LOAD_MS 1000
#define HANG_UP 3000 /* bytes of a connection, if it ends in mid-answer */

enum manner {
	WHOLE,	  /* each answer at once */
	SPLIT,	  /* byte by byte */
	TRICKLE,  /* the same, with pauses */
	HANGS_UP, /* in mid-answer */
	ENDLESS,  /* more than was asked for, and never reads */
	SILENT,	  /* never answers */
};

/* Sends that many bytes; they are all from `f`, from its beginning on. */
static bool
answer(int conn, struct fifo *f, size_t len, enum manner manner)
{
	size_t n = manner == SPLIT || manner == TRICKLE ? 1 : len;

	for (; len > 0; len -= n, f->n += n) {
		if (f->n + n > ADMIN_FED_MAX)
			_exit(3);
		if (write(conn, f->bytes + f->n, n) != (ssize_t)n)
			return false;
		if (manner == TRICKLE)
			usleep(1000);
	}
	return true;
}

/* One connection to the server, in its process. */
static void
converse(int conn, struct fifo *f, enum manner manner)
{
	const int yes = 1;
	uint8_t request[2];
	size_t first = f->n;

	setsockopt(conn, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
	while (manner == ENDLESS) {
		if (!answer(conn, f, 4096, manner))
			return;
		f->n %= ADMIN_FED_MAX;
	}
	while (recv(conn, request, 2, MSG_WAITALL) == 2) {
		/* A request of 0 bytes is allowed. */
		if (request[0] != 2 || request[1] == 0)
			_exit(2);
		if (manner == SILENT)
			continue;
		if (manner == HANGS_UP && f->n - first > HANG_UP) {
			answer(conn, f, request[1] / 2, manner);
			shutdown(conn, SHUT_WR);
			while (recv(conn, request, 2, 0) > 0)
				continue;
			return;
		}
		if (!answer(conn, f, request[1], manner))
			return;
	}
}

/* A server in a process of its own; it ends if it is asked in a wrong way. */
static pid_t
serve(struct place *p, const struct fifo *f, size_t from, enum manner manner)
{
	struct fifo rest = *f;
	pid_t pid, self = getpid();
	int conn;

	fflush(NULL);
	if ((pid = fork()) != 0) {
		assert_int_not_equal(pid, -1);
		return pid;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	rest.n = from;
	while (getppid() == self && (conn = accept(p->fd, NULL, NULL)) != -1) {
		converse(conn, &rest, manner);
		close(conn);
	}
	_exit(1);
}

static void
end(pid_t pid)
{
	int status;

	CHECK(kill(pid, SIGTERM));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	/* Else it ended by itself, and its status says why. */
	assert_true(WIFSIGNALED(status));
}

/* All that a server has to give. */
static void
prepare(struct fifo *f)
{
	ssize_t n;

	peer_make(f, -1);
	for (; f->n < ADMIN_FED_MAX; f->n += (size_t)n) {
		n = getrandom(f->bytes + f->n, ADMIN_FED_MAX - f->n, 0);
		assert_true(n > 0);
	}
}

static pid_t
start(struct suite *s, struct place *p, struct fifo *f, enum manner manner)
{
	pid_t pid;

	prepare(f);
	place_listen(p);
	pid = serve(p, f, 0, manner);
	peer_start(s, EGD, p->text);
	return pid;
}

static void
serves(struct suite *s, struct place *p, enum manner manner, int requests)
{
	struct fifo f;
	pid_t pid = start(s, p, &f, manner);

	for (int i = 0; i < requests; i++)
		peer_serves(s, &f);
	assert_int_equal(daemon_log_count(&s->d, "lost: "), 0);
	assert_int_equal(daemon_log_count(&s->d, "nothing"), 0);
	end(pid);
	place_leave(p);
	fifo_free(&f);
	suite_pass(s);
}

static void
test_unix(void **state)
{
	struct place p;

	place_unix(*state, &p, "egd");
	serves(*state, &p, WHOLE, 1000);
}

static void
test_tcp_split(void **state)
{
	struct place p;

	place_inet(&p, SOCK_STREAM, false);
	serves(*state, &p, SPLIT, 200);
}

static void
test_tcp_trickle(void **state)
{
	struct place p;

	place_inet(&p, SOCK_STREAM, true);
	serves(*state, &p, TRICKLE, 10);
}

/* Answers that break off are used as far as they came, and no further. */
static void
test_hangs_up(void **state)
{
	struct suite *s = *state;
	struct place p;
	struct fifo f;
	pid_t pid;

	place_inet(&p, SOCK_STREAM, true);
	pid = start(s, &p, &f, HANGS_UP);
	for (int i = 0; i < 3 * HANG_UP / 64; i++)
		peer_serves(s, &f);
	admin_await(s, "lost: end of file", 1);
	admin_await(s, "delivers again", 1);
	/* It is away for a while, and then another one is there. */
	place_leave(&p);
	end(pid);
	usleep(500000);
	place_listen(&p);
	pid = serve(&p, &f, ADMIN_FED_MAX / 2, WHOLE);
	peer_serves_since(s, &f, ADMIN_FED_MAX / 2);
	end(pid);
	place_leave(&p);
	fifo_free(&f);
	suite_pass(s);
}

/* The server ends while nothing is requested, since the stock is full. */
static void
test_ends_unread(void **state)
{
	struct suite *s = *state;
	struct place p;
	struct fifo f;
	pid_t pid;

	place_unix(s, &p, "egd");
	pid = start(s, &p, &f, WHOLE);
	admin_await(s, "): healthy", 0);
	usleep(300000);
	assert_int_equal(daemon_log_count(&s->d, "lost: "), 0);
	place_leave(&p);
	end(pid);
	admin_await(s, "lost: end of file", 0);
	fifo_free(&f);
	suite_pass(s);
}

/* Unrequested bytes, and a server that reads no requests, do no harm. */
static void
test_endless(void **state)
{
	struct suite *s = *state;
	struct load load = { .fe = &s->fe, .depth = 4, .len = 4096 };
	struct usage was;
	struct place p;
	struct fifo f;
	pid_t pid;

	place_inet(&p, SOCK_STREAM, true);
	pid = start(s, &p, &f, ENDLESS);
	peer_serves(s, &f);
	daemon_usage(&s->d, &was);
	for (uint64_t until = fe_now() + LOAD_MS; fe_now() < until;) {
		load_run(&load, 1, 50, NULL);
		suite_served(&s->other);
	}
	print_message("# %llu bytes without end\n",
	    (unsigned long long)load.bytes);
	assert_true(load.bytes > 65536);
	CHECK(daemon_usage_wait(&s->d, &was, 0));
	end(pid);
	place_leave(&p);
	fifo_free(&f);
	suite_pass(s);
}

/* It takes every request and answers none. */
static void
test_silent(void **state)
{
	struct suite *s = *state;
	struct place p;
	struct fifo f;
	pid_t pid;
	long cpu;

	place_unix(s, &p, "egd");
	pid = start(s, &p, &f, SILENT);
	peer_waits(s);
	admin_await(s, "delivers no bytes", 0);
	cpu = proc_cpu(s->d.pid);
	cpu += proc_cpu(daemon_child(&s->d, ROLE_ENTROPY, NULL));
	for (int i = 0; i < 10; i++) {
		usleep(50000);
		suite_served(&s->other);
	}
	cpu = proc_cpu(s->d.pid) - cpu;
	cpu += proc_cpu(daemon_child(&s->d, ROLE_ENTROPY, NULL));
	assert_true(cpu <= sysconf(_SC_CLK_TCK) / 10);
	place_leave(&p);
	end(pid);
	admin_await(s, "lost: ", 0);
	CHECK(unlink(daemon_path(&s->d, "egd")));
	place_listen(&p);
	pid = serve(&p, &f, 0, WHOLE);
	peer_answered(s);
	peer_serves(s, &f);
	end(pid);
	place_leave(&p);
	fifo_free(&f);
	suite_pass(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SUITE_EMPTY(test_unix),
		SUITE_EMPTY(test_tcp_split),
		SUITE_EMPTY(test_tcp_trickle),
		SUITE_EMPTY(test_hangs_up),
		SUITE_EMPTY(test_ends_unread),
		SUITE_EMPTY(test_endless),
		SUITE_EMPTY(test_silent),
	};

	return SUITE_MAIN("egd", tests);
}
