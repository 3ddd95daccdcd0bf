/*
 * Sockets as sources: peers that send, connect, hang up, flood or come back,
 * the guest gets what was sent, and the guest of another pool notices nothing.
 */
#include <sys/random.h>
#include <sys/wait.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "integration/load.h"
#include "integration/peer.h"

#define FEED	  2048
#define FLOOD_MAX (16 << 20) /* bytes that are under way, at the very most */
#define FLOOD_MS  1000

#define STREAM "stock = 4K source \"peer\" { type = stream timeout = 1s %s %s }"

/* A peer connects and is the source; the next one waits for its end. */
static void
listens(struct suite *s, struct place *p)
{
	struct fifo one, two;

	peer_start(s, STREAM, p->text, "listen = yes");
	peer_waits(s);
	peer_make(&one, place_connect(p));
	fifo_feed(&one, FEED);
	peer_answered(s);
	peer_serves(s, &one);
	peer_make(&two, place_connect(p));
	fifo_feed(&two, FEED);
	for (int i = 0; i < 100; i++) {
		fifo_feed(&one, 512);
		for (int j = 0; j < 8; j++)
			peer_serves(s, &one);
	}
	assert_int_equal(daemon_log_count(&s->d, "): connected"), 1);
	peer_hang_up(&one);
	admin_await(s, "lost: end of file", 0);
	admin_await(s, "): connected", 1);
	admin_await(s, "delivers again", 0);
	peer_serves_since(s, &two, 0);
	peer_serves(s, &two);
	fifo_free(&one);
	fifo_free(&two);
	suite_pass(s);
}

static void
test_unix_listen(void **state)
{
	struct place p;

	place_unix(*state, &p, "peer");
	listens(*state, &p);
}

static void
test_tcp_listen(void **state)
{
	struct place p;

	place_inet(&p, SOCK_STREAM, true);
	place_leave(&p);
	listens(*state, &p);
}

/* The server comes late, hangs up, and is found again each time. */
static void
connects(struct suite *s, struct place *p, const char *refused)
{
	struct fifo f;
	size_t from;

	peer_start(s, STREAM, p->text, "");
	admin_await(s, refused, 0);
	peer_waits(s);
	place_listen(p);
	peer_make(&f, place_accept(p));
	fifo_feed(&f, FEED);
	peer_answered(s);
	peer_serves(s, &f);
	peer_hang_up(&f);
	admin_await(s, "lost: end of file", 0);
	f.fd = place_accept(p);
	from = f.n;
	fifo_feed(&f, FEED);
	admin_await(s, "delivers again", 1);
	peer_serves_since(s, &f, from);
	/* It is away for longer than the connection is tried for once. */
	peer_hang_up(&f);
	place_leave(p);
	admin_await(s, "lost: end of file", 1);
	usleep(300000);
	if (p->addr.ss_family == AF_UNIX)
		CHECK(unlink(daemon_path(&s->d, "peer")));
	place_listen(p);
	f.fd = place_accept(p);
	from = f.n;
	fifo_feed(&f, FEED);
	peer_serves_since(s, &f, from);
	place_leave(p);
	fifo_free(&f);
	suite_pass(s);
}

static void
test_unix_connect(void **state)
{
	struct place p;

	place_unix(*state, &p, "peer");
	connects(*state, &p, "lost: No such file or directory");
}

static void
test_tcp_connect(void **state)
{
	struct place p;

	place_inet(&p, SOCK_STREAM, false);
	connects(*state, &p, "lost: Connection refused");
}

/* A connection that is reset is an error of read(2), not an end of file. */
static void
test_reset(void **state)
{
	const struct linger now = { .l_onoff = 1 };
	struct suite *s = *state;
	struct place p;
	struct fifo f;
	size_t from;

	place_inet(&p, SOCK_STREAM, true);
	place_listen(&p);
	peer_start(s, STREAM, p.text, "");
	peer_make(&f, place_accept(&p));
	fifo_feed(&f, FEED);
	peer_serves(s, &f);
	CHECK(setsockopt(f.fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)));
	peer_hang_up(&f);
	admin_await(s, "lost: Connection reset by peer", 0);
	f.fd = place_accept(&p);
	from = f.n;
	fifo_feed(&f, FEED);
	peer_serves_since(s, &f, from);
	place_leave(&p);
	fifo_free(&f);
	suite_pass(s);
}

/* Writes until nothing more is taken for a while; how much was taken. */
static size_t
fill(int fd)
{
	uint8_t buf[16384];
	struct pollfd pfd = { fd, POLLOUT, 0 };
	size_t all = 0;
	ssize_t n;

	while (all < FLOOD_MAX && poll(&pfd, 1, 300) == 1) {
		assert_int_equal(getrandom(buf, sizeof(buf), 0), sizeof(buf));
		n = send(fd, buf, sizeof(buf), MSG_DONTWAIT);
		assert_true(n > 0 || errno == EAGAIN);
		if (n > 0)
			all += (size_t)n;
	}
	return all;
}

/*
 * It hangs up while the stock is full, so that it is not read.  TCP delivers
 * the end only after all that was sent, so there must be room for that.
 */
static void
hangs_up_full(struct suite *s, struct place *p)
{
	struct fifo f;

	peer_start(s, STREAM, p->text, "listen = yes");
	for (size_t i = 0; i < 2; i++) {
		peer_make(&f, place_connect(p));
		fifo_feed(&f, 8192);
		admin_await(s, i == 0 ? "): healthy" : "delivers again", 0);
		assert_int_equal(daemon_log_count(&s->d, "lost: "), i);
		peer_hang_up(&f);
		admin_await(s, "lost: end of file", i);
		fifo_free(&f);
	}
	suite_pass(s);
}

static void
test_unix_hang_up_full(void **state)
{
	struct place p;

	place_unix(*state, &p, "peer");
	hangs_up_full(*state, &p);
}

static void
test_tcp_hang_up_full(void **state)
{
	struct place p;

	place_inet(&p, SOCK_STREAM, true);
	place_leave(&p);
	hangs_up_full(*state, &p);
}

/* A process that writes as fast as it can, and so never ends by itself. */
static pid_t
flood(int fd)
{
	uint8_t buf[16384];
	pid_t pid;

	fflush(NULL);
	if ((pid = fork()) != 0)
		return pid;
	while (getrandom(buf, sizeof(buf), 0) == sizeof(buf) &&
	    write(fd, buf, sizeof(buf)) > 0)
		continue;
	_exit(0);
}

/* Who sends faster than is served has to wait, and costs no memory. */
static void
test_flood(void **state)
{
	struct suite *s = *state;
	struct load load = { .fe = &s->fe, .depth = 4, .len = 4096 };
	struct place p;
	struct usage was;
	struct fifo f;
	size_t taken;
	pid_t pid;

	place_inet(&p, SOCK_STREAM, true);
	place_leave(&p);
	peer_start(s, STREAM, p.text, "listen = yes");
	peer_make(&f, place_connect(&p));
	fifo_feed(&f, FEED);
	peer_serves(s, &f);
	daemon_usage(&s->d, &was);
	taken = fill(f.fd);
	assert_true(taken < FLOOD_MAX);
	pid = flood(f.fd);
	assert_int_not_equal(pid, -1);
	for (uint64_t end = fe_now() + FLOOD_MS; fe_now() < end;) {
		load_run(&load, 1, 50, NULL);
		suite_served(&s->other);
	}
	print_message("# flood: %llu bytes served, at most %zu under way\n",
	    (unsigned long long)load.bytes, taken);
	assert_true(load.bytes > 1 << 20);
	CHECK(daemon_usage_wait(&s->d, &was, 0));
	CHECK(kill(pid, SIGKILL));
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	peer_hang_up(&f);
	/* What was under way still comes, and then the end is seen. */
	for (int i = 0; i < 100 && daemon_log_count(&s->d, "lost: ") == 0; i++)
		load_run(&load, 1, 50, NULL);
	admin_await(s, "lost: end of file", 0);
	fifo_free(&f);
	suite_pass(s);
}

/* Datagrams of all sizes are accepted from any sender, in full. */
static void
test_udp_listen(void **state)
{
	static const size_t sizes[] = { 1000, 1, 64, 7, 1400, 65000, 3, 9000 };
	struct suite *s = *state;
	struct place p;
	struct fifo f;
	size_t got = 0;
	int fds[2];

	place_inet(&p, SOCK_DGRAM, true);
	place_leave(&p);
	peer_start(s, STREAM, p.text, "listen = yes");
	peer_make(&f, -1);
	peer_waits(s);
	fds[0] = place_connect(&p);
	fds[1] = place_connect(&p);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		f.fd = fds[i % 2];
		CHECK(send(f.fd, "", 0, 0));
		fifo_feed(&f, sizes[i]);
		if (i == 0) {
			peer_answered(s);
			got = 64;
		}
		for (; got + 64 <= f.n; got += 64)
			peer_serves(s, &f);
	}
	/* All of it came, and nothing twice: there is no more. */
	peer_waits(s);
	assert_int_equal(daemon_log_count(&s->d, "lost: "), 0);
	close(fds[0]);
	f.fd = fds[1];
	fifo_free(&f);
	suite_pass(s);
}

/* Waits for the datagram by which the daemon is known, and answers to it. */
static void
await_call(struct fifo *f)
{
	struct sockaddr_storage from;
	socklen_t len = sizeof(from);
	struct pollfd pfd = { f->fd, POLLIN, 0 };
	uint8_t buf[16];

	assert_int_equal(poll(&pfd, 1, FE_TIMEOUT_MS), 1);
	assert_int_equal(recvfrom(f->fd, buf, sizeof(buf), 0,
			     (struct sockaddr *)&from, &len),
	    1);
	assert_int_equal(buf[0], 0);
	CHECK(connect(f->fd, (struct sockaddr *)&from, len));
}

/* The server learns of us, also when it comes late or comes again. */
static void
test_udp_connect(void **state)
{
	struct suite *s = *state;
	struct place p;
	struct fifo f;
	size_t from;

	place_inet(&p, SOCK_DGRAM, false);
	place_leave(&p);
	peer_start(s, STREAM, p.text, "");
	peer_waits(s);
	peer_make(&f, socket(p.addr.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
	CHECK(bind(f.fd, (struct sockaddr *)&p.addr, p.len));
	await_call(&f);
	fifo_feed(&f, FEED);
	peer_answered(s);
	peer_serves(s, &f);
	peer_hang_up(&f);
	admin_await(s, "delivers no bytes", 0);
	f.fd = socket(p.addr.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	CHECK(bind(f.fd, (struct sockaddr *)&p.addr, p.len));
	await_call(&f);
	from = f.n;
	fifo_feed(&f, FEED);
	admin_await(s, "delivers again", 0);
	peer_serves_since(s, &f, from);
	fifo_free(&f);
	suite_pass(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SUITE_EMPTY(test_unix_listen),
		SUITE_EMPTY(test_tcp_listen),
		SUITE_EMPTY(test_unix_connect),
		SUITE_EMPTY(test_tcp_connect),
		SUITE_EMPTY(test_reset),
		SUITE_EMPTY(test_unix_hang_up_full),
		SUITE_EMPTY(test_tcp_hang_up_full),
		SUITE_EMPTY(test_flood),
		SUITE_EMPTY(test_udp_listen),
		SUITE_EMPTY(test_udp_connect),
	};

	return SUITE_MAIN("streams", tests);
}
