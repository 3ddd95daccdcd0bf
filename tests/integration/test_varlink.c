/*
 * The interface io.vrngd.Status of a running daemon: that its answers are as
 * the file of the interface describes them, and that parameters select.
 */
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <poll.h>
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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SUITE_EMPTY(test_types),
		SUITE_EMPTY(test_select),
	};

	return SUITE_MAIN("varlink", tests);
}
