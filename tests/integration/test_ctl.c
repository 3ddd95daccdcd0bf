/*
 * vrngctl, of the environment variable VRNGCTL, and the real daemon.
 */
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bsd/string.h>

#include "integration/admin.h"
#include "integration/load.h"

static void
start(struct suite *s, const char *more)
{
	const char *const args[] = { "-C", "@conf", "--control", "@control",
		NULL };
	FILE *f = fopen(daemon_path(&s->d, "conf"), "w");

	assert_non_null(f);
	fprintf(f,
	    "pool \"default\" { source \"kernel\" { type = kernel }\n"
	    "rate = 1M class \"gold\" { rate = 500K } %s }\n"
	    "guest \"vm0\" { socket = \"%s/vm0.sock\" class = \"gold\" }\n",
	    more, s->d.dir);
	assert_int_equal(fclose(f), 0);
	if (s->d.pid == 0)
		suite_start(s, args);
}

static void
test_status(void **state)
{
	struct suite *s = *state;
	char out[16384];
	int i;

	start(s, "");
	suite_up_qemu(s, &s->fe, "vm0");
	for (i = 0; i < 10; i++)
		suite_served(&s->fe);
	assert_int_equal(admin_ctl(s, out, sizeof(out), "status"), 0);
	assert_non_null(strstr(out, "pool default: limit 1M/s"));
	assert_non_null(strstr(out, "  combine first, 1 of 1 serving\n"));
	assert_non_null(strstr(out, "\n* kernel "));
	assert_non_null(strstr(out, "  vm0   gold  connected "));
	/* The values are current. */
	assert_int_equal(admin_ctl(s, out, sizeof(out), "status --json"), 0);
	assert_non_null(strstr(out, "\"requests\": 10,"));
	assert_non_null(strstr(out, "\"bytes\": 640,"));
	fe_close(&s->fe);
	CHECK(daemon_child_gone(&s->d, ROLE_VHOST, "vm0", FE_TIMEOUT_MS));
	/* Those of connections that have ended stay. */
	assert_int_equal(admin_ctl(s, out, sizeof(out), "status --json"), 0);
	assert_non_null(strstr(out, "\"bytes\": 640,"));
	assert_non_null(strstr(out, "\"state\": \"idle\""));
	suite_pass(s);
}

/* The same with a service, which stands behind the pool's block. */
static void
start_egd(struct suite *s)
{
	char more[128];

	snprintf(more, sizeof(more),
	    "} egd \"local\" { class = \"gold\" unix = \"%s/egd\"", s->d.dir);
	start(s, more);
}

/* A client of that service, which has had 100 bytes. */
static int
egd_client(struct suite *s)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	uint8_t buf[100];

	strlcpy(sun.sun_path, daemon_path(&s->d, "egd"), sizeof(sun.sun_path));
	assert_int_not_equal(fd, -1);
	CHECK(connect(fd, (struct sockaddr *)&sun, sizeof(sun)));
	assert_int_equal(write(fd, "\x02\x64", 2), 2);
	assert_int_equal(recv(fd, buf, sizeof(buf), MSG_WAITALL), 100);
	return fd;
}

/* Waits until a status has a counter with that value. */
static void
await_counter(struct suite *s, const char *key, int value)
{
	uint64_t end = fe_now() + FE_TIMEOUT_MS;
	char out[16384], text[64];

	snprintf(text, sizeof(text), "\"%s\": %d,", key, value);
	do {
		assert_true(fe_now() < end);
		assert_int_equal(
		    admin_ctl(s, out, sizeof(out), "status --json"), 0);
	} while (strstr(out, text) == NULL);
}

/* The fastest of several tries to get a status, in ms. */
static uint64_t
status_time(struct suite *s, char *out, size_t size)
{
	uint64_t best = UINT64_MAX, begin, took;

	for (int i = 0; i < 10; i++) {
		begin = fe_now();
		assert_int_equal(admin_ctl(s, out, size, "status --json"), 0);
		took = fe_now() - begin;
		best = took < best ? took : best;
	}
	return best;
}

/*
 * Processes that hang hold up no status, and what they did before is known.
 */
static void
test_hung(void **state)
{
	struct suite *s = *state;
	char out[16384];
	pid_t pids[3];
	int egd;

	start_egd(s);
	suite_up_qemu(s, &s->fe, "vm0");
	for (int i = 0; i < 10; i++)
		suite_served(&s->fe);
	egd = egd_client(s);
	await_counter(s, "bytes", 100);
	pids[0] = daemon_child(&s->d, ROLE_VHOST, "vm0");
	pids[1] = daemon_child(&s->d, "vrngd-egd", NULL);
	pids[2] = daemon_child(&s->d, ROLE_ENTROPY, NULL);
	/* Those that have work would be replaced. */
	usleep(1000000);
	for (size_t i = 0; i < 3; i++)
		CHECK(kill(pids[i], SIGSTOP));
	assert_true(status_time(s, out, sizeof(out)) < 100);
	assert_non_null(strstr(out, "\"requests\": 10,"));
	assert_non_null(strstr(out, "\"bytes\": 640,"));
	assert_non_null(strstr(out, "\"bytes\": 100,"));
	assert_non_null(strstr(out, "\"clients_connected\": 1,"));
	assert_non_null(strstr(out, "\"peer\": \"pid "));
	for (size_t i = 0; i < 3; i++)
		CHECK(kill(pids[i], SIGCONT));
	suite_served(&s->fe);
	close(egd);
	suite_pass(s);
}

/* The counters of a worker count once, after any kind of end. */
static void
test_killed(void **state)
{
	struct suite *s = *state;
	char byte;
	pid_t old;
	int egd;

	start_egd(s);
	suite_up_qemu(s, &s->fe, "vm0");
	for (int i = 1; i <= 3; i++) {
		suite_served(&s->fe);
		old = daemon_child(&s->d, ROLE_VHOST, "vm0");
		CHECK(kill(old, SIGKILL));
		suite_served(&s->fe);
		assert_int_not_equal(daemon_child(&s->d, ROLE_VHOST, "vm0"),
		    old);
		egd = egd_client(s);
		/* It is counted when it has been sent. */
		await_counter(s, "bytes", i * 101 - 1);
		CHECK(kill(daemon_child(&s->d, "vrngd-egd", NULL), SIGKILL));
		/* Its client goes on with the next one. */
		assert_int_equal(write(egd, "\x02\x01", 2), 2);
		assert_int_equal(recv(egd, &byte, 1, 0), 1);
		close(egd);
		await_counter(s, "clients_connected", 0);
		await_counter(s, "bytes", i * 101);
		await_counter(s, "bytes", i * 2 * 64);
		await_counter(s, "requests", i * 2);
	}
	suite_pass(s);
}

static void
test_guests(void **state)
{
	struct suite *s = *state;
	char out[16384];

	start(s, "");
	assert_int_equal(admin_ctl(s, out, sizeof(out),
			     "guest add vm1 --socket %s/vm1.sock --class gold",
			     s->d.dir),
	    0);
	suite_up_qemu(s, &s->other, "vm1");
	suite_served(&s->other);
	assert_int_equal(admin_ctl(s, out, sizeof(out),
			     "guest add vm1 --socket %s/vm2.sock", s->d.dir),
	    1);
	assert_non_null(strstr(out, "guest exists"));
	assert_int_equal(admin_ctl(s, out, sizeof(out),
			     "guest add vm2 --socket %s/vm2.sock --class no",
			     s->d.dir),
	    1);
	/* A guest that was added stays when the configuration is read. */
	assert_int_equal(admin_ctl(s, out, sizeof(out), "reload"), 0);
	suite_served(&s->other);
	assert_int_equal(admin_ctl(s, out, sizeof(out), "guest remove vm1"), 0);
	CHECK(daemon_child_gone(&s->d, ROLE_VHOST, "vm1", FE_TIMEOUT_MS));
	assert_int_equal(access(daemon_path(&s->d, "vm1.sock"), F_OK), -1);
	assert_int_equal(admin_ctl(s, out, sizeof(out), "guest remove vm1"), 1);
	suite_pass(s);
}

/* Waits until vrngctl prints that. */
static void
await_output(struct suite *s, const char *command, const char *text)
{
	uint64_t end = fe_now() + 4 * FE_TIMEOUT_MS;
	char out[16384];

	do {
		if (fe_now() > end)
			fail_msg("'%s' is not in: %s", text, out);
		assert_int_equal(admin_ctl(s, out, sizeof(out), "%s", command),
		    0);
	} while (strstr(out, text) == NULL);
}

/* A guest that is served by its EGD socket alone, until its limit. */
static void
test_both_ways(void **state)
{
	struct suite *s = *state;
	char more[256];
	int egd;

	snprintf(more, sizeof(more),
	    "} guest \"vm1\" { socket = \"%s/vm1.sock\" egd = \"%s/egd\" "
	    "rate = 512 burst = 512",
	    s->d.dir, s->d.dir);
	start(s, more);
	await_output(s, "why vm1", "vm1 is idle: no VMM is connected");
	egd = egd_client(s);
	await_output(s, "why vm1", "vm1 is connected: no request waits");
	await_output(s, "top --once", "1 of 2 guests connected");
	for (int i = 0; i < 20; i++)
		assert_int_equal(write(egd, "\x02\xff", 2), 2);
	await_output(s, "why vm1",
	    "vm1 is waiting: its own ceiling is used up: 512 bytes per second");
	await_output(s, "status vm1 --json", "\"cause\": \"ceiling\"");
	close(egd);
	await_output(s, "why vm1", "vm1 is idle: no ");
	suite_pass(s);
}

static void
test_reload(void **state)
{
	struct suite *s = *state;
	char out[16384];

	start(s, "");
	start(s, "class \"silver\" { rat = 1K }");
	assert_int_equal(admin_ctl(s, out, sizeof(out), "reload"), 1);
	assert_non_null(strstr(out, "conf:2: class \"silver\""));
	start(s, "class \"silver\" { rate = 1K }");
	assert_int_equal(admin_ctl(s, out, sizeof(out), "reload"), 0);
	assert_int_equal(admin_ctl(s, out, sizeof(out), "status"), 0);
	assert_non_null(strstr(out, "silver"));
	assert_int_equal(admin_ctl(s, out, sizeof(out), "log debug"), 0);
	suite_up_qemu(s, &s->fe, "vm0");
	suite_served(&s->fe);
	CHECK(daemon_log_wait(&s->d, " debug guest vm0: ", 1, 2000));
	suite_pass(s);
}

/* Whether each of these lines was printed. */
static void
check_changes(const char *out, const char *lines)
{
	char line[256];
	size_t n;

	for (; *lines != '\0'; lines += n) {
		n = strcspn(lines, "\n") + 1;
		snprintf(line, sizeof(line), "%.*s", (int)n, lines);
		if (strstr(out, line) == NULL)
			fail_msg("no line %sin:\n%s", line, out);
	}
}

/* What a reload changes is shown, and logged; a dry run changes nothing. */
static void
test_changes(void **state)
{
	static const char changes[] =
	    "- class gold\n+ class silver\n~ egd local max-clients 64 -> 8\n"
	    "~ guest vm0 class gold -> silver\n";
	struct suite *s = *state;
	char out[16384];
	int egd;

	start_egd(s);
	egd = egd_client(s);
	await_counter(s, "clients_connected", 1);
	assert_int_equal(admin_ctl(s, out, sizeof(out), "reload --dry-run"), 0);
	assert_string_equal(out, "no changes\n");
	admin_conf(s, "w",
	    "pool \"default\" { source \"kernel\" { type = kernel }\n"
	    "class \"silver\" { rate = 1K } }\n"
	    "egd \"local\" { class = \"silver\" unix = \"%s/egd\" "
	    "max-clients = 8 }\n",
	    s->d.dir);
	admin_conf_guest(s, "vm0", "class = \"silver\"");
	assert_int_equal(admin_ctl(s, out, sizeof(out), "reload --dry-run"), 0);
	check_changes(out, changes);
	assert_int_equal(admin_ctl(s, out, sizeof(out), "status"), 0);
	assert_null(strstr(out, "silver"));
	assert_int_equal(daemon_log_count(&s->d, "+ class silver"), 0);
	assert_int_equal(admin_ctl(s, out, sizeof(out), "reload"), 0);
	check_changes(out, changes);
	CHECK(daemon_log_wait(&s->d, "conf: + class silver", 1, 2000));
	assert_int_equal(admin_ctl(s, out, sizeof(out), "reload"), 0);
	assert_string_equal(out, "no changes\n");
	/* What ends with it. */
	admin_conf(s, "w",
	    "pool \"default\" { source \"kernel\" "
	    "{ type = kernel } }\n");
	suite_up_qemu(s, &s->fe, "vm0");
	assert_int_equal(admin_ctl(s, out, sizeof(out), "reload"), 0);
	check_changes(out,
	    "- egd local: 1 client disconnected\n"
	    "- guest vm0: connection closed\n"
	    "- class silver\n");
	admin_conf(s, "w", "pool \"default\" { }\n");
	assert_int_equal(admin_ctl(s, out, sizeof(out), "reload --dry-run"), 1);
	assert_non_null(strstr(out, "conf:1: "));
	assert_non_null(strstr(out, "a reload would be rejected"));
	close(egd);
	suite_pass(s);
}

static void
test_snippets(void **state)
{
	struct suite *s = *state;
	char out[16384];

	start(s, "");
	assert_int_equal(admin_ctl(s, out, sizeof(out), "qemu-args vm0"), 0);
	assert_non_null(strstr(out, "vm0.sock"));
	assert_int_equal(admin_ctl(s, out, sizeof(out), "libvirt-xml vm0"), 0);
	assert_non_null(strstr(out, "vm0.sock"));
	assert_int_equal(admin_ctl(s, out, sizeof(out), "qemu-args vm7"), 1);
	assert_int_equal(daemon_stop(&s->d, SIGTERM), 0);
	assert_int_equal(admin_ctl(s, out, sizeof(out), "status"), 3);
	suite_pass(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SUITE_EMPTY(test_status),
		SUITE_EMPTY(test_hung),
		SUITE_EMPTY(test_killed),
		SUITE_EMPTY(test_guests),
		SUITE_EMPTY(test_both_ways),
		SUITE_EMPTY(test_reload),
		SUITE_EMPTY(test_changes),
		SUITE_EMPTY(test_snippets),
	};

	return SUITE_MAIN("ctl", tests);
}
