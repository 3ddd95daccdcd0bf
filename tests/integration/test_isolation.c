/*
 * What befalls one process or one guest is not felt by the others: workers and
 * an entropy process that hang, signals, a parent without descriptors, many
 * guests.
 */
#include <sys/resource.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "integration/load.h"

#define FEED	   256
#define RECONNECTS 200
#define IDLE_KIB   320 /* of a worker's own memory */

static void
stop_worker(struct suite *s, const char *guest)
{
	pid_t pid = daemon_child(&s->d, ROLE_VHOST, guest);

	assert_true(pid > 0);
	CHECK(kill(pid, SIGSTOP));
}

/* Feeds a FIFO a little at a time while a guest reads: what that one got. */
static uint64_t
served_from(struct load *l, int fifo, int ms)
{
	uint64_t end = fe_now() + (uint64_t)ms, before = l->bytes;
	char buf[FEED];
	int fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);

	assert_int_not_equal(fd, -1);
	while (fe_now() < end) {
		assert_int_equal(read(fd, buf, sizeof(buf)), sizeof(buf));
		if (write(fifo, buf, sizeof(buf)) == -1)
			assert_int_equal(errno, EAGAIN);
		load_run(l, 1, 2, NULL);
	}
	close(fd);
	return l->bytes - before;
}

/*
 * A worker hangs with large requests waiting, of a source so slow that its byte
 * channel fills up with small packets.
 */
static void
test_stopped_worker(void **state)
{
	const char *const args[] = { "-s", "@vm%d.sock", "-c", "2", "-f",
		"@fifo", NULL };
	struct suite *s = *state;
	struct load l = { .fe = &s->other, .depth = 1, .len = 64 };
	int i, fifo;

	CHECK(mkfifo(daemon_path(&s->d, "fifo"), 0600));
	fifo = open(daemon_path(&s->d, "fifo"), O_RDWR | O_NONBLOCK);
	assert_int_not_equal(fifo, -1);
	suite_start(s, args);
	suite_up_qemu(s, &s->fe, "vm0");
	suite_up_qemu(s, &s->other, "vm1");
	for (i = 0; i < 16; i++)
		fe_add_one(&s->fe, FE_BUF_GPA + (uint64_t)i * 65536, 65536);
	fe_kick(&s->fe);
	usleep(50000);
	stop_worker(s, "vm0");
	served_from(&l, fifo, 4000);
	assert_true(served_from(&l, fifo, 500) >= (uint64_t)64 * 50);
	/* It goes on when it can. */
	CHECK(kill(daemon_child(&s->d, ROLE_VHOST, "vm0"), SIGCONT));
	served_from(&l, fifo, 1500);
	assert_true(fe_pending(&s->fe) > 0);
	close(fifo);
	suite_pass(s);
}

/* Guests come and go while the entropy process hangs: nothing is lost. */
static void
test_stopped_entropy(void **state)
{
	struct suite *s = *state;
	pid_t entropy;
	int round, i, fds = 0;

	suite_up_qemu(s, &s->other, "vm1");
	suite_served(&s->other);
	for (round = 0; round < 3; round++) {
		entropy =
		    daemon_child_wait(&s->d, ROLE_ENTROPY, NULL, FE_TIMEOUT_MS);
		assert_true(entropy > 0);
		CHECK(kill(entropy, SIGSTOP));
		for (i = 0; i < RECONNECTS; i++) {
			suite_up_qemu(s, &s->fe, "vm0");
			fe_close(&s->fe);
			CHECK(daemon_child_gone(&s->d, ROLE_VHOST, "vm0",
			    FE_TIMEOUT_MS));
		}
		fds = proc_fds(s->d.pid);
		suite_up_qemu(s, &s->fe, "vm0");
		for (i = 0; i < 8; i++)
			fe_add_one(&s->fe, FE_BUF_GPA + (uint64_t)i * 65536,
			    65536);
		fe_kick(&s->fe);
		usleep(100000);
		fe_close(&s->fe);
		CHECK(
		    daemon_child_gone(&s->d, ROLE_VHOST, "vm0", FE_TIMEOUT_MS));
		/* Another has taken its place if that took long. */
		if (daemon_child(&s->d, ROLE_ENTROPY, NULL) == entropy)
			kill(entropy, SIGCONT);
		suite_served(&s->other);
	}
	assert_in_range(fds, 1, 40);
	for (i = 0; i < 3000; i++)
		assert_int_equal(fe_read(&s->other, NULL, 64, FE_TIMEOUT_MS),
		    64);
	suite_pass(s);
}

/* Signals for all processes at once, as a service manager may send them. */
static void
test_signals(void **state)
{
	const int signals[] = { SIGUSR1, SIGPIPE, SIGXFSZ };
	struct suite *s = *state;
	pid_t pids[3];
	size_t i, k;

	suite_up_qemu(s, &s->fe, "vm0");
	suite_served(&s->fe);
	pids[0] = s->d.pid;
	pids[1] = daemon_child(&s->d, ROLE_ENTROPY, NULL);
	pids[2] = daemon_child(&s->d, ROLE_VHOST, "vm0");
	for (i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		for (k = 0; k < 3; k++)
			CHECK(kill(pids[k], signals[i]));
	usleep(100000);
	suite_served(&s->fe);
	assert_int_equal(daemon_child(&s->d, ROLE_ENTROPY, NULL), pids[1]);
	assert_int_equal(daemon_child(&s->d, ROLE_VHOST, "vm0"), pids[2]);
	suite_pass(s);
}

/* Connecting again brings no new right to fill the log. */
static void
test_log_flood(void **state)
{
	struct fe_header h[20];
	struct suite *s = *state;
	uint64_t value;
	int i;

	for (i = 0; i < 20; i++)
		h[i] = (struct fe_header){ 77, FE_VERSION, 0 };
	for (i = 0; i < 100; i++) {
		CHECK(fe_connect(&s->fe, daemon_path(&s->d, "vm0.sock")));
		CHECK(fe_send_raw(&s->fe, h, sizeof(h), NULL, 0));
		CHECK(fe_get_u64(&s->fe, FE_GET_FEATURES, &value));
		fe_close(&s->fe);
	}
	suite_up_qemu(s, &s->other, "vm1");
	suite_served(&s->other);
	assert_in_range(daemon_log_count(&s->d, "\n"), 1, 100);
	suite_pass(s);
}

/* A parent that can open nothing more keeps what there is going. */
static void
test_no_descriptors(void **state)
{
	const char *const args[] = { "-s", "@vm%d.sock", "-c", "12", NULL };
	struct suite *s = *state;
	struct rlimit limit, low;
	char name[16];
	pid_t entropy;
	int more;

	suite_start(s, args);
	suite_up_qemu(s, &s->other, "vm11");
	suite_served(&s->other);
	entropy = daemon_child(&s->d, ROLE_ENTROPY, NULL);
	CHECK(prlimit(s->d.pid, RLIMIT_NOFILE, NULL, &limit));
	/* A guest each: one for whom there was none is let wait. */
	for (more = 0; more < 11; more++) {
		low = limit;
		low.rlim_cur = (rlim_t)proc_fds(s->d.pid) + (rlim_t)more;
		CHECK(prlimit(s->d.pid, RLIMIT_NOFILE, &low, NULL));
		snprintf(name, sizeof(name), "vm%d.sock", more);
		CHECK(fe_connect(&s->fe, daemon_path(&s->d, name)));
		usleep(20000);
		suite_served(&s->other);
		fe_close(&s->fe);
		CHECK(prlimit(s->d.pid, RLIMIT_NOFILE, &limit, NULL));
	}
	assert_int_equal(daemon_child(&s->d, ROLE_ENTROPY, NULL), entropy);
	suite_up_qemu(s, &s->fe, "vm4");
	suite_served(&s->fe);
	suite_pass(s);
}

/* Children that hang do not add up when the daemon ends. */
static void
test_hung_at_the_end(void **state)
{
	const char *const args[] = { "-s", "@vm%d.sock", "-c", "8", NULL };
	struct suite *s = *state;
	struct fe fe[8];
	uint64_t start;
	char name[16];
	int i;

	suite_start(s, args);
	for (i = 0; i < 8; i++) {
		snprintf(name, sizeof(name), "vm%d", i);
		fe_init(&fe[i]);
		suite_up_qemu(s, &fe[i], name);
		stop_worker(s, name);
	}
	start = fe_now();
	assert_int_equal(daemon_stop(&s->d, SIGTERM), 0);
	assert_true(fe_now() - start < 2500);
	for (i = 0; i < 8; i++)
		fe_close(&fe[i]);
	suite_pass(s);
}

/*
 * The workers of many guests fit into memory: one whose guest has asked for
 * little occupies none for large or many requests.
 */
static void
test_small(void **state)
{
#ifdef VRNGD_SANITIZE
	suite_skip(*state, "the sanitizers' own memory is many times that");
#else
	struct suite *s = *state;
	char kib[32];
	pid_t pid;

	suite_up_qemu(s, &s->fe, "vm0");
	suite_served(&s->fe);
	pid = daemon_child(&s->d, ROLE_VHOST, "vm0");
	CHECK(proc_status(pid, "RssAnon", kib, sizeof(kib)));
	assert_in_range(atol(kib), 1, IDLE_KIB);
	suite_pass(s);
#endif
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SUITE_EMPTY(test_stopped_worker),
		SUITE_TEST(test_stopped_entropy),
		SUITE_TEST(test_signals),
		SUITE_TEST(test_log_flood),
		SUITE_EMPTY(test_no_descriptors),
		SUITE_EMPTY(test_hung_at_the_end),
		SUITE_TEST(test_small),
	};

	return SUITE_MAIN("isolation", tests);
}
