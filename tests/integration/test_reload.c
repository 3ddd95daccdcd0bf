/*
 * A daemon with a configuration: what it says holds, and it can be replaced
 * while guests run.
 */
#include <sys/stat.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bsd/string.h>
#include <bsd/unistd.h>

#include "integration/admin.h"
#include "integration/load.h"

#define GUEST "guest \"%s\" { socket = \"%s/%s.sock\" %s }\n"
#define POOL  "pool \"default\" { source \"kernel\" { type = kernel } %s }\n"

static const char *const start_args[] = { "-C", "@conf", NULL };

static bool
exists(struct suite *s, const char *name)
{
	return access(daemon_path(&s->d, name), F_OK) == 0;
}

static int
run(struct suite *s, const char *const *args)
{
	int status;

	CHECK(daemon_spawn(&s->d, args));
	status = daemon_wait(&s->d, DAEMON_TIMEOUT_MS);
	assert_true(status != -1 && WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void
test_check(void **state)
{
	const char *const args[] = { "-n", "-C", "@conf", NULL };
	struct suite *s = *state;
	char *text;

	admin_conf(s, "w", POOL, "class \"gold\" { rate = 1K }");
	admin_conf_guest(s, "vm0", "class = \"gold\"");
	assert_int_equal(run(s, args), 0);
	text = daemon_text(&s->d, "stdout");
	assert_non_null(strstr(text, "guest \"vm0\""));
	assert_non_null(strstr(text, "burst = 4K"));
	free(text);
	assert_false(exists(s, "vm0.sock"));
	suite_pass(s);
}

/* Without the program that reads it, a source waits, and one line says why. */
static void
test_no_usb(void **state)
{
	static const char *const programs[] = { ROLE_ENTROPY, "vrngd-status" };
	static const char why[] = "no vrngd-usb, which reads it: install the "
				  "package vrngd-usb";
	const char *const args[] = { "-n", "-C", "@conf", NULL };
	struct suite *s = *state;
	char from[512], to[512], line[256], *text;

	for (size_t i = 0; i < 2; i++) {
		snprintf(from, sizeof(from), "%s/%s", s->d.libexec,
		    programs[i]);
		snprintf(to, sizeof(to), "%s/%s", s->d.dir, programs[i]);
		CHECK(symlink(from, to));
	}
	strlcpy(s->d.libexec, s->d.dir, sizeof(s->d.libexec));
	admin_conf(s, "w",
	    "pool \"p\" { source \"q\" { type = qng }\n"
	    "source \"k\" { type = kernel } }\n");
	assert_int_equal(run(s, args), 0);
	text = daemon_text(&s->d, "log");
	snprintf(line, sizeof(line), "warning: pool p: source q: %s\n", why);
	assert_non_null(strstr(text, line));
	free(text);
	suite_start(s, start_args);
	snprintf(line, sizeof(line), "lost: %s; retrying", why);
	CHECK(daemon_log_wait(&s->d, line, 1, FE_TIMEOUT_MS));
	CHECK(daemon_log_wait(&s->d, "source k (getrandom) in use", 1,
	    FE_TIMEOUT_MS));
	usleep(500000);
	assert_int_equal(daemon_log_count(&s->d, line), 1);
	suite_pass(s);
}

static void
test_mistakes(void **state)
{
	struct suite *s = *state;
	char *text;

	admin_conf(s, "w", POOL, "class \"gold\" { rate = 2K ceil = 1K }");
	admin_conf_guest(s, "vm0", "clas = \"gold\"");
	assert_int_equal(run(s, start_args), 1);
	text = daemon_text(&s->d, "log");
	assert_non_null(strstr(text, "conf:1: class \"gold\""));
	assert_non_null(strstr(text, "conf:2: guest \"vm0\""));
	free(text);
	assert_false(exists(s, "vm0.sock"));
	suite_pass(s);
}

static void
test_socket(void **state)
{
	struct suite *s = *state;
	struct stat st;

	admin_conf(s, "w", POOL, "");
	admin_conf_guest(s, "vm0", "mode = 0620");
	suite_start(s, start_args);
	CHECK(stat(daemon_path(&s->d, "vm0.sock"), &st));
	assert_int_equal(st.st_mode & 0777, 0620);
	suite_up_qemu(s, &s->fe, "vm0");
	suite_served(&s->fe);
	suite_pass(s);
}

/* A socket of another owner, whose mode is changed and changed again. */
static void
test_socket_owner(void **state)
{
	static const unsigned int modes[] = { 0600, 0660, 0660, 0606 };
	struct suite *s = *state;
	struct stat st;
	char rest[64];

	if (getuid() != 0)
		suite_skip(s, "not root");
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		snprintf(rest, sizeof(rest), "owner = 1 group = 2 mode = 0%o",
		    modes[i]);
		admin_conf(s, "w", POOL, "");
		admin_conf_guest(s, "vm0", rest);
		if (i == 0)
			suite_start(s, start_args);
		else
			admin_reload(s, "reloaded, 1 guest");
		CHECK(stat(daemon_path(&s->d, "vm0.sock"), &st));
		assert_int_equal(st.st_mode & 0777, modes[i]);
		assert_int_equal(st.st_uid, 1);
		assert_int_equal(st.st_gid, 2);
	}
	assert_int_equal(daemon_log_count(&s->d, "cannot set its owner"), 0);
	suite_pass(s);
}

/* Who may write to the directory cannot have other files given away. */
static void
test_socket_replaced(void **state)
{
	struct suite *s = *state;
	struct stat st;
	char target[128];
	int fd;

	admin_conf(s, "w", POOL, "");
	admin_conf_guest(s, "vm0", "mode = 0600");
	suite_start(s, start_args);
	snprintf(target, sizeof(target), "%s", daemon_path(&s->d, "target"));
	fd = open(target, O_CREAT | O_WRONLY | O_CLOEXEC, 0400);
	assert_int_not_equal(fd, -1);
	close(fd);
	CHECK(unlink(daemon_path(&s->d, "vm0.sock")));
	CHECK(symlink(target, daemon_path(&s->d, "vm0.sock")));
	admin_conf(s, "w", POOL, "");
	admin_conf_guest(s, "vm0", "mode = 0666");
	admin_reload(s, "partially applied");
	CHECK(stat(target, &st));
	assert_int_equal(st.st_mode & 0777, 0400);
	assert_int_equal(
	    daemon_log_count(&s->d, "file exists and is not a socket"), 1);
	suite_pass(s);
}

/* Guests come, go and change class while others read. */
static void
test_reload(void **state)
{
	struct suite *s = *state;
	struct load l = { .fe = &s->fe, .depth = 4, .len = 64 };
	uint64_t before;
	pid_t worker;

	admin_conf(s, "w", POOL, "class \"slow\" { rate = 1K burst = 256 }");
	admin_conf_guest(s, "vm0", "");
	admin_conf_guest(s, "vm1", "");
	suite_start(s, start_args);
	suite_up_qemu(s, &s->fe, "vm0");
	suite_up_qemu(s, &s->other, "vm1");
	suite_served(&s->other);
	load_run(&l, 1, 200, NULL);
	worker = daemon_child(&s->d, ROLE_VHOST, "vm0");

	admin_conf(s, "w", POOL, "class \"slow\" { rate = 1K burst = 256 }");
	admin_conf_guest(s, "vm0", "class = \"slow\"");
	admin_conf_guest(s, "vm2", "");
	admin_reload(s, "reloaded, 2 guests");
	assert_int_equal(daemon_child(&s->d, ROLE_VHOST, "vm0"), worker);
	CHECK(daemon_child_gone(&s->d, ROLE_VHOST, "vm1", FE_TIMEOUT_MS));
	assert_false(exists(s, "vm1.sock"));
	fe_close(&s->other);
	suite_up_qemu(s, &s->other, "vm2");
	suite_served(&s->other);
	load_run(&l, 1, 300, NULL);
	before = l.bytes;
	load_run(&l, 1, 2000, NULL);
	assert_in_range(l.bytes - before, 1500, 3000);

	/* And back, without a class to be in. */
	admin_conf(s, "w", POOL, "");
	admin_conf_guest(s, "vm0", "");
	admin_conf_guest(s, "vm2", "");
	admin_reload(s, "reloaded, 2 guests");
	before = l.bytes;
	load_run(&l, 1, 500, NULL);
	assert_true(l.bytes - before > 20000);
	suite_served(&s->other);
	suite_pass(s);
}

static void
test_reload_mistake(void **state)
{
	struct suite *s = *state;

	admin_conf(s, "w", POOL, "");
	admin_conf_guest(s, "vm0", "");
	suite_start(s, start_args);
	suite_up_qemu(s, &s->fe, "vm0");
	admin_conf_guest(s, "vm1", "class = \"gold\"");
	admin_reload(s, "keeping the running configuration");
	assert_int_equal(daemon_log_count(&s->d, "conf:3: guest \"vm1\""), 1);
	assert_false(exists(s, "vm1.sock"));
	suite_served(&s->fe);
	/* One that is right, but cannot be: the other socket is not left. */
	admin_conf(s, "w", POOL, "");
	admin_conf_guest(s, "vm2", "");
	admin_conf(s, "a", "guest \"vm3\" { socket = \"/nowhere/at/all\" }\n");
	admin_reload(s, "keeping the running configuration");
	assert_false(exists(s, "vm2.sock"));
	assert_true(exists(s, "vm0.sock"));
	suite_served(&s->fe);
	fe_close(&s->fe);
	suite_up_qemu(s, &s->fe, "vm0");
	suite_served(&s->fe);
	suite_pass(s);
}

/* Two guests exchange their sockets: the connections stay what they are. */
static void
test_exchange(void **state)
{
	struct suite *s = *state;

	admin_conf(s, "w", POOL, "");
	admin_conf_guest(s, "vm0", "");
	admin_conf_guest(s, "vm1", "");
	suite_start(s, start_args);
	suite_up_qemu(s, &s->fe, "vm0");
	admin_conf(s, "w", POOL, "");
	admin_conf(s, "a", GUEST, "vm0", s->d.dir, "vm1", "");
	admin_conf(s, "a", GUEST, "vm1", s->d.dir, "vm0", "");
	admin_reload(s, "reloaded, 2 guests");
	suite_served(&s->fe);
	suite_up_qemu(s, &s->other, "vm0");
	suite_served(&s->other);
	assert_true(daemon_child(&s->d, ROLE_VHOST, "vm1") > 0);
	suite_pass(s);
}

/* Each pool has a source and an entropy process of its own. */
static void
test_pools(void **state)
{
	struct suite *s = *state;
	struct proc list[8];
	char path[128];

	snprintf(path, sizeof(path), "%s", daemon_path(&s->d, "fifo"));
	CHECK(mkfifo(path, 0600));
	admin_conf(s, "w", POOL, "");
	admin_conf(s, "a",
	    "pool \"dry\" { source \"fifo\" { type = device path = \"%s\" } "
	    "}\n",
	    path);
	admin_conf_guest(s, "vm0", "pool = \"dry\"");
	admin_conf_guest(s, "vm1", "");
	suite_start(s, start_args);
	assert_int_equal(proc_children(s->d.pid, list, 8), 2);
	suite_up_qemu(s, &s->fe, "vm0");
	suite_up_qemu(s, &s->other, "vm1");
	assert_int_equal(fe_read(&s->fe, NULL, 64, 200), -1);
	suite_served(&s->other);
	/* Without its pool the guest is in the other one, and served. */
	admin_conf(s, "w", POOL, "");
	admin_conf_guest(s, "vm0", "");
	admin_conf_guest(s, "vm1", "");
	admin_reload(s, "reloaded, 2 guests");
	fe_close(&s->fe);
	suite_up_qemu(s, &s->fe, "vm0");
	suite_served(&s->fe);
	suite_served(&s->other);
	suite_pass(s);
}

/* A guest that has moved to another pool stays itself at each later reload. */
static void
test_pool_changed(void **state)
{
	struct suite *s = *state;
	char out[4096];

	for (int i = 0; i < 2; i++) {
		admin_conf(s, "w", POOL, "");
		admin_conf(s, "a",
		    "pool \"other\" { source \"k\" { type = kernel } }\n");
		admin_conf_guest(s, "vm0", i == 0 ? "" : "pool = \"other\"");
		admin_conf_guest(s, "vm1", "");
		if (i == 0) {
			admin_start(s);
			suite_up_qemu(s, &s->fe, "vm0");
			suite_up_qemu(s, &s->other, "vm1");
		} else
			admin_reload(s, "reloaded, 2 guests");
	}
	fe_close(&s->fe);
	suite_up_qemu(s, &s->fe, "vm0");
	for (int i = 0; i < 3; i++) {
		admin_reload(s, "reloaded, 2 guests");
		suite_served(&s->fe);
		suite_served(&s->other);
	}
	assert_int_equal(admin_ctl(s, out, sizeof(out), "guest remove vm0"), 0);
	suite_served(&s->other);
	assert_int_equal(admin_ctl(s, out, sizeof(out), "guest remove vm1"), 0);
	suite_pass(s);
}

/*
 * A second connection waits when its guest gets another socket: it is refused,
 * and the third one waits for its own turn.
 */
static void
test_second_moved(void **state)
{
	struct suite *s = *state;
	struct fe_header hdr = { FE_GET_FEATURES, FE_VERSION, 0 };
	struct fe third;
	struct fe_msg msg;

	admin_conf(s, "w", POOL, "");
	admin_conf_guest(s, "vm0", "");
	admin_start(s);
	suite_up_qemu(s, &s->fe, "vm0");
	CHECK(fe_connect(&s->other, daemon_path(&s->d, "vm0.sock")));
	CHECK(fe_send_raw(&s->other, &hdr, sizeof(hdr), NULL, 0));
	admin_conf(s, "w", POOL, "");
	admin_conf(s, "a", GUEST, "vm0", s->d.dir, "new", "");
	admin_reload(s, "reloaded, 1 guest");
	fe_init(&third);
	CHECK(fe_connect(&third, daemon_path(&s->d, "new.sock")));
	assert_int_equal(fe_recv(&s->other, &msg, FE_TIMEOUT_MS), -1);
	assert_int_equal(errno, ECONNRESET);
	suite_served(&s->fe);
	fe_close(&third);
	fe_close(&s->fe);
	suite_up_qemu(s, &s->fe, "new");
	suite_served(&s->fe);
	suite_pass(s);
}

/* As nohup(1) starts it. */
static void
ignore_hangup(void *arg)
{
	(void)arg;
	signal(SIGHUP, SIG_IGN);
	closefrom(3);
}

/* SIGHUP means a reload, also if it was ignored at the start. */
static void
test_hangup_ignored(void **state)
{
	struct suite *s = *state;

	s->d.prepare = ignore_hangup;
	admin_conf(s, "w", POOL, "");
	admin_conf_guest(s, "vm0", "");
	suite_start(s, start_args);
	admin_reload(s, "reloaded, 1 guest");
	suite_pass(s);
}

/* Where there is nothing to be read again it is ignored, as was asked. */
static void
test_hangup_survived(void **state)
{
	const char *const args[] = { "-s", "@vm%d.sock", "-c", "2", NULL };
	struct suite *s = *state;

	s->d.prepare = ignore_hangup;
	suite_start(s, args);
	CHECK(kill(s->d.pid, SIGHUP));
	suite_up_qemu(s, &s->fe, "vm0");
	suite_served(&s->fe);
	assert_true(daemon_alive(&s->d));
	suite_pass(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SUITE_EMPTY(test_check),
		SUITE_EMPTY(test_no_usb),
		SUITE_EMPTY(test_mistakes),
		SUITE_EMPTY(test_socket),
		SUITE_EMPTY(test_socket_owner),
		SUITE_EMPTY(test_socket_replaced),
		SUITE_EMPTY(test_reload),
		SUITE_EMPTY(test_reload_mistake),
		SUITE_EMPTY(test_exchange),
		SUITE_EMPTY(test_pools),
		SUITE_EMPTY(test_pool_changed),
		SUITE_EMPTY(test_second_moved),
		SUITE_EMPTY(test_hangup_ignored),
		SUITE_EMPTY(test_hangup_survived),
	};

	return SUITE_MAIN("reload", tests);
}
