/*
 * The control socket: frames that are in order and frames that are not, who
 * may do what, and clients that do not behave.
 */
/* Nothing in a frame is left to chance: no compiler adds bytes to it. */
#pragma GCC diagnostic push
#pragma GCC diagnostic error "-Wpadded"
#include "common/control_proto.h"
#pragma GCC diagnostic pop

#include "unit/unit.h"

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sys/mman.h>

#include "parent/control/control_check.h"
#include "unit/control/control_server.h"

static int
client_connect(const struct server *s)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	assert_int_not_equal(fd, -1);
	strlcpy(sun.sun_path, s->path, sizeof(sun.sun_path));
	assert_int_equal(connect(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	return fd;
}

static struct control_request
request(enum control_command command, const char *name)
{
	struct control_request req = {
		.version = CONTROL_VERSION,
		.command = command,
	};

	strlcpy(req.name, name, sizeof(req.name));
	strlcpy(req.socket, "/run/s", sizeof(req.socket));
	return req;
}

static void
client_send(int fd, const struct control_request *req, size_t size)
{
	assert_int_equal(send(fd, req, size, MSG_NOSIGNAL), size);
}

/* The next answer; false if the connection has ended. */
static bool
client_next(int fd, struct control_reply *reply)
{
	ssize_t n = recv(fd, reply, sizeof(*reply), MSG_TRUNC);

	/* The server closed without having read all. */
	if (n == -1 && errno == ECONNRESET)
		n = recv(fd, reply, sizeof(*reply), MSG_TRUNC);
	if (n <= 0)
		return false;
	assert_int_equal(n,
	    offsetof(struct control_reply, text) + strlen(reply->text) + 1);
	assert_int_equal(reply->version, CONTROL_VERSION);
	return true;
}

/* Reads an answer: returns its error, and the text, which is one line. */
static int
client_answer(int fd, char text[CONTROL_TEXT_SIZE])
{
	static struct control_reply reply;

	assert_true(client_next(fd, &reply));
	strlcpy(text, reply.text, CONTROL_TEXT_SIZE);
	if (text[0] != '\0')
		assert_int_equal(text[strlen(text) - 1], '\n');
	text[strcspn(text, "\n")] = '\0';
	return reply.error;
}

static int
client_ask(int fd, const struct control_request *req,
    char text[CONTROL_TEXT_SIZE])
{
	client_send(fd, req, sizeof(*req));
	return client_answer(fd, text);
}

/* Whether the server still serves. */
static void
check_served(const struct server *s)
{
	const struct control_request req = request(CONTROL_LOG_LEVEL, "");
	char text[CONTROL_TEXT_SIZE];
	int fd = client_connect(s);

	assert_int_equal(client_ask(fd, &req, text), 0);
	assert_string_equal(text, "level 0");
	close(fd);
}

/* How many descriptors the server has, with the one for this question. */
static int
server_fds(const struct server *s)
{
	const struct control_request req = request(CONTROL_GUEST_REMOVE, "fds");
	char text[CONTROL_TEXT_SIZE];
	int fd = client_connect(s);

	assert_int_equal(client_ask(fd, &req, text), 0);
	close(fd);
	return atoi(text);
}

/* Waits until it has `n`: processes that close connections end soon. */
static void
check_fds(const struct server *s, int n)
{
	for (int i = 0; i < 500 && server_fds(s) != n; i++)
		usleep(10000);
	assert_int_equal(server_fds(s), n);
}

static void
test_changes(void **state)
{
	struct control_request req = request(CONTROL_GUEST_ADD, "vm9");
	struct server s = { .errors = 20 };
	char text[CONTROL_TEXT_SIZE];
	int fd;

	(void)state;
	server_start(&s);
	fd = client_connect(&s);
	assert_int_equal(client_ask(fd, &req, text), 0);
	assert_string_equal(text, "vm9 /run/s '' ''");
	strlcpy(req.class, "gold", sizeof(req.class));
	strlcpy(req.pool, "default", sizeof(req.pool));
	assert_int_equal(client_ask(fd, &req, text), 0);
	assert_string_equal(text, "vm9 /run/s 'gold' 'default'");
	req = request(CONTROL_GUEST_ADD, "taken");
	assert_int_equal(client_ask(fd, &req, text), EEXIST);
	assert_string_equal(text, "guest taken: there is one of that name");
	req = request(CONTROL_GUEST_REMOVE, "vm9");
	assert_int_equal(client_ask(fd, &req, text), ENOENT);
	assert_string_equal(text, "");
	req = request(CONTROL_SOURCE_RETEST, "both");
	assert_int_equal(client_ask(fd, &req, text), EEXIST);
	assert_non_null(strstr(text, "pools default and slow"));
	strlcpy(req.pool, "slow", sizeof(req.pool));
	assert_int_equal(client_ask(fd, &req, text), 0);
	assert_string_equal(text, "");
	req = request(CONTROL_SOURCE_RETEST, "hwrng");
	assert_int_equal(client_ask(fd, &req, text), ENOENT);
	req = request(CONTROL_LOG_LEVEL, "");
	req.log_level = LOG_LEVEL_DEBUG;
	assert_int_equal(client_ask(fd, &req, text), 0);
	assert_string_equal(text, "level 3");
	req = request(CONTROL_RELOAD, "");
	client_send(fd, &req, sizeof(req));
	assert_int_equal(client_answer(fd, text), EINVAL);
	assert_string_equal(text, "vrngd.conf:1: unknown key 'rat' (rate?)");
	close(fd);
	server_stop(&s);
}

/* A frame that is refused with `error`; the connection ends, others not. */
static void
check_refused(const struct server *s, const struct control_request *req,
    size_t size, int error)
{
	struct control_reply reply;
	char text[CONTROL_TEXT_SIZE];
	int fd = client_connect(s);

	client_send(fd, req, size);
	assert_int_equal(client_answer(fd, text), error);
	assert_string_not_equal(text, "");
	assert_false(client_next(fd, &reply));
	close(fd);
}

static void
test_sizes(void **state)
{
	struct {
		struct control_request req;
		char more[65536];
	} frame = { .req = request(CONTROL_RELOAD, "") };
	const size_t sizes[] = { 1, 3, 4, 16, sizeof(frame.req) - 1,
		sizeof(frame.req) + 1, sizeof(frame.req) * 2, sizeof(frame) };
	struct server s = { 0 };

	(void)state;
	server_start(&s);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		check_refused(&s, &frame.req, sizes[i], EBADMSG);
	check_served(&s);
	server_stop(&s);
}

static void
test_versions(void **state)
{
	struct control_request req = request(CONTROL_RELOAD, "");
	struct server s = { 0 };

	(void)state;
	server_start(&s);
	req.version = CONTROL_VERSION + 1;
	check_refused(&s, &req, sizeof(req), EPROTONOSUPPORT);
	check_refused(&s, &req, sizeof(req.version), EPROTONOSUPPORT);
	req.version = 0;
	check_refused(&s, &req, sizeof(req) - 8, EPROTONOSUPPORT);
	check_served(&s);
	server_stop(&s);
}

static void
test_strings(void **state)
{
	struct control_request req;
	struct server s = { 0 };
	char *const strings[] = { req.name, req.class, req.pool, req.socket };
	const size_t sizes[] = { sizeof(req.name), sizeof(req.class),
		sizeof(req.pool), sizeof(req.socket) };

	(void)state;
	server_start(&s);
	for (size_t i = 0; i < 4; i++) {
		req = request(CONTROL_GUEST_ADD, "vm9");
		memset(strings[i], 'x', sizes[i]);
		strings[i][0] = i == 3 ? '/' : 'x';
		check_refused(&s, &req, sizeof(req), EBADMSG);
		req.command = CONTROL_SOURCE_RETEST;
		check_refused(&s, &req, sizeof(req), EBADMSG);
	}
	check_served(&s);
	server_stop(&s);
}

/* What control_check() says, without any socket. */
static void
test_check(void **state)
{
	const struct {
		uint32_t command;
		const char *name;
		const char *socket;
		uint32_t level;
		int error;
	} rows[] = {
		{ CONTROL_RELOAD, "", "", 0, 0 },
		{ CONTROL_GUEST_ADD, "vm", "/s", 0, 0 },
		{ CONTROL_GUEST_ADD, "", "/s", 0, EINVAL },
		{ CONTROL_GUEST_ADD, "vm", "s", 0, EINVAL },
		{ CONTROL_GUEST_ADD, "vm", "", 0, EINVAL },
		{ CONTROL_GUEST_ADD, "vm", "/s\n", 0, EINVAL },
		{ CONTROL_GUEST_ADD, "v m", "/s", 0, EBADMSG },
		{ CONTROL_GUEST_ADD, "v/m", "/s", 0, EBADMSG },
		{ CONTROL_GUEST_ADD, "v\xe4", "/s", 0, EBADMSG },
		{ CONTROL_GUEST_REMOVE, "a.b_c-D9", "", 0, 0 },
		{ CONTROL_GUEST_REMOVE, "", "", 0, EINVAL },
		{ CONTROL_LOG_LEVEL, "", "", LOG_LEVEL_DEBUG, 0 },
		{ CONTROL_LOG_LEVEL, "", "", LOG_LEVEL_DEBUG + 1, EINVAL },
		{ CONTROL_LOG_LEVEL, "", "", UINT32_MAX, EINVAL },
		{ CONTROL_SOURCE_RETEST, "a.b_c-D9", "", 0, 0 },
		{ CONTROL_SOURCE_RETEST, "", "", 0, EINVAL },
		{ CONTROL_SOURCE_RETEST, "h w", "", 0, EBADMSG },
		{ 0, "", "", 0, EINVAL },
		{ CONTROL_GUEST_ADOPT, "vm", "", 0, 0 },
		{ CONTROL_GUEST_ADOPT, "", "/s", 0, EINVAL },
		{ CONTROL_GUEST_ADOPT, "v:m", "", 0, EBADMSG },
		{ CONTROL_RELOAD_DRY_RUN, "", "", 0, 0 },
		{ CONTROL_RELOAD_DRY_RUN + 1, "", "", 0, EINVAL },
		{ UINT32_MAX, "", "", 0, EINVAL },
	};
	struct control_request req;
	const char *why;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		req = request(CONTROL_RELOAD, rows[i].name);
		req.command = rows[i].command;
		req.log_level = rows[i].level;
		strlcpy(req.socket, rows[i].socket, sizeof(req.socket));
		assert_int_equal(control_check(&req, sizeof(req), &why),
		    rows[i].error);
		assert_true(rows[i].error == 0 || why != NULL);
	}
}

static void
test_unknown_command(void **state)
{
	struct control_request req = request(CONTROL_RELOAD, "");
	struct server s = { 0 };

	(void)state;
	server_start(&s);
	req.command = 99;
	check_refused(&s, &req, sizeof(req), EINVAL);
	server_stop(&s);
}

/* Becomes a user and asks for a change. */
static int
ask_as(const struct server *s, uid_t uid, gid_t gid)
{
	const struct control_request req = request(CONTROL_LOG_LEVEL, "");
	char text[CONTROL_TEXT_SIZE];
	int status;
	pid_t pid;

	pid = fork();
	assert_int_not_equal(pid, -1);
	if (pid == 0) {
		alarm(20);
		if (setgroups(0, NULL) == -1 ||
		    setresgid(gid, gid, gid) == -1 ||
		    setresuid(uid, uid, uid) == -1)
			_exit(255);
		_exit(client_ask(client_connect(s), &req, text));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* Root may do everything, all others nothing, even if they can connect. */
static void
test_rights(void **state)
{
	struct server s = { .open = true };

	(void)state;
	if (geteuid() != 0)
		program_skip("other users are tried as root");
	server_start(&s);
	assert_int_equal(ask_as(&s, 1234, 77), EACCES);
	assert_int_equal(ask_as(&s, 1234, 0), EACCES);
	assert_int_equal(ask_as(&s, 0, 77), 0);
	server_stop(&s);
}

/* Requests sent ahead are answered one after the other. */
static void
test_ahead(void **state)
{
	struct control_request req = request(CONTROL_LOG_LEVEL, "");
	char text[CONTROL_TEXT_SIZE];
	struct server s = { 0 };
	int fd;

	(void)state;
	server_start(&s);
	fd = client_connect(&s);
	for (req.log_level = 0; req.log_level < 4; req.log_level++)
		client_send(fd, &req, sizeof(req));
	check_served(&s);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(client_answer(fd, text), 0);
		assert_int_equal(text[6], '0' + i);
	}
	close(fd);
	server_stop(&s);
}

/* A client that reads no answer is closed, and does not affect others. */
static void
test_stalled(void **state)
{
	const struct control_request req = request(CONTROL_RELOAD, "");
	struct server s = { .errors = 1000 };
	static struct control_reply reply;
	size_t answers = 0;
	int fd, before;

	(void)state;
	server_start(&s);
	before = server_fds(&s);
	fd = client_connect(&s);
	for (int i = 0; i < 8; i++)
		client_send(fd, &req, sizeof(req));
	check_served(&s);
	check_fds(&s, before);
	while (client_next(fd, &reply))
		answers++;
	assert_in_range(answers, 1, 7);
	close(fd);
	server_stop(&s);
}

/* More lines than fit are in the log. */
static void
test_too_long(void **state)
{
	const struct control_request req = request(CONTROL_RELOAD, "");
	struct server s = { .errors = 3000 };
	static struct control_reply reply;
	int fd;

	(void)state;
	server_start(&s);
	fd = client_connect(&s);
	for (int i = 0; i < 2; i++) {
		client_send(fd, &req, sizeof(req));
		assert_true(client_next(fd, &reply));
		assert_int_equal(reply.error, EINVAL);
		assert_in_range(strlen(reply.text), CONTROL_TEXT_SIZE - 100,
		    CONTROL_TEXT_SIZE - 1);
		assert_non_null(strstr(reply.text,
		    "\nvrngd.conf:1000: unknown key 'rat' (rate?)\n"));
		assert_non_null(strstr(reply.text,
		    "?)\n(truncated: see the log for the rest)\n"));
	}
	close(fd);
	server_stop(&s);
}

/* Idle clients make way, the oldest first. */
static void
test_many(void **state)
{
	const struct control_request req = request(CONTROL_LOG_LEVEL, "");
	struct server s = { 0 };
	struct control_reply reply;
	char text[CONTROL_TEXT_SIZE];
	int fds[100];

	(void)state;
	server_start(&s);
	for (size_t i = 0; i < 100; i++)
		fds[i] = client_connect(&s);
	for (size_t i = 100 - CONTROL_CLIENTS_MAX; i < 100; i++)
		assert_int_equal(client_ask(fds[i], &req, text), 0);
	for (size_t i = 0; i < 100 - CONTROL_CLIENTS_MAX; i++)
		assert_false(client_next(fds[i], &reply));
	check_served(&s);
	for (size_t i = 0; i < 100; i++)
		close(fds[i]);
	check_served(&s);
	server_stop(&s);
}

/* Clients that go at any time leave nothing behind. */
static void
test_disconnects(void **state)
{
	struct control_request req;
	struct control_reply reply;
	struct server s = { .errors = 1000 };
	int before, fd;

	(void)state;
	server_start(&s);
	before = server_fds(&s);
	for (int i = 0; i < 200; i++) {
		fd = client_connect(&s);
		req = request(i % 3 == 0 ? CONTROL_GUEST_ADD : CONTROL_RELOAD,
		    "vm");
		if (i % 5 != 0)
			client_send(fd, &req, sizeof(req));
		if (i % 5 > 2)
			assert_true(client_next(fd, &reply));
		close(fd);
	}
	check_served(&s);
	check_fds(&s, before);
	server_stop(&s);
}

#define FDS_MAX 200

/* Asks with `n` times the same descriptor. */
static int
ask_with(int conn, const struct control_request *req, int fd, size_t n,
    char text[CONTROL_TEXT_SIZE])
{
	union {
		char buf[CMSG_SPACE(FDS_MAX * sizeof(int))];
		struct cmsghdr align;
	} control = { .buf = { 0 } };
	struct iovec iov = { .iov_base = (void *)(uintptr_t)req,
		.iov_len = sizeof(*req) };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = CMSG_SPACE(n * sizeof(int)),
	};
	struct cmsghdr *cmsg = &control.align;

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(n * sizeof(int));
	for (size_t i = 0; i < n; i++)
		memcpy(CMSG_DATA(cmsg) + i * sizeof(int), &fd, sizeof(int));
	assert_int_equal(sendmsg(conn, &msg, 0), sizeof(*req));
	return client_answer(conn, text);
}

/* What comes with a request that has no use for it ends the connection. */
static void
test_descriptors(void **state)
{
	struct control_request req = request(CONTROL_LOG_LEVEL, "");
	static const size_t numbers[] = { 1, FDS_MAX };
	struct control_reply reply;
	char text[CONTROL_TEXT_SIZE];
	struct server s = { 0 };
	int before, fd;

	(void)state;
	server_start(&s);
	before = server_fds(&s);
	for (size_t i = 0; i < 4; i++) {
		fd = client_connect(&s);
		req.version = CONTROL_VERSION + (i < 2 ? 0 : 1);
		assert_int_equal(
		    ask_with(fd, &req, STDIN_FILENO, numbers[i % 2], text),
		    i < 2 ? 0 : EPROTONOSUPPORT);
		assert_false(client_next(fd, &reply));
		close(fd);
	}
	check_fds(&s, before);
	server_stop(&s);
}

/* A socket that listens, at a path that is removed again. */
static int
make_listener(const char *path)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strlcpy(sun.sun_path, path, sizeof(sun.sun_path));
	assert_int_equal(bind(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(unlink(path), 0);
	return fd;
}

/* A listener is handed on; one, no other number of them, and nothing else. */
static void
test_adopt(void **state)
{
	struct control_request req = request(CONTROL_GUEST_ADOPT, "vm9");
	static const size_t wrong[] = { 2, 3, 4, 5, FDS_MAX };
	char text[CONTROL_TEXT_SIZE], path[80], expected[120];
	struct server s = { 0 };
	int before, conn, fd;

	(void)state;
	strlcpy(req.class, "gold", sizeof(req.class));
	server_start(&s);
	before = server_fds(&s);
	snprintf(path, sizeof(path), "%s/listener", s.dir);
	snprintf(expected, sizeof(expected), "vm9 %s 'gold' ''", path);
	fd = make_listener(path);
	conn = client_connect(&s);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(ask_with(conn, &req, fd, 1, text), 0);
		assert_string_equal(text, expected);
	}
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(ask_with(conn, &req, fd, wrong[i], text),
		    EINVAL);
	assert_int_equal(ask_with(conn, &req, STDIN_FILENO, 1, text), EINVAL);
	assert_int_equal(ask_with(conn, &req, conn, 1, text), EINVAL);
	assert_int_equal(client_ask(conn, &req, text), EINVAL);
	assert_non_null(strstr(text, "no socket"));
	assert_int_equal(ask_with(conn, &req, fd, 1, text), 0);
	check_fds(&s, before + 1);
	close(conn);
	close(fd);
	server_stop(&s);
}

static long
server_switches(const struct server *s)
{
	char path[64], line[128];
	long n = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", s->pid);
	f = fopen(path, "re");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f) != NULL)
		sscanf(line, "voluntary_ctxt_switches: %ld", &n);
	fclose(f);
	return n;
}

/* Clients that want nothing do not wake the server up. */
static void
test_idle(void **state)
{
	struct server s = { 0 };
	int fds[20];
	long before;

	(void)state;
	server_start(&s);
	for (size_t i = 0; i < 20; i++)
		fds[i] = client_connect(&s);
	check_served(&s);
	usleep(100000);
	before = server_switches(&s);
	usleep(500000);
	assert_int_equal(server_switches(&s), before);
	for (size_t i = 0; i < 20; i++)
		close(fds[i]);
	server_stop(&s);
}

static int
open_at(const char *path, struct control *ctl, sd_event *event)
{
	return control_open(ctl, event, path, (uid_t)-1, fake_handle, NULL);
}

/* Which files may be in the way, and what the socket looks like. */
static void
test_file(void **state)
{
	char dir[] = "/tmp/control-XXXXXX", path[64], longer[200];
	struct control ctl, second;
	sd_event *event;
	struct stat st;

	(void)state;
	log_open(fake_log, NULL);
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/control", dir);
	assert_int_equal(sd_event_new(&event), 0);
	assert_int_equal(open_at(path, &ctl, event), 0);
	assert_int_equal(lstat(path, &st), 0);
	assert_int_equal(st.st_mode, S_IFSOCK | 0600);
	/* Another process listens there. */
	assert_int_equal(open_at(path, &second, event), -1);
	control_close(&second);
	assert_int_equal(lstat(path, &st), 0);
	/* No process does: closed without control_close(). */
	ctl.listener.ino = 0;
	control_close(&ctl);
	/* The listener is closed in the next round of the loop. */
	assert_true(sd_event_run(event, UINT64_MAX) >= 0);
	assert_int_equal(lstat(path, &st), 0);
	/* The process that closed it ends soon. */
	for (int i = 0; open_at(path, &ctl, event) == -1; i++) {
		control_close(&ctl);
		assert_true(i < 500);
		usleep(10000);
	}
	control_close(&ctl);
	assert_int_equal(lstat(path, &st), -1);
	/* Not a socket. */
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(open_at(path, &ctl, event), -1);
	assert_int_equal(rmdir(path), 0);
	memset(longer, 'x', sizeof(longer));
	longer[sizeof(longer) - 1] = '\0';
	assert_int_equal(open_at(longer, &ctl, event), -1);
	sd_event_unref(event);
	assert_int_equal(rmdir(dir), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_changes),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_versions),
		cmocka_unit_test(test_strings),
		cmocka_unit_test(test_check),
		cmocka_unit_test(test_unknown_command),
		cmocka_unit_test(test_rights),
		cmocka_unit_test(test_ahead),
		cmocka_unit_test(test_stalled),
		cmocka_unit_test(test_too_long),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_disconnects),
		cmocka_unit_test(test_descriptors),
		cmocka_unit_test(test_adopt),
		cmocka_unit_test(test_idle),
		cmocka_unit_test(test_file),
	};

	return UNIT_MAIN("control", tests);
}
