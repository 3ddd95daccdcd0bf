/*
 * Children that die or hang while guests read, and second connections.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "integration/load.h"

#define KEEP	 (size_t)(4 << 20)
#define KEEP_ALL (size_t)(24 << 20)

/* Two guests under load from /dev/urandom: no block comes twice. */
static void
test_unique(void **state)
{
	struct suite *s = *state;
	uint8_t *data = calloc(2, KEEP);
	struct load loads[2] = { { .fe = &s->fe,
				     .depth = 4,
				     .len = 64,
				     .data = data,
				     .size = KEEP / 8,
				     .stop = true },
		{ .fe = &s->other,
		    .depth = 4,
		    .len = 4096,
		    .data = data + KEEP / 8,
		    .size = KEEP,
		    .stop = true } };

	assert_non_null(data);
	suite_up_qemu(s, &s->fe, "vm0");
	suite_up_qemu(s, &s->other, "vm1");
	load_run(loads, 2, 10000, NULL);
	assert_true(loads[0].bytes >= KEEP / 8);
	assert_true(loads[1].bytes >= KEEP);
	suite_unique(data, KEEP / 8 + KEEP);
	free(data);
	suite_pass(s);
}

/* The entropy process dies twice under load: all guests continue. */
static void
test_kill_entropy(void **state)
{
	struct suite *s = *state;
	uint8_t *data = calloc(2, KEEP_ALL);
	struct load loads[2] = { { .fe = &s->fe,
				     .depth = 4,
				     .len = 64,
				     .data = data,
				     .size = KEEP_ALL },
		{ .fe = &s->other,
		    .depth = 16,
		    .len = 64,
		    .data = data + KEEP_ALL,
		    .size = KEEP_ALL } };
	uint64_t before[2];
	pid_t pid, old = 0;
	int i;

	assert_non_null(data);
	suite_up_qemu(s, &s->fe, "vm0");
	suite_up_qemu(s, &s->other, "vm1");
	for (i = 0; i < 2; i++) {
		load_run(loads, 2, 100, NULL);
		pid = daemon_child_wait(&s->d, ROLE_ENTROPY, NULL, 5000);
		assert_true(pid > 0 && pid != old);
		old = pid;
		before[0] = loads[0].requests;
		before[1] = loads[1].requests;
		CHECK(kill(pid, SIGKILL));
		load_run(loads, 2, 1500, NULL);
		assert_true(loads[0].requests > before[0] + 100);
		assert_true(loads[1].requests > before[1] + 100);
	}
	assert_true(loads[0].bytes > 0 && loads[1].bytes > 0);
	for (i = 0; i < 2; i++)
		if (loads[i].bytes > KEEP_ALL)
			loads[i].bytes = KEEP_ALL;
	memmove(data + loads[0].bytes, data + KEEP_ALL, loads[1].bytes);
	suite_unique(data, loads[0].bytes + loads[1].bytes);
	free(data);
	suite_pass(s);
}

/* No connection drops, and no byte is served again. */
static void
test_kill_worker(void **state)
{
	struct suite *s = *state;
	uint8_t *data = malloc(KEEP_ALL);
	struct load load = { .fe = &s->fe,
		.len = 64,
		.depth = 8,
		.data = data,
		.size = KEEP_ALL };
	pid_t pid, old = 0;
	uint64_t before;
	int i;

	assert_non_null(data);
	suite_up_qemu(s, &s->fe, "vm0");
	suite_up_qemu(s, &s->other, "vm1");
	for (i = 0; i < 15; i++) {
		pid = daemon_child_wait(&s->d, ROLE_VHOST, "vm0", 5000);
		assert_true(pid > 0 && pid != old);
		old = pid;
		before = load.requests;
		CHECK(kill(pid, SIGKILL));
		suite_served(&s->other);
		load_run(&load, 1, 100, NULL);
		assert_true(load.requests > before);
	}
	suite_unique(data, load.bytes < KEEP_ALL ? load.bytes : KEEP_ALL);
	free(data);
	suite_pass(s);
}

/* A session whose workers die repeatedly is closed, and the next is served. */
static void
test_cut_off(void **state)
{
	struct suite *s = *state;
	uint64_t end = fe_now() + FE_TIMEOUT_MS;
	pid_t pid;

	suite_up_qemu(s, &s->other, "vm1");
	suite_up_qemu(s, &s->fe, "vm0");
	suite_served(&s->fe);
	while (fe_wait_closed(&s->fe, 0) != 1) {
		assert_true(fe_now() < end);
		pid = daemon_child(&s->d, ROLE_VHOST, "vm0");
		if (pid > 0)
			kill(pid, SIGKILL);
	}
	assert_int_equal(daemon_log_count(&s->d, "workers die repeatedly"), 1);
	suite_served(&s->other);
	fe_close(&s->fe);
	suite_up_qemu(s, &s->fe, "vm0");
	suite_served(&s->fe);
	suite_pass(s);
}

static void
test_kill_all(void **state)
{
	struct suite *s = *state;
	struct proc list[16];
	size_t i, n;

	suite_up_qemu(s, &s->fe, "vm0");
	suite_up_qemu(s, &s->other, "vm1");
	suite_served(&s->fe);
	suite_served(&s->other);
	for (int round = 0; round < 5; round++) {
		n = proc_children(s->d.pid, list, 16);
		assert_in_range(n, 1, 3);
		for (i = 0; i < n; i++)
			CHECK(kill(list[i].pid, SIGKILL));
		suite_served(&s->fe);
		suite_served(&s->other);
	}
	suite_pass(s);
}

/* A child that hangs does not keep the daemon from ending. */
static void
test_hung_children(void **state)
{
	struct suite *s = *state;
	pid_t worker, entropy;
	uint64_t start;

	suite_up_qemu(s, &s->fe, "vm0");
	suite_up_qemu(s, &s->other, "vm1");
	suite_served(&s->fe);
	worker = daemon_child(&s->d, ROLE_VHOST, "vm0");
	entropy = daemon_child(&s->d, ROLE_ENTROPY, NULL);
	assert_true(worker > 0 && entropy > 0);
	CHECK(kill(worker, SIGSTOP));
	suite_served(&s->other);
	CHECK(kill(entropy, SIGSTOP));
	start = fe_now();
	assert_int_equal(daemon_stop(&s->d, SIGTERM), 0);
	assert_true(fe_now() - start < 5000);
	suite_pass(s);
}

/* The second connection to a socket waits until the first is gone. */
static void
test_second_connection(void **state)
{
	struct suite *s = *state;
	struct fe_header hdr = { FE_GET_FEATURES, FE_VERSION, 0 };
	struct fe_msg msg;

	suite_up_qemu(s, &s->fe, "vm0");
	suite_served(&s->fe);
	CHECK(fe_connect(&s->other, daemon_path(&s->d, "vm0.sock")));
	CHECK(fe_send_raw(&s->other, &hdr, sizeof(hdr), NULL, 0));
	assert_int_equal(fe_recv(&s->other, &msg, 200), -1);
	assert_int_equal(errno, ETIMEDOUT);
	suite_served(&s->fe);
	fe_close(&s->fe);
	CHECK(fe_recv(&s->other, &msg, FE_TIMEOUT_MS));
	assert_int_equal(msg.hdr.request, FE_GET_FEATURES);
	CHECK(fe_mem_default(&s->other));
	CHECK(fe_ring_init(&s->other, 64, FE_RING_GPA));
	CHECK(fe_handshake(&s->other, QEMU_FEATURES, QEMU_PFEATURES));
	CHECK(fe_start(&s->other));
	suite_served(&s->other);
	suite_pass(s);
}

/*
 * One that the first does not make way for is refused, and the next one is not.
 */
static void
test_second_refused(void **state)
{
	struct suite *s = *state;
	struct fe_header hdr = { FE_GET_FEATURES, FE_VERSION, 0 };
	struct fe_msg msg;
	uint64_t began = fe_now();

	suite_up_qemu(s, &s->fe, "vm0");
	for (unsigned int i = 1; i <= 2; i++) {
		CHECK(fe_connect(&s->other, daemon_path(&s->d, "vm0.sock")));
		CHECK(fe_send_raw(&s->other, &hdr, sizeof(hdr), NULL, 0));
		assert_int_equal(fe_recv(&s->other, &msg, FE_TIMEOUT_MS), -1);
		assert_int_equal(errno, ECONNRESET);
		fe_close(&s->other);
		CHECK(daemon_log_wait(&s->d, "second connection refused", i,
		    FE_TIMEOUT_MS));
		suite_served(&s->fe);
	}
	assert_true(fe_now() - began >= 2 * 900);
	fe_close(&s->fe);
	suite_up_qemu(s, &s->fe, "vm0");
	suite_served(&s->fe);
	suite_pass(s);
}

/* Connections that wait when the daemon looks are all seen. */
static void
test_second_at_once(void **state)
{
	struct suite *s = *state;
	const char *path = daemon_path(&s->d, "vm0.sock");

	CHECK(kill(s->d.pid, SIGSTOP));
	CHECK(fe_connect(&s->fe, path));
	CHECK(fe_connect(&s->other, path));
	CHECK(kill(s->d.pid, SIGCONT));
	CHECK(fe_mem_default(&s->fe));
	CHECK(fe_ring_init(&s->fe, 64, FE_RING_GPA));
	CHECK(fe_handshake(&s->fe, QEMU_FEATURES, QEMU_PFEATURES));
	CHECK(fe_start(&s->fe));
	suite_served(&s->fe);
	CHECK(daemon_log_wait(&s->d, "second connection refused", 1,
	    FE_TIMEOUT_MS));
	suite_served(&s->fe);
	suite_pass(s);
}

/* An idle guest costs no process, and no CPU time. */
static void
test_idle(void **state)
{
	struct suite *s = *state;
	struct proc list[16];
	long before, ticks = sysconf(_SC_CLK_TCK);
	size_t i, n;

	assert_int_equal(proc_children(s->d.pid, list, 16), 1);
	suite_up_qemu(s, &s->fe, "vm0");
	suite_served(&s->fe);
	n = proc_children(s->d.pid, list, 16);
	assert_int_equal(n, 2);
	usleep(200000);
	for (i = 0, before = proc_cpu(s->d.pid); i < n; i++)
		before += proc_cpu(list[i].pid);
	usleep(500000);
	for (i = 0; i < n; i++)
		before -= proc_cpu(list[i].pid);
	assert_true(proc_cpu(s->d.pid) - before <= ticks / 20);
	fe_close(&s->fe);
	CHECK(daemon_child_gone(&s->d, ROLE_VHOST, "vm0", FE_TIMEOUT_MS));
	suite_pass(s);
}

/* There is one line in the log with a guest's counters, and they are these. */
static void
counters_are(struct suite *s, const char *guest, unsigned int bytes,
    unsigned int requests)
{
	char start[64], *text = daemon_text(&s->d, "log"), *line;
	unsigned int n[6];

	snprintf(start, sizeof(start), "guest %s: connected, ", guest);
	line = strstr(text, start);
	assert_non_null(line);
	line += strlen(start);
	assert_int_equal(
	    sscanf(line,
		"%u bytes in %u requests (%u short, %u malformed), "
		"%u ms of %u ms with a request waiting",
		&n[0], &n[1], &n[2], &n[3], &n[4], &n[5]),
	    6);
	assert_int_equal(n[0], bytes);
	assert_int_equal(n[1], requests);
	assert_int_equal(n[2], 0);
	assert_int_equal(n[3], 0);
	assert_in_range(n[4], 0, n[5]);
	assert_null(strstr(line, start));
	free(text);
}

/* SIGUSR1: one line of counters for each guest. */
static void
test_counters(void **state)
{
	struct suite *s = *state;
	int i;

	suite_up_qemu(s, &s->fe, "vm0");
	suite_up_qemu(s, &s->other, "vm1");
	for (i = 0; i < 10; i++)
		suite_served(&s->fe);
	CHECK(kill(s->d.pid, SIGUSR1));
	CHECK(daemon_log_wait(&s->d, " requests (", 2, 2000));
	counters_are(s, "vm0", 640, 10);
	counters_are(s, "vm1", 0, 0);
	suite_served(&s->fe);
	suite_pass(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { SUITE_TEST(test_unique),
		SUITE_TEST(test_kill_entropy), SUITE_TEST(test_kill_worker),
		SUITE_TEST(test_cut_off), SUITE_TEST(test_kill_all),
		SUITE_TEST(test_hung_children),
		SUITE_TEST(test_second_connection),
		SUITE_TEST(test_second_refused),
		SUITE_TEST(test_second_at_once), SUITE_TEST(test_idle),
		SUITE_TEST(test_counters) };

	return SUITE_MAIN("supervision", tests);
}
