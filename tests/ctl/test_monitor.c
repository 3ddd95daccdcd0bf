/*
 * vrngctl monitor, of the environment variable VRNGCTL, and a made-up daemon that
 * sends replies and closes the connection.
 */
#include "unit/unit.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARGS 8

#define FIRST "{\"parameters\":{\"event\":null,\"lost\":0},\"continues\":true}"
#define EVENT(message, lost) \
	"{\"parameters\":{\"event\":{\"event\":\"source_lost\"," \
	"\"level\":\"warning\",\"time\":\"2026-11-30T12:00:00.000Z\"," \
	"\"message\":\"" message "\"},\"lost\":" lost "},\"continues\":true}"
#define LINE(message) \
	"2026-11-30T12:00:00.000Z warning source_lost: " message "\n"
#define ENDS "closed the connection\n"

static char folder[] = "/tmp/vrngd-monitor.XXXXXX", path[64];
static int listener;
static char out[65536], err[4096];

static void
start(void)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };

	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/status", folder);
	memcpy(sun.sun_path, path, strlen(path) + 1);
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_not_equal(listener, -1);
	assert_int_equal(bind(listener, (struct sockaddr *)&sun, sizeof(sun)),
	    0);
	assert_int_equal(listen(listener, 1), 0);
}

static void
read_all(int fd, char *text, size_t size)
{
	size_t len = 0;
	ssize_t n;

	while ((n = read(fd, text + len, size - 1 - len)) > 0)
		len += (size_t)n;
	text[len] = '\0';
	close(fd);
}

/* Starts vrngctl with its output in pipes. */
static pid_t
start_vrngctl(const char *const *args, int fds[2])
{
	const char *argv[ARGS + 4] = { getenv("VRNGCTL"), "--status", path };
	int outputs[2][2];
	pid_t pid;

	for (size_t i = 0; i < ARGS && args[i] != NULL; i++)
		argv[3 + i] = args[i];
	for (int i = 0; i < 2; i++) {
		assert_int_equal(pipe2(outputs[i], O_CLOEXEC), 0);
		fds[i] = outputs[i][0];
	}
	pid = fork();
	assert_int_not_equal(pid, -1);
	if (pid == 0) {
		if (argv[0] == NULL ||
		    dup2(outputs[0][1], STDOUT_FILENO) == -1 ||
		    dup2(outputs[1][1], STDERR_FILENO) == -1)
			_exit(99);
		execv(argv[0], (char *const *)(uintptr_t)argv);
		_exit(99);
	}
	close(outputs[0][1]);
	close(outputs[1][1]);
	return pid;
}

/* Runs vrngctl, answers its call with bytes, and returns its exit status. */
static int
run(const char *const *args, const char *want, const char *replies, size_t size)
{
	char call[1024];
	int fds[2], conn, status;
	pid_t pid = start_vrngctl(args, fds);
	size_t len = strlen(want) + 1;
	ssize_t n;

	conn = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	assert_int_not_equal(conn, -1);
	assert_int_equal(recv(conn, call, len, MSG_WAITALL), len);
	assert_string_equal(call, want);
	while (size > 0) {
		/* In pieces of any size. */
		n = send(conn, replies, size < 1000 ? size : 1000,
		    MSG_NOSIGNAL);
		if (n <= 0)
			break;
		replies += n;
		size -= (size_t)n;
	}
	close(conn);
	read_all(fds[0], out, sizeof(out));
	read_all(fds[1], err, sizeof(err));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

#define CALL(parameters) \
	"{\"method\":\"io.vrngd.Status.Monitor\",\"parameters\":" parameters \
	",\"more\":true}"
#define RUN(call, replies, ...) \
	run((const char *const[ARGS]){ "monitor", __VA_ARGS__ }, call, \
	    replies, sizeof(replies))

static void
test_text(void **state)
{
	static const char replies[] =
	    FIRST "\0" EVENT("pool a: \\u001b[1m lost", "0") "\0" EVENT("b",
		"3") "\0{\"parameters\":{\"event\":null,\"lost\":7}}";

	(void)state;
	assert_int_equal(RUN(CALL("{}"), replies, NULL), 3);
	assert_string_equal(out,
	    LINE("pool a: ?[1m lost") "3 events lost\n" LINE(
		"b") "7 events lost\n");
	assert_non_null(strstr(err, "vrngctl: the daemon at "));
	assert_non_null(strstr(err, ENDS));
}

static void
test_json(void **state)
{
	static const char replies[] = FIRST "\0" EVENT("a/b", "3");

	(void)state;
	assert_int_equal(RUN(CALL("{\"guest\":\"vm1\",\"service\":\"vm1\","
				  "\"pool\":\"slow\"}"),
			     replies, "vm1", "--pool", "slow", "--json", NULL),
	    3);
	assert_string_equal(out,
	    "{\"event\":{\"event\":\"source_lost\",\"level\":\"warning\","
	    "\"time\":\"2026-11-30T12:00:00.000Z\",\"message\":\"a/b\"},"
	    "\"lost\":3}\n");
}

static void
test_errors(void **state)
{
	static const char error[] =
	    "{\"error\":\"io.vrngd.Status.TooManyMonitors\",\"parameters\":{}}";
	static const char invalid[] = "{\"parameters\":7}";
	static char large[100000];

	(void)state;
	assert_int_equal(RUN(CALL("{}"), error, NULL), 1);
	assert_string_equal(err,
	    "vrngctl: the daemon rejected the request: "
	    "io.vrngd.Status.TooManyMonitors\n");
	assert_string_equal(out, "");
	assert_int_equal(RUN(CALL("{}"), invalid, NULL), 1);
	assert_non_null(strstr(err, "invalid answer from the daemon"));
	memset(large, ' ', sizeof(large));
	assert_int_equal(RUN(CALL("{}"), large, NULL), 1);
	assert_non_null(strstr(err, "invalid answer from the daemon"));
	assert_int_equal(RUN(CALL("{}"), "{", NULL), 1);
}

static void
test_end(void **state)
{
	(void)state;
	close(listener);
	unlink(path);
	rmdir(folder);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_end),
	};

	start();
	return UNIT_MAIN("vrngctl monitor", tests);
}
