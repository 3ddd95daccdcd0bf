/*
 * Peers that do their worst to the daemon, and configurations of sockets that
 * cannot be.
 */
#include <sys/wait.h>

#include <endian.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "integration/peer.h"

#define TIMES 200

#define STREAM "source \"%s\" { type = stream timeout = 1s %s %s }\n"

/* Time of the parent and the entropy process, in clock ticks. */
static long
cpu_time(struct suite *s)
{
	return proc_cpu(s->d.pid) +
	    proc_cpu(daemon_child(&s->d, ROLE_ENTROPY, NULL));
}

/* Connects, if that is possible at once, sends so many zeros and hangs up. */
static void
hurry(const struct place *p, size_t len)
{
	uint8_t zeros[4096] = { 0 };
	int fd = socket(p->addr.ss_family, p->type | SOCK_NONBLOCK, 0);

	assert_int_not_equal(fd, -1);
	assert_true(len <= sizeof(zeros));
	if (connect(fd, (const struct sockaddr *)&p->addr, p->len) == -1)
		assert_true(errno == EINPROGRESS || errno == EAGAIN);
	if (len > 0)
		send(fd, zeros, len, MSG_NOSIGNAL);
	CHECK(close(fd));
}

/*
 * A peer connects and hangs up as fast as it can: it costs little, does not
 * fill the log, and does not keep out others.
 */
static void
hurries(struct suite *s, struct place *p, size_t len)
{
	struct usage was;
	struct fifo f;
	long cpu;
	size_t lines;

	peer_start(s, STREAM, "peer", p->text, "listen = yes");
	peer_make(&f, place_connect(p));
	fifo_feed(&f, 2048);
	peer_serves(s, &f);
	peer_hang_up(&f);
	admin_await(s, "lost: end of file", 0);
	daemon_usage(&s->d, &was);
	cpu = cpu_time(s);
	for (int i = 0; i < TIMES; i++) {
		hurry(p, len);
		usleep(5000);
		if (i % 20 == 0)
			suite_served(&s->other);
	}
	cpu = cpu_time(s) - cpu;
	lines = daemon_log_count(&s->d, "\n");
	print_message("# %ld ticks, %zu lines\n", cpu, lines);
	assert_true(cpu <= sysconf(_SC_CLK_TCK) / 2);
	assert_true(lines < 50);
	CHECK(daemon_usage_wait(&s->d, &was, 3000));
	suite_served(&s->other);
	fifo_free(&f);
	suite_pass(s);
}

static void
test_hurries_tcp(void **state)
{
	struct place p;

	place_inet(&p, SOCK_STREAM, true);
	place_leave(&p);
	hurries(*state, &p, 0);
}

static void
test_hurries_zeros(void **state)
{
	struct place p;

	place_inet(&p, SOCK_STREAM, true);
	place_leave(&p);
	hurries(*state, &p, 4096);
}

static void
test_hurries_unix(void **state)
{
	struct place p;

	place_unix(*state, &p, "peer");
	hurries(*state, &p, 0);
}

/* A FIFO that is fed byte by byte is slow, and nothing else is. */
static void
test_trickle(void **state)
{
	struct suite *s = *state;
	struct fifo f;
	uint8_t buf[64];

	fifo_make(s, &f, "fifo");
	peer_start(s,
	    "source \"fifo\" { type = device path = \"%s\" timeout = 1s }",
	    f.path);
	for (int i = 0; i < 8; i++) {
		fe_add_one(&s->fe, FE_BUF_GPA, sizeof(buf));
		fe_kick(&s->fe);
		for (int n = 0; fe_pending(&s->fe) == 0 && n < 2000; n++) {
			fifo_feed(&f, 1);
			usleep(1000);
			if (n % 100 == 0)
				suite_served(&s->other);
		}
		peer_answered(s);
		CHECK(fe_mem_read(&s->fe, FE_BUF_GPA, buf, sizeof(buf)));
		assert_true(fifo_had(&f, buf, sizeof(buf)));
	}
	/* Hardly more than was held back at the start had to be fed. */
	assert_true(f.n < 2048);
	assert_int_equal(daemon_log_count(&s->d, "warning"), 0);
	fifo_free(&f);
	suite_pass(s);
}

/*
 * Sends a counter of 64 bits, until it is hung up on; returns how many bytes.
 */
static size_t
send_counter(int fd, bool big)
{
	uint64_t numbers[32], next = 0x0123456789abcdef;
	size_t sent = 0;
	ssize_t n;

	for (;;) {
		for (size_t i = 0; i < 32; i++, next++)
			numbers[i] = big ? htobe64(next) : htole64(next);
		n = send(fd, numbers, sizeof(numbers), MSG_NOSIGNAL);
		if (n == -1)
			return sent;
		sent += (size_t)n;
		assert_true(sent < 10000000);
	}
}

/*
 * A server that sends a counter is found, and from then on no byte of it is
 * handed out, until it sends what is random.
 */
static void
counts(void **state, bool big)
{
	struct suite *s = *state;
	struct place p;
	struct fifo f;
	struct fe_used_elem used;
	int fd;

	place_inet(&p, SOCK_STREAM, true);
	place_listen(&p);
	peer_start(s, STREAM, "peer", p.text, "");
	fd = place_accept(&p);
	send_counter(fd, big);
	close(fd);
	admin_await(s, "failed FIPS 140-2 six blocks in a row", 0);
	/* What was handed out before it was found is taken first. */
	do {
		fe_add_one(&s->fe, FE_BUF_GPA, 64);
		fe_kick(&s->fe);
		fe_wait(&s->fe, 1, 500);
	} while (fe_pop(&s->fe, &used) == 1);
	/* It is hung up on again, as said once. */
	fd = place_accept(&p);
	send_counter(fd, big);
	close(fd);
	assert_int_equal(fe_pending(&s->fe), 0);
	peer_make(&f, place_accept(&p));
	fifo_feed(&f, 20000);
	peer_answered(s);
	suite_served(&s->other);
	fifo_free(&f);
	suite_pass(s);
}

static void
test_counter_little(void **state)
{
	counts(state, false);
}

static void
test_counter_big(void **state)
{
	counts(state, true);
}

/* The daemon does not start, and says in a line of its log why. */
static void
refused(struct suite *s, const char *why)
{
	const char *const args[] = { "-C", "@conf", NULL };
	int status;

	CHECK(daemon_spawn(&s->d, args));
	status = daemon_wait(&s->d, DAEMON_TIMEOUT_MS);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 1);
	assert_int_equal(daemon_log_count(&s->d, why), 1);
	assert_int_equal(daemon_log_count(&s->d, " ready: "), 0);
	suite_pass(s);
}

static void
conf_one(struct suite *s, const struct place *p)
{
	admin_conf(s, "w", "pool \"default\" {\n" STREAM "}\n", "peer", p->text,
	    "listen = yes");
	admin_conf_guest(s, "vm0", "");
}

/* A source does not listen where another process listens. */
static void
test_occupied_unix(void **state)
{
	struct suite *s = *state;
	struct place p;
	char why[256];

	place_unix(s, &p, "peer");
	place_listen(&p);
	conf_one(s, &p);
	snprintf(why, sizeof(why), "%s: another process listens there",
	    daemon_path(&s->d, "peer"));
	refused(s, why);
	/* He still does. */
	close(place_connect(&p));
	place_leave(&p);
}

static void
test_occupied_tcp(void **state)
{
	struct place p;
	char why[256];

	place_inet(&p, SOCK_STREAM, true);
	place_listen(&p);
	conf_one(*state, &p);
	snprintf(why, sizeof(why),
	    "pool default: source peer (127.0.0.1:%u): Address already in use",
	    ntohs(((struct sockaddr_in *)&p.addr)->sin_port));
	refused(*state, why);
	place_leave(&p);
}

/* A stale socket file is replaced. */
static void
test_stale_unix(void **state)
{
	struct suite *s = *state;
	struct place p;
	struct fifo f;

	place_unix(s, &p, "peer");
	place_listen(&p);
	place_leave(&p);
	peer_start(s, STREAM, "peer", p.text, "listen = yes");
	peer_make(&f, place_connect(&p));
	fifo_feed(&f, 2048);
	peer_serves(s, &f);
	fifo_free(&f);
	suite_pass(s);
}

/* Two pools cannot both have what comes in at one port. */
static void
test_same_port(void **state)
{
	struct suite *s = *state;
	struct place p;

	place_inet(&p, SOCK_STREAM, true);
	place_leave(&p);
	conf_one(s, &p);
	admin_conf(s, "a", "pool \"other\" {\n" STREAM "}\n", "twin", p.text,
	    "listen = yes");
	admin_conf_guest(s, "vm1", "pool = other");
	refused(s, "is also used by source \"peer\"");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SUITE_EMPTY(test_hurries_tcp),
		SUITE_EMPTY(test_hurries_zeros),
		SUITE_EMPTY(test_hurries_unix),
		SUITE_EMPTY(test_trickle),
		SUITE_EMPTY(test_counter_little),
		SUITE_EMPTY(test_counter_big),
		SUITE_EMPTY(test_occupied_unix),
		SUITE_EMPTY(test_occupied_tcp),
		SUITE_EMPTY(test_stale_unix),
		SUITE_EMPTY(test_same_port),
	};

	return SUITE_MAIN("source_abuse", tests);
}
