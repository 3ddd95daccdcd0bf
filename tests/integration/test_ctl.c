/*
 * vrngctl, of the environment variable VRNGCTL, and the real daemon.
 */
#include <sys/wait.h>

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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
	/* The figures are those of now. */
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

/* A worker that hangs holds up nobody who asks. */
static void
test_hung_worker(void **state)
{
	struct suite *s = *state;
	uint64_t begin;
	char out[16384];

	start(s, "");
	suite_up_qemu(s, &s->fe, "vm0");
	CHECK(kill(daemon_child(&s->d, ROLE_VHOST, "vm0"), SIGSTOP));
	begin = fe_now();
	assert_int_equal(admin_ctl(s, out, sizeof(out), "status"), 0);
	assert_true(fe_now() - begin < 2000);
	CHECK(kill(daemon_child(&s->d, ROLE_VHOST, "vm0"), SIGCONT));
	suite_served(&s->fe);
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
	assert_non_null(strstr(out, "there is a guest of that name"));
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
		SUITE_EMPTY(test_hung_worker),
		SUITE_EMPTY(test_guests),
		SUITE_EMPTY(test_reload),
		SUITE_EMPTY(test_snippets),
	};

	return SUITE_MAIN("ctl", tests);
}
