/*
 * Sources that are changed while a guest is served; and sockets that change
 * hands.
 */
#include <sys/ptrace.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "integration/admin.h"
#include "integration/hostile.h"

#define FED 4096

/* Be the source that connects to the daemon; the connection. */
static int
feed(struct suite *s)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	uint8_t bytes[FED];
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s",
	    daemon_path(&s->d, "feed"));
	assert_int_not_equal(fd, -1);
	CHECK(connect(fd, (struct sockaddr *)&sun, sizeof(sun)));
	assert_int_equal(getrandom(bytes, sizeof(bytes), 0), sizeof(bytes));
	assert_int_equal(write(fd, bytes, sizeof(bytes)), sizeof(bytes));
	return fd;
}

static void
conf_listening(struct suite *s, const char *rest)
{
	admin_conf(s, "w",
	    "pool \"default\" { source \"feed\" { type = stream\n"
	    "unix = \"%s/feed\" listen = yes %s } }\n",
	    s->d.dir, rest);
	admin_conf_guest(s, "vm0", "");
}

/* The listener of a source stays open when its other keys change. */
static void
test_listening(void **state)
{
	struct suite *s = *state;
	int fd;

	conf_listening(s, "");
	admin_start(s);
	suite_up_qemu(s, &s->fe, "vm0");
	fd = feed(s);
	suite_served(&s->fe);
	conf_listening(s, "timeout = 3s");
	admin_reload(s, ": reloaded, ");
	close(fd);
	fd = feed(s);
	suite_served(&s->fe);
	close(fd);
	suite_pass(s);
}

static void
conf_kernel(struct suite *s, int i)
{
	admin_conf(s, "w",
	    "pool \"default\" { source \"k%d\" { type = kernel } }\n", i);
	admin_conf_guest(s, "vm0", "");
}

/*
 * Other sources are there at once, however often that happens and even if
 * those before hang.
 */
static void
test_often(void **state)
{
	struct suite *s = *state;
	char line[64];

	conf_kernel(s, 0);
	admin_start(s);
	suite_up_qemu(s, &s->fe, "vm0");
	for (int i = 1; i <= 8; i++) {
		conf_kernel(s, i);
		if (i == 8)
			CHECK(kill(daemon_child(&s->d, ROLE_ENTROPY, NULL),
			    SIGSTOP));
		admin_reload(s, ": reloaded, ");
		snprintf(line, sizeof(line), "source k%d (getrandom): healthy",
		    i);
		CHECK(daemon_log_wait(&s->d, line, 1, 3000));
		suite_served(&s->fe);
	}
	assert_int_equal(daemon_log_count(&s->d, "starting another"), 0);
	suite_pass(s);
}

/* Who listens at DIR/name speaks EGD. */
static void
speaks_egd(struct suite *s, const char *name)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	uint8_t bytes[16];

	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s",
	    daemon_path(&s->d, name));
	assert_int_not_equal(fd, -1);
	CHECK(connect(fd, (struct sockaddr *)&sun, sizeof(sun)));
	assert_int_equal(write(fd, "\2\20", 2), 2);
	assert_int_equal(recv(fd, bytes, sizeof(bytes), MSG_WAITALL),
	    sizeof(bytes));
	close(fd);
}

/* What the configuration says next, @ being DIR; two sockets speak EGD. */
static void
becomes(struct suite *s, const char *text, const char *one, const char *two)
{
	const char *at;

	admin_conf(s, "w",
	    "pool \"default\" { source \"k\" { type = kernel } }\n");
	for (; (at = strchr(text, '@')) != NULL; text = at + 1)
		admin_conf(s, "a", "%.*s%s", (int)(at - text), text, s->d.dir);
	admin_conf(s, "a", "%s", text);
	admin_reload(s, ": reloaded, ");
	speaks_egd(s, one);
	speaks_egd(s, two);
}

/* Sockets move from guests to services and back. */
static void
test_places(void **state)
{
	struct suite *s = *state;

	admin_conf(s, "w",
	    "pool \"default\" { source \"k\" { type = kernel } }\n");
	admin_start(s);
	for (int i = 0; i < 3; i++) {
		becomes(s,
		    "guest \"a\" { socket = \"@/1\" }\n"
		    "guest \"b\" { egd = \"@/2\" }\n"
		    "egd \"e\" { unix = \"@/3\" }\n",
		    "2", "3");
		/* The guest's that is no more: a service's, another's. */
		becomes(s,
		    "egd \"e\" { unix = \"@/1\" }\n"
		    "guest \"b\" { egd = \"@/2\" }\n",
		    "1", "2");
		becomes(s,
		    "guest \"b\" { egd = \"@/1\" }\n"
		    "guest \"a\" { socket = \"@/2\""
		    " egd = \"@/3\" }\n",
		    "1", "3");
		/* The guest's own, which has no other any more. */
		becomes(s,
		    "guest \"a\" { egd = \"@/2\" }\n"
		    "egd \"e\" { unix = \"@/1\" }\n",
		    "2", "1");
		/* By turns, and by another name. */
		becomes(s,
		    "guest \"a\" { egd = \"@/1\" }\n"
		    "egd \"e\" { unix = \"@/2\" }\n",
		    "2", "1");
		becomes(s,
		    "egd \"f\" { unix = \"@/1\" }\n"
		    "guest \"b\" { egd = \"@/2\" }\n",
		    "1", "2");
	}
	suite_pass(s);
}

/* The status shows, and as JSON. */
static void
shows(struct suite *s, const char *text, const char *json)
{
	char out[32768];

	assert_int_equal(admin_ctl(s, out, sizeof(out), "status"), 0);
	assert_non_null(strstr(out, text));
	assert_int_equal(admin_ctl(s, out, sizeof(out), "status --json"), 0);
	assert_non_null(strstr(out, json));
}

/* A listening socket of another process at DIR/name. */
static int
occupy(struct suite *s, const char *name)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s",
	    daemon_path(&s->d, name));
	assert_int_not_equal(fd, -1);
	(void)unlink(sun.sun_path);
	CHECK(bind(fd, (struct sockaddr *)&sun, sizeof(sun)));
	CHECK(listen(fd, 1));
	return fd;
}

/*
 * Sockets whose files were removed or replaced are there again after a reload;
 * the status shows them before.  The guest that is connected is not disturbed.
 */
static void
test_vanished(void **state)
{
	struct suite *s = *state;
	char out[32768];
	struct stat st;
	int fd;

	admin_conf(s, "w",
	    "pool \"default\" { source \"k\" { type = kernel } }\n"
	    "egd \"e\" { unix = \"%s/egd\" }\n",
	    s->d.dir);
	admin_conf_guest(s, "vm0", "mode = 0640");
	admin_conf_guest(s, "vm1", "");
	admin_start(s);
	suite_up_qemu(s, &s->fe, "vm0");
	CHECK(unlink(daemon_path(&s->d, "vm0.sock")));
	CHECK(unlink(daemon_path(&s->d, "egd")));
	shows(s, "! socket file is missing: reload the configuration",
	    "\"socket_file\": \"missing\"");
	admin_reload(s, ": reloaded, ");
	assert_int_equal(daemon_log_count(&s->d, "its file was removed"), 2);
	CHECK(stat(daemon_path(&s->d, "vm0.sock"), &st));
	assert_int_equal(st.st_mode & 0777, 0640);
	suite_served(&s->fe);
	fe_close(&s->fe);
	suite_up_qemu(s, &s->fe, "vm0");
	suite_served(&s->fe);
	speaks_egd(s, "egd");
	/* In use by another process: the file of that is left alone. */
	fd = occupy(s, "vm1.sock");
	shows(s, "socket file is replaced: ", "\"socket_file\": \"replaced\"");
	admin_reload(s, "partially applied");
	assert_int_equal(
	    daemon_log_count(&s->d, "another process listens there"), 1);
	close(fd);
	admin_reload(s, ": reloaded, ");
	suite_up_qemu(s, &s->other, "vm1");
	suite_served(&s->other);
	assert_int_equal(admin_ctl(s, out, sizeof(out), "status --json"), 0);
	assert_null(strstr(out, "\"missing\""));
	assert_null(strstr(out, "\"replaced\""));
	suite_pass(s);
}

/* So are the sockets for vrngctl, whose clients stay connected. */
static void
test_vanished_control(void **state)
{
	struct suite *s = *state;
	char out[32768];

	conf_kernel(s, 0);
	admin_start(s);
	for (int i = 0; i < 3; i++) {
		CHECK(unlink(daemon_path(&s->d, "control")));
		if (i != 1)
			CHECK(unlink(daemon_path(&s->d, "status")));
		assert_int_equal(admin_ctl(s, out, sizeof(out), "reload"), 3);
		admin_reload(s, ": reloaded, ");
		assert_int_equal(admin_ctl(s, out, sizeof(out), "reload"), 0);
		assert_int_equal(admin_ctl(s, out, sizeof(out), "status"), 0);
	}
	assert_int_equal(daemon_log_count(&s->d, "died"), 0);
	suite_pass(s);
}

/* vm0 is connected, vm1 is not. */
static void
two_guests(struct suite *s)
{
	admin_conf(s, "w",
	    "pool \"default\" { source \"k\" { type = kernel } }\n");
	admin_conf_guest(s, "vm0", "");
	admin_conf_guest(s, "vm1", "");
	admin_start(s);
	suite_up_qemu(s, &s->fe, "vm0");
}

/* Nothing that waits where vm0 listened holds up its removal. */
static void
test_lingering(void **state)
{
	const struct fe_header hdr = { FE_SET_OWNER, FE_VERSION, 0 };
	struct suite *s = *state;
	char out[1024];
	uint64_t before;
	int peer, fd = hostile_lingering(&peer);

	two_guests(s);
	CHECK(fe_connect(&s->other, daemon_path(&s->d, "vm0.sock")));
	CHECK(fe_send_raw(&s->other, &hdr, sizeof(hdr), &fd, 1));
	fe_close(&s->other);
	close(fd);
	before = fe_now();
	assert_int_equal(admin_ctl(s, out, sizeof(out), "guest remove vm0"), 0);
	suite_up_qemu(s, &s->other, "vm1");
	suite_served(&s->other);
	assert_true(fe_now() - before < 3000);
	close(peer);
	suite_pass(s);
}

/*
 * A guest is removed whose worker does not die, as one does that waits for a
 * file system.  Here it stays at its own exit, which a tracer sees.
 */
static void
test_undying(void **state)
{
	struct suite *s = *state;
	char out[1024];
	uint64_t before;
	pid_t worker;

	two_guests(s);
	worker = daemon_child(&s->d, ROLE_VHOST, "vm0");
	if (ptrace(PTRACE_SEIZE, worker, NULL, (void *)PTRACE_O_TRACEEXIT) ==
	    -1) {
		suite_skip(s, "processes cannot be traced");
	}
	before = fe_now();
	assert_int_equal(admin_ctl(s, out, sizeof(out), "guest remove vm0"), 0);
	suite_up_qemu(s, &s->other, "vm1");
	suite_served(&s->other);
	assert_true(fe_now() - before < 3000);
	assert_int_equal(waitpid(worker, NULL, __WALL), worker);
	CHECK(ptrace(PTRACE_DETACH, worker, NULL, NULL));
	suite_pass(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SUITE_EMPTY(test_listening),
		SUITE_EMPTY(test_often),
		SUITE_EMPTY(test_places),
		SUITE_EMPTY(test_vanished),
		SUITE_EMPTY(test_vanished_control),
		SUITE_EMPTY(test_lingering),
		SUITE_EMPTY(test_undying),
	};

	return SUITE_MAIN("change", tests);
}
