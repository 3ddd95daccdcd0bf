/*
 * The interface io.vrngd.Status of a running daemon: that its answers are as
 * the file of the interface describes them, that parameters select, and that
 * events come to all that monitor.
 */
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "integration/admin.h"
#include "integration/status_client.h"

#define GET(name, value) \
	"{\"method\":\"io.vrngd.Status.Get\",\"parameters\":{\"" name \
	"\":\"" value "\"}}"
#define ERROR(name, key, value) \
	"{\"error\":\"" name "\",\"parameters\":{\"" key "\":\"" value "\"}}"
#define NAMED(name) "\"name\":\"" name "\""

static struct json_object *
get(struct json_object *o, const char *key)
{
	struct json_object *value;

	assert_true(json_object_object_get_ex(o, key, &value));
	return value;
}

/* A client of a unix socket in DIR, which has received a byte. */
static int
served_client(struct suite *s, const char *name, const char *request)
{
	int fd = status_join(s, name, SOCK_STREAM);
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	size_t len = strlen(request);
	char byte;

	assert_int_not_equal(fd, -1);
	assert_int_equal(send(fd, request, len, MSG_NOSIGNAL), len);
	assert_int_equal(poll(&pfd, 1, FE_TIMEOUT_MS), 1);
	assert_int_equal(recv(fd, &byte, 1, 0), 1);
	return fd;
}

/* All kinds of objects, of which many are in use. */
static void
start(struct suite *s)
{
	admin_conf(s, "w",
	    "pool \"default\" {\n"
	    "	rate = 10M\n"
	    "	source \"kernel\" { type = kernel }\n"
	    "	source \"absent\" { type = device path = \"%s/absent\" }\n"
	    "	class \"gold\" { rate = 1M class \"inner\" { weight = 2 } }\n"
	    "}\n",
	    s->d.dir);
	admin_conf(s, "a",
	    "pool \"dry\" {\n"
	    "	combine = xor min-sources = 1\n"
	    "	source \"peer\" { type = egd unix = \"%s/absent\" }\n"
	    "}\n",
	    s->d.dir);
	admin_conf_guest(s, "vm0", "class = \"inner\" poll-us = 10");
	admin_conf(s, "a",
	    "guest \"vm1\" { class = \"gold\" egd = \"%s/vm1.egd\" }\n",
	    s->d.dir);
	admin_conf_guest(s, "thirsty", "pool = \"dry\"");
	admin_conf(s, "a", "egd \"local\" { unix = \"%s/local\" }\n", s->d.dir);
	admin_conf(s, "a",
	    "stream \"lan\" { tcp = \"127.0.0.1\" port = 1 "
	    "connect = yes class = \"gold\" "
	    "confidential = tls }\n");
	admin_start(s);
	suite_up_qemu(s, &s->fe, "vm0");
	suite_served(&s->fe);
}

/* Exit status of python3 that looks whether JSON fits a type; 127: none. */
static int
python_status(const char *text, const char *type)
{
	int fd = memfd_create("json", 0), status;
	size_t len = strlen(text);
	pid_t pid;

	assert_int_not_equal(fd, -1);
	assert_int_equal(pwrite(fd, text, len, 0), len);
	pid = fork();
	assert_int_not_equal(pid, -1);
	if (pid == 0) {
		if (dup2(fd, STDIN_FILENO) == -1 ||
		    dup2(STDERR_FILENO, STDOUT_FILENO) == -1)
			_exit(99);
		execlp("python3", "python3", INTEGRATION "/interface.py",
		    STATUS_INTERFACE, type, NULL);
		_exit(127);
	}
	close(fd);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* The parameters of a reply; text to be freed. */
static char *
parameters(const char *reply)
{
	struct json_object *o = json_tokener_parse(reply);
	char *text;

	assert_non_null(o);
	text = strdup(json_object_to_json_string_ext(get(o, "parameters"),
	    JSON_C_TO_STRING_PLAIN));
	json_object_put(o);
	return text;
}

static void
test_types(void **state)
{
	static const char *const wrong[][2] = {
		{ "\"schema\":1", "\"schema\":\"1\"" },
		{ "\"schema\":1", "\"scheme\":1" },
		{ "\"combine\":\"first\"", "\"combine\":\"last\"" },
	};
	struct suite *s = *state;
	char *reply, *text, *at;
	int clients[2];

	if (python_status("", "Status") == 127)
		suite_skip(s, "no python3");
	start(s);
	clients[0] = served_client(s, "local", "\2\10");
	clients[1] = served_client(s, "vm1.egd", "\2\10");
	reply = status_call(s, STATUS_GET);
	assert_non_null(reply);
	text = parameters(reply);
	free(reply);
	/* It has what the types are tried with. */
	assert_non_null(strstr(text, "\"clients\":[{\"peer\""));
	assert_non_null(strstr(text, "\"last_failure\":{"));
	assert_non_null(strstr(text, "\"last_failure\":null"));
	assert_non_null(strstr(text, "\"kind\":\"guest\""));
	assert_non_null(strstr(text, "\"parent\":\"gold\""));
	assert_int_equal(python_status(text, "Get.reply"), 0);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		reply = calloc(1, strlen(text) + 16);
		at = strstr(text, wrong[i][0]);
		assert_non_null(at);
		sprintf(reply, "%.*s%s%s", (int)(at - text), text, wrong[i][1],
		    at + strlen(wrong[i][0]));
		assert_int_equal(python_status(reply, "Get.reply"), 1);
		free(reply);
	}
	free(text);
	close(clients[0]);
	close(clients[1]);
	suite_pass(s);
}

static void
test_select(void **state)
{
	static const struct {
		const char *call;
		const char *has, *lacks;
	} rows[] = {
		{ GET("guest", "vm0"), NAMED("vm0"), NAMED("vm1") },
		{ GET("guest", "vm0"), NAMED("default"), NAMED("dry") },
		{ GET("guest", "vm1"), "\"kind\":\"guest\"", NAMED("local") },
		{ GET("service", "local"), NAMED("local"), NAMED("vm0") },
		{ GET("service", "stream:lan"), NAMED("lan"), NAMED("local") },
		{ GET("pool", "dry"), NAMED("thirsty"), NAMED("default") },
		{ GET("guest", "vm7"),
		    ERROR("io.vrngd.Status.UnknownGuest", "guest", "vm7"),
		    NAMED("vm0") },
		{ GET("guests", "vm0"),
		    ERROR("org.varlink.service.InvalidParameter", "parameter",
			"guests"),
		    NAMED("vm0") },
		{ "{\"method\":\"org.varlink.service.GetInfo\"}",
		    "\"io.vrngd.Status\"]}}", "error" },
	};
	struct suite *s = *state;
	char *reply;

	start(s);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		reply = status_call(s, rows[i].call);
		assert_non_null(reply);
		json_object_put(json_tokener_parse(reply));
		if (strstr(reply, rows[i].has) == NULL ||
		    strstr(reply, rows[i].lacks) != NULL)
			fail_msg("%s: %s", rows[i].call, reply);
		free(reply);
	}
	suite_pass(s);
}

#define MONITOR "{\"method\":\"io.vrngd.Status.Monitor\",\"more\":true}"
#define FIRST	"{\"parameters\":{\"event\":null,\"lost\":0},\"continues\":true}"

/* A connection that monitors. */
static int
monitor(struct suite *s)
{
	int fd = status_join(s, "status", SOCK_STREAM);
	char *reply;

	assert_int_not_equal(fd, -1);
	assert_int_equal(send(fd, MONITOR, sizeof(MONITOR), MSG_NOSIGNAL),
	    sizeof(MONITOR));
	reply = status_reply(fd);
	assert_non_null(reply);
	assert_string_equal(reply, FIRST);
	free(reply);
	return fd;
}

/* Waits for a reply with a text in it; to be freed. */
static char *
await_event(int fd, const char *part)
{
	char *reply;

	for (;;) {
		reply = status_reply(fd);
		assert_non_null(reply);
		if (strstr(reply, part) != NULL)
			return reply;
		free(reply);
	}
}

/* Events of a source that is unplugged, of a guest and of an operator. */
static void
test_monitor(void **state)
{
	static const char *const parts[] = { "\"event\":\"source_lost\"",
		"\"event\":\"pool_starved\"", "\"event\":\"connected\"",
		"\"event\":\"guest_added\"", "\"event\":\"reload_refused\"" };
	struct suite *s = *state;
	char out[1024], *reply, *text;
	int fd, tty = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);

	assert_int_not_equal(tty, -1);
	CHECK(grantpt(tty));
	CHECK(unlockpt(tty));
	admin_conf(s, "w",
	    "pool \"default\" { source \"plug\" { type = serial\n"
	    "path = \"%s\" } }\n",
	    ptsname(tty));
	admin_conf_guest(s, "vm0", "");
	admin_start(s);
	/* The second one joins while events are gathered already. */
	fd = monitor(s);
	close(fd);
	fd = monitor(s);
	close(monitor(s));
	/* The device is unplugged. */
	close(tty);
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		if (i == 2)
			suite_up_qemu(s, &s->fe, "vm0");
		if (i == 3)
			assert_int_equal(
			    admin_ctl(s, out, sizeof(out),
				"guest add new --socket %s/new.sock", s->d.dir),
			    0);
		if (i == 4) {
			admin_conf(s, "w", "nonsense\n");
			assert_int_equal(
			    admin_ctl(s, out, sizeof(out), "reload"), 1);
		}
		reply = await_event(fd, parts[i]);
		text = parameters(reply);
		if (python_status(text, "Monitor.reply") != 127)
			assert_int_equal(python_status(text, "Monitor.reply"),
			    0);
		assert_non_null(strstr(text,
		    i < 2	 ? "\"pool\":\"default\""
			: i == 2 ? "\"guest\":\"vm0\""
			: i == 3 ? "\"guest\":\"new\""
				 : "\"level\":\"error\""));
		free(text);
		free(reply);
	}
	fe_close(&s->fe);
	free(await_event(fd, "\"event\":\"disconnected\""));
	assert_true(status_answers(s, STATUS_GET, "\"disconnected\":1,"));
	close(fd);
	suite_pass(s);
}

/* Causes events: as many as an operator's commands. */
static void
cause_events(struct suite *s, int n)
{
	char out[1024];

	for (int i = 0; i < n; i++)
		assert_int_equal(admin_ctl(s, out, sizeof(out), "log info"), 0);
}

/*
 * As many clients as may be, one of which does not read and one of which is
 * closed half way: the others receive each event, and guests are served.
 */
static void
test_many(void **state)
{
	struct suite *s = *state;
	const size_t most = geteuid() == 0 ? 64 : 8;
	int fds[64], small = 1;
	char *reply;

	start(s);
	for (size_t i = 0; i < most; i++)
		fds[i] = monitor(s);
	CHECK(setsockopt(fds[0], SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)));
	reply = status_call(s, MONITOR);
	assert_non_null(reply);
	assert_non_null(strstr(reply, "io.vrngd.Status.TooManyMonitors"));
	free(reply);
	for (int round = 0; round < 5; round++) {
		cause_events(s, 4);
		suite_served(&s->fe);
		assert_true(status_answers(s, STATUS_GET, "\"pools\""));
		for (size_t i = 1; i < most; i++)
			for (int k = 0; k < 4 && fds[i] != -1; k++) {
				reply = await_event(fds[i], "log level");
				assert_non_null(strstr(reply, "\"lost\":0}"));
				free(reply);
			}
		if (round == 2) {
			close(fds[1]);
			fds[1] = -1;
		}
	}
	for (size_t i = 0; i < most; i++)
		if (fds[i] != -1)
			close(fds[i]);
	suite_pass(s);
}

/* The end of the status process ends monitors, and they come back. */
static void
test_restart(void **state)
{
	struct suite *s = *state;
	char *reply;
	pid_t pid;
	int fd;

	start(s);
	fd = monitor(s);
	pid = daemon_child_wait(&s->d, "vrngd-status", NULL, FE_TIMEOUT_MS);
	assert_true(pid > 0);
	CHECK(kill(pid, SIGKILL));
	while ((reply = status_reply(fd)) != NULL)
		free(reply);
	close(fd);
	suite_served(&s->fe);
	CHECK(daemon_log_wait(&s->d, "vrngd-status (pid", 1, FE_TIMEOUT_MS));
	fd = monitor(s);
	cause_events(s, 1);
	free(await_event(fd, "log level"));
	close(fd);
	/* A process that stands still delays no guest; it may be replaced. */
	fd = monitor(s);
	pid = daemon_child_wait(&s->d, "vrngd-status", NULL, FE_TIMEOUT_MS);
	CHECK(kill(pid, SIGSTOP));
	cause_events(s, 50);
	suite_served(&s->fe);
	if (kill(pid, SIGCONT) == -1)
		assert_int_equal(errno, ESRCH);
	while ((reply = status_reply(fd)) != NULL &&
	    strstr(reply, "log level") == NULL)
		free(reply);
	free(reply);
	close(fd);
	close(monitor(s));
	suite_pass(s);
}

/* vrngctl prints them until the daemon ends. */
static void
test_vrngctl(void **state)
{
	struct suite *s = *state;
	const char *status;
	const char *vrngctl = getenv("VRNGCTL");
	char line[4096];
	int fds[2], wstatus;
	pid_t pid;
	FILE *f;

	start(s);
	status = daemon_path(&s->d, "status");
	CHECK(pipe2(fds, O_CLOEXEC));
	pid = fork();
	assert_int_not_equal(pid, -1);
	if (pid == 0) {
		if (dup2(fds[1], STDOUT_FILENO) == -1 ||
		    dup2(fds[1], STDERR_FILENO) == -1 || vrngctl == NULL)
			_exit(99);
		execl(vrngctl, "vrngctl", "--status", status, "monitor", NULL);
		_exit(99);
	}
	close(fds[1]);
	f = fdopen(fds[0], "r");
	assert_non_null(f);
	do {
		cause_events(s, 1);
	} while (poll(&(struct pollfd){ .fd = fds[0], .events = POLLIN }, 1,
		     100) == 0);
	assert_non_null(fgets(line, sizeof(line), f));
	assert_non_null(
	    strstr(line, "Z info controlled: control: log level, by pid "));
	assert_int_equal(daemon_stop(&s->d, SIGTERM), 0);
	while (fgets(line, sizeof(line), f) != NULL)
		if (strncmp(line, "vrngctl: ", 9) == 0)
			break;
	assert_non_null(strstr(line, "closed the connection"));
	fclose(f);
	assert_int_equal(waitpid(pid, &wstatus, 0), pid);
	assert_true(WIFEXITED(wstatus));
	assert_int_equal(WEXITSTATUS(wstatus), 3);
	suite_pass(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SUITE_EMPTY(test_types),
		SUITE_EMPTY(test_select),
		SUITE_EMPTY(test_monitor),
		SUITE_EMPTY(test_many),
		SUITE_EMPTY(test_restart),
		SUITE_EMPTY(test_vrngctl),
	};

	return SUITE_MAIN("varlink", tests);
}
