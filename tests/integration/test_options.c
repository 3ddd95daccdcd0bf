/*
 * The command line, sockets as they come and go, and the exit status.
 */
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "integration/admin.h"

/* Run to its end; the exit status. */
static int
run(struct suite *s, const char *const *args)
{
	int status;

	CHECK(daemon_spawn(&s->d, args));
	status = daemon_wait(&s->d, DAEMON_TIMEOUT_MS);
	assert_true(status != -1 && WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* The whole output must be one line in which both words stand. */
static void
one_line(struct suite *s, const char *option, const char *value)
{
	char *text = daemon_text(&s->d, "log"), *nl;

	nl = strchr(text, '\n');
	if (nl == NULL || nl[1] != '\0' || strstr(text, option) == NULL ||
	    strstr(text, value) == NULL)
		fail_msg("not one line with %s and %s: %s", option, value,
		    text);
	free(text);
}

static void
test_bad_usage(void **state)
{
	const char *const bad[][4] = { { "--socket-count", "0" },
		{ "--socket-count", "-1" }, { "--socket-count", "two" },
		{ "--socket-count", "99999999999999999999" },
		{ "--max-bytes", "0" }, { "--max-bytes", "-5" },
		{ "--poll-us", "1001" }, { "--poll-us", "-1" },
		{ "--max-bytes", "1x" }, { "--max-bytes", "1 MB" },
		{ "--max-bytes", "1e6" }, { "--max-bytes", "9999999999G" },
		{ "--max-bytes", "0K" }, { "--period", "50d" },
		{ "--period", "80000min" }, { "--max-bytes", "" },
		{ "--max-bytes", "18446744073709551616" }, { "--period", "0" },
		{ "--period", "1.5" }, { "--period", "-1" },
		{ "--uid-base", "root" }, { "--uid-base", "4294967295" },
		{ "--uid-base", "0" } };
	struct suite *s = *state;
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		const char *const args[] = { "-s", "@a", bad[i][0], bad[i][1],
			NULL };

		assert_int_equal(run(s, args), 2);
		one_line(s, bad[i][0], bad[i][1]);
	}
	suite_pass(s);
}

static void
test_bad_usage_other(void **state)
{
	const char *const nothing[] = { NULL };
	const char *const both[] = { "-s", "@a", "--fd", "7", NULL };
	const char *const fd[] = { "--fd", "seven", NULL };
	const char *const unknown[] = { "-s", "@a", "--frobnicate", NULL };
	const char *const letter[] = { "-s", "@a", "-Q", NULL };
	const char *const extra[] = { "-s", "@a", "surplus", NULL };
	const char *const twice[] = { "-s", "@a", "-s", "@a", NULL };
	const char *const empty[] = { "-s", "", NULL };
	char path[256];
	const char *const lng[] = { "-s", path, NULL };
	struct suite *s = *state;

	memset(path, 'x', sizeof(path));
	path[0] = '/';
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(run(s, nothing), 2);
	one_line(s, "--socket-path", "");
	assert_int_equal(run(s, both), 2);
	one_line(s, "--fd", "--socket-path");
	assert_int_equal(run(s, fd), 2);
	one_line(s, "--fd", "seven");
	assert_int_equal(run(s, unknown), 2);
	one_line(s, "--frobnicate", "");
	assert_int_equal(run(s, letter), 2);
	one_line(s, "-Q", "");
	assert_int_equal(run(s, extra), 2);
	one_line(s, "surplus", "");
	assert_int_equal(run(s, twice), 2);
	one_line(s, "--socket-path", "/a");
	assert_int_equal(run(s, empty), 2);
	one_line(s, "--socket-path", "");
	assert_int_equal(run(s, lng), 2);
	one_line(s, "--socket-path", "/xxx");
	suite_pass(s);
}

/* An fd that is not open, or no listening socket, is said to be so. */
static void
test_bad_fd(void **state)
{
	const char *const closed[] = { "--fd", "99", NULL };
	const char *const file[] = { "--fd", "0", NULL };
	struct suite *s = *state;
	int status;

	status = run(s, closed);
	assert_in_range(status, 1, 2);
	one_line(s, "fd", "99");
	status = run(s, file);
	assert_in_range(status, 1, 2);
	one_line(s, "fd", "0");
	suite_pass(s);
}

static void
test_bad_source(void **state)
{
	const char *const missing[] = { "-s", "@a", "-f", "/nonexistent/rng",
		NULL };
	const char *const dir[] = { "-s", "@a", "--filename", "/dev", NULL };
	struct suite *s = *state;

	assert_in_range(run(s, dir), 1, 2);
	assert_true(daemon_log_count(&s->d, "/dev") > 0);
	/* It may appear later. */
	suite_start(s, missing);
	CHECK(daemon_log_wait(&s->d, "/nonexistent/rng): lost: No such file", 1,
	    FE_TIMEOUT_MS));
	suite_pass(s);
}

/* The text on standard output, with nothing on standard error. */
static char *
output(struct suite *s)
{
	char *text = daemon_text(&s->d, "log");

	assert_string_equal(text, "");
	free(text);
	return daemon_text(&s->d, "stdout");
}

static void
test_print_and_exit(void **state)
{
	const char *const caps[] = { "--print-capabilities", NULL };
	const char *const caps2[] = { "-s", "@a", "-m", "bad", "--fd", "x",
		"--print-capabilities", NULL };
	const char *const version[] = { "--version", NULL };
	const char *const v[] = { "-V", NULL };
	const char *const help[] = { "-h", NULL };
	struct suite *s = *state;
	char *text;

	assert_int_equal(run(s, caps), 0);
	text = output(s);
	assert_non_null(strstr(text, "\"type\": \"rng\""));
	assert_true(text[0] == '{');
	free(text);
	assert_int_equal(run(s, caps2), 0);
	text = output(s);
	assert_non_null(strstr(text, "\"type\": \"rng\""));
	free(text);
	assert_int_equal(run(s, version), 0);
	text = output(s);
	assert_int_equal(strncmp(text, "vrngd ", 6), 0);
	free(text);
	assert_int_equal(run(s, v), 0);
	free(output(s));
	assert_int_equal(run(s, help), 0);
	text = output(s);
	assert_non_null(strstr(text, "--socket-path"));
	assert_non_null(strstr(text, "--max-bytes"));
	free(text);
	suite_pass(s);
}

static bool
is_socket(struct suite *s, const char *name)
{
	struct stat st;

	return lstat(daemon_path(&s->d, name), &st) == 0 &&
	    S_ISSOCK(st.st_mode);
}

/* Start, serve the guest at each socket, stop: the sockets are removed. */
static void
serve_and_stop(struct suite *s, const char *const *args,
    const char *const *names, int sig)
{
	size_t i;

	suite_start(s, args);
	for (i = 0; names[i] != NULL; i++) {
		assert_true(is_socket(s, names[i]));
		CHECK(fe_up(&s->fe, daemon_path(&s->d, names[i]), 64,
		    QEMU_FEATURES, QEMU_PFEATURES));
		suite_served(&s->fe);
		if (names[i + 1] != NULL)
			fe_close(&s->fe);
	}
	assert_int_equal(daemon_stop(&s->d, sig), 0);
	for (i = 0; names[i] != NULL; i++)
		assert_int_equal(access(daemon_path(&s->d, names[i]), F_OK),
		    -1);
	fe_close(&s->fe);
}

/* Units, as in the configuration. */
static void
test_units(void **state)
{
	static const char *const same[][3] = { { "1048576", "1M", "1000000" },
		{ "1000", "1s", "2s" } };
	struct suite *s = *state;

	for (int i = 0; i < 3; i++) {
		const char *const args[] = { "-s", "@vm0", "-m", same[0][i],
			"-p", same[1][i], "--control", "@control", NULL };
		char out[8192];

		suite_start(s, args);
		assert_int_equal(admin_ctl(s, out, sizeof(out), "status"), 0);
		if ((strstr(out, "limit 1M/s, burst 1M") != NULL) != (i < 2))
			fail_msg("%s", out);
		assert_int_equal(daemon_stop(&s->d, SIGTERM), 0);
	}
	suite_pass(s);
}

static void
test_sockets(void **state)
{
	const char *const one[] = { "-s", "@rng.sock", NULL };
	const char *const one_names[] = { "rng.sock0", NULL };
	const char *const three[] = { "--socket-path", "@vm", "--socket-count",
		"3", "--period", "1000", "--max-bytes", "1000000", NULL };
	const char *const three_names[] = { "vm0", "vm1", "vm2", NULL };
	const char *const mark[] = { "-s", "@a%d.sock", "-c", "2", NULL };
	const char *const mark_names[] = { "a0.sock", "a1.sock", NULL };
	const char *const exact[] = { "-s", "@x.sock", "-s", "@y", "-f",
		"/dev/random", NULL };
	const char *const exact_names[] = { "x.sock", "y", NULL };
	struct suite *s = *state;

	serve_and_stop(s, one, one_names, SIGTERM);
	serve_and_stop(s, three, three_names, SIGINT);
	serve_and_stop(s, mark, mark_names, SIGTERM);
	serve_and_stop(s, exact, exact_names, SIGINT);
	suite_pass(s);
}

static int
listen_at(struct suite *s, const char *name)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd;

	strncpy(sun.sun_path, daemon_path(&s->d, name),
	    sizeof(sun.sun_path) - 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_not_equal(fd, -1);
	CHECK(bind(fd, (struct sockaddr *)&sun, sizeof(sun)));
	CHECK(listen(fd, 1));
	return fd;
}

/* An inherited listening socket; it stays where it is. */
static void
test_fd(void **state)
{
	const char *const args[] = { "--fd", "7", NULL };
	struct suite *s = *state;
	int i;

	s->d.fd = listen_at(s, "given.sock");
	for (i = 0; i < 2; i++) {
		suite_start(s, args);
		suite_up_qemu(s, &s->fe, "given");
		suite_served(&s->fe);
		fe_close(&s->fe);
		suite_up_qemu(s, &s->fe, "given");
		suite_served(&s->fe);
		assert_int_equal(daemon_stop(&s->d, SIGTERM), 0);
		fe_close(&s->fe);
		assert_true(is_socket(s, "given.sock"));
	}
	close(s->d.fd);
	suite_pass(s);
}

static void
test_stale_socket(void **state)
{
	const char *const args[] = { "-s", "@vm%d.sock", "-c", "2", NULL };
	const char *const names[] = { "vm0.sock", "vm1.sock", NULL };
	struct suite *s = *state;

	close(listen_at(s, "vm1.sock"));
	assert_true(is_socket(s, "vm1.sock"));
	serve_and_stop(s, args, names, SIGTERM);
	suite_pass(s);
}

/* What is in use, or no socket, is left alone. */
static void
test_occupied(void **state)
{
	const char *const args[] = { "-s", "@vm%d.sock", "-c", "2", NULL };
	struct suite *s = *state;
	int fd;

	fd = listen_at(s, "vm1.sock");
	assert_int_equal(run(s, args), 1);
	assert_true(daemon_log_count(&s->d, "vm1.sock") > 0);
	assert_true(is_socket(s, "vm1.sock"));
	assert_false(is_socket(s, "vm0.sock"));
	close(fd);
	CHECK(unlink(daemon_path(&s->d, "vm1.sock")));

	fd = open(daemon_path(&s->d, "vm1.sock"), O_CREAT | O_RDWR, 0600);
	close(fd);
	assert_int_equal(run(s, args), 1);
	assert_true(daemon_log_count(&s->d, "vm1.sock") > 0);
	CHECK(access(daemon_path(&s->d, "vm1.sock"), F_OK));
	CHECK(unlink(daemon_path(&s->d, "vm1.sock")));

	CHECK(symlink("nowhere", daemon_path(&s->d, "vm1.sock")));
	assert_int_equal(run(s, args), 1);
	suite_pass(s);
}

/* A directory that is not there is one clear line, too. */
static void
test_no_directory(void **state)
{
	const char *const args[] = { "-s", "@no/where", NULL };
	struct suite *s = *state;

	assert_int_equal(run(s, args), 1);
	assert_true(daemon_log_count(&s->d, "/no/where") > 0);
	suite_pass(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { SUITE_EMPTY(test_bad_usage),
		SUITE_EMPTY(test_bad_usage_other), SUITE_EMPTY(test_bad_fd),
		SUITE_EMPTY(test_bad_source), SUITE_EMPTY(test_print_and_exit),
		SUITE_EMPTY(test_units), SUITE_EMPTY(test_sockets),
		SUITE_EMPTY(test_fd), SUITE_EMPTY(test_stale_socket),
		SUITE_EMPTY(test_occupied), SUITE_EMPTY(test_no_directory) };

	return SUITE_MAIN("options", tests);
}
