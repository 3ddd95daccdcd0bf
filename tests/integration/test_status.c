/*
 * The status process: its answers and its clients, and that its clients,
 * death and hangs do not affect others.
 */
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/control_proto.h"
#include "integration/admin.h"
#include "integration/hostile.h"
#include "integration/lingering.h"
#include "integration/old_kernel.h"
#include "integration/peer.h"
#include "integration/status_client.h"

#define ROLE_STATUS "vrngd-status"
#define GET	    STATUS_GET
#define HOSTILE	    40 /* connections at once */
/* ms in which others are answered while a client blocks it */
#define QUICK_MS (5000 * test_patience())

static void
start(struct suite *s)
{
	admin_conf(s, "w",
	    "pool \"default\" { source \"kernel\" { type = kernel } }\n");
	admin_conf_guest(s, "vm0", "");
	admin_conf_guest(s, "vm1", "");
	admin_start(s);
	suite_up_qemu(s, &s->fe, "vm0");
}

static void
test_get(void **state)
{
	struct suite *s = *state;
	struct stat st;

	start(s);
	assert_true(status_answers(s, GET,
	    "{\"parameters\":{\"status\":{\"schema\":1,"));
	assert_true(status_answers(s, GET, "\"name\":\"vm0\""));
	assert_true(status_answers(s, "{\"method\":\"x.y\"}",
	    "{\"error\":\"org.varlink.service.MethodNotFound\","
	    "\"parameters\":{\"method\":\"x.y\"}}"));
	assert_null(status_call(s, "{"));
	assert_null(status_call(s, "[]"));
	CHECK(stat(daemon_path(&s->d, "status"), &st));
	assert_int_equal(st.st_mode, S_IFSOCK | 0600);
	CHECK(stat(daemon_path(&s->d, "control"), &st));
	assert_int_equal(st.st_mode, S_IFSOCK | 0600);
	suite_served(&s->fe);
	/* It removes its socket when it ends. */
	assert_int_equal(daemon_stop(&s->d, SIGTERM), 0);
	assert_int_equal(access(daemon_path(&s->d, "status"), F_OK), -1);
	suite_pass(s);
}

/* A status requested after a change shows it, at any rate. */
static void
test_fresh(void **state)
{
	struct suite *s = *state;
	char out[16384], name[32];

	start(s);
	for (int i = 0; i < 15; i++) {
		assert_int_equal(admin_ctl(s, out, sizeof(out),
				     "guest add new%d --socket %s/new%d.sock",
				     i, s->d.dir, i),
		    0);
		snprintf(name, sizeof(name), "\"name\":\"new%d\"", i);
		assert_true(status_answers(s, GET, name));
	}
	suite_pass(s);
}

/* Guests do not notice that it is killed; another one serves soon. */
static void
test_killed(void **state)
{
	struct suite *s = *state;
	pid_t pid, next;

	start(s);
	for (int i = 0; i < 5; i++) {
		assert_true(status_answers(s, GET, "\"pools\""));
		pid =
		    daemon_child_wait(&s->d, ROLE_STATUS, NULL, FE_TIMEOUT_MS);
		assert_true(pid > 0);
		CHECK(kill(pid, SIGKILL));
		suite_served(&s->fe);
		CHECK(daemon_log_wait(&s->d, "vrngd-status (pid", (size_t)i + 1,
		    FE_TIMEOUT_MS));
		next =
		    daemon_child_wait(&s->d, ROLE_STATUS, NULL, FE_TIMEOUT_MS);
		assert_true(next > 0 && next != pid);
	}
	assert_true(status_answers(s, GET, "\"pools\""));
	suite_pass(s);
}

/* While it stands still all goes on, but for the status. */
static void
test_stopped(void **state)
{
	struct suite *s = *state;
	char out[16384];
	pid_t pid;
	int fd;

	start(s);
	pid = daemon_child_wait(&s->d, ROLE_STATUS, NULL, FE_TIMEOUT_MS);
	assert_true(status_answers(s, GET, "\"pools\""));
	CHECK(kill(pid, SIGSTOP));
	fd = status_join(s, "status", SOCK_STREAM);
	assert_int_equal(send(fd, GET, sizeof(GET), MSG_NOSIGNAL), sizeof(GET));
	for (int i = 0; i < 20; i++)
		suite_served(&s->fe);
	suite_up_qemu(s, &s->other, "vm1");
	suite_served(&s->other);
	assert_int_equal(admin_ctl(s, out, sizeof(out), "reload"), 0);
	assert_int_equal(admin_ctl(s, out, sizeof(out), "log info"), 0);
	CHECK(kill(pid, SIGCONT));
	assert_int_equal(recv(fd, out, 1, 0), 1);
	close(fd);
	assert_true(status_answers(s, GET, "\"pools\""));
	suite_pass(s);
}

/* Clients that send garbage, read nothing, or are many, and stay. */
static void
test_hostile(void **state)
{
	static char garbage[65536];
	struct suite *s = *state;
	int fds[HOSTILE * 2];
	char out[16384];

	start(s);
	memset(garbage, '{', sizeof(garbage));
	for (int round = 0; round < 5; round++) {
		for (size_t i = 0; i < HOSTILE * 2; i++) {
			fds[i] = status_join(s, "status", SOCK_STREAM);
			assert_int_not_equal(fds[i], -1);
			if (i % 4 == 0)
				send(fds[i], garbage, sizeof(garbage),
				    MSG_NOSIGNAL | MSG_DONTWAIT);
			else if (i % 4 == 1)
				send(fds[i], GET GET, sizeof(GET GET),
				    MSG_NOSIGNAL);
			else if (i % 4 == 2)
				for (int k = 0; k < 100; k++)
					send(fds[i], GET, sizeof(GET),
					    MSG_NOSIGNAL | MSG_DONTWAIT);
		}
		suite_served(&s->fe);
		for (size_t i = 0; i < HOSTILE * 2; i += 3) {
			close(fds[i]);
			fds[i] = -1;
		}
		assert_int_equal(admin_ctl(s, out, sizeof(out), "status"), 0);
		suite_served(&s->fe);
		for (size_t i = 0; i < HOSTILE * 2; i++)
			if (fds[i] != -1)
				close(fds[i]);
	}
	assert_int_equal(daemon_log_count(&s->d, "died of"), 0);
	suite_pass(s);
}

/* Sends bytes with a descriptor.  Returns what sendmsg(2) does. */
static ssize_t
send_with(int conn, const void *bytes, size_t size, int fd)
{
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr first;
	} place = { .first = { .cmsg_len = CMSG_LEN(sizeof(int)),
			.cmsg_level = SOL_SOCKET,
			.cmsg_type = SCM_RIGHTS } };
	struct iovec iov = { .iov_base = (void *)(uintptr_t)bytes,
		.iov_len = size };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = place.buf,
		.msg_controllen = sizeof(place.buf),
	};

	memcpy(CMSG_DATA(&place.first), &fd, sizeof(fd));
	return sendmsg(conn, &msg, MSG_NOSIGNAL);
}

/* Descriptors are refused by the kernel or thrown away by it. */
static void
test_descriptors(void **state)
{
	struct suite *s = *state;
	int conn, ends[2], before;
	struct pollfd pfd;
	char c;

	start(s);
	assert_true(status_answers(s, GET, "\"pools\""));
	before = proc_fds(daemon_child(&s->d, ROLE_STATUS, NULL));
	conn = status_join(s, "status", SOCK_STREAM);
	CHECK(pipe2(ends, O_CLOEXEC));
	if (send_with(conn, GET, sizeof(GET), ends[1]) == -1)
		assert_int_equal(errno, EPERM);
	close(ends[1]);
	pfd = (struct pollfd){ .fd = ends[0], .events = POLLIN };
	assert_int_equal(poll(&pfd, 1, FE_TIMEOUT_MS), 1);
	assert_int_equal(read(ends[0], &c, 1), 0);
	if (geteuid() == 0)
		assert_in_range(
		    proc_fds(daemon_child(&s->d, ROLE_STATUS, NULL)), before,
		    before + 1);
	close(ends[0]);
	close(conn);
	assert_true(status_answers(s, GET, "\"pools\""));
	suite_pass(s);
}

/*
 * Sends a socket, `n` times, whose last close waits, which is the receiver's:
 * it is stopped meanwhile.  Returns the other end.
 */
static int
send_lingering(pid_t receiver, int conn, const void *bytes, size_t size, int n)
{
	int other, fd = hostile_lingering(&other);

	CHECK(kill(receiver, SIGSTOP));
	while (n-- > 0)
		assert_int_equal(send_with(conn, bytes, size, fd), size);
	close(fd);
	CHECK(kill(receiver, SIGCONT));
	return other;
}

/* Clients are answered and guests are served. */
static void
check_quick(struct suite *s)
{
	uint64_t begin = fe_now();
	char out[16384];

	assert_true(status_answers(s, GET, "\"pools\""));
	assert_int_equal(admin_ctl(s, out, sizeof(out), "log info"), 0);
	suite_served(&s->fe);
	assert_in_range(fe_now() - begin, 0, QUICK_MS);
}

/* A status process that a client makes wait is replaced. */
static void
test_lingering(void **state)
{
	struct suite *s = *state;
	int others[5], conns[5];
	pid_t pid, next;

	old_kernel(s);
	start(s);
	check_quick(s);
	for (int i = 0; i < 5; i++) {
		pid =
		    daemon_child_wait(&s->d, ROLE_STATUS, NULL, FE_TIMEOUT_MS);
		conns[i] = status_join(s, "status", SOCK_STREAM);
		others[i] = send_lingering(pid, conns[i], GET, sizeof(GET), 1);
		check_quick(s);
		next =
		    daemon_child_wait(&s->d, ROLE_STATUS, NULL, FE_TIMEOUT_MS);
		assert_true(next > 0 && next != pid);
	}
	for (int i = 0; i < 5; i++) {
		close(conns[i]);
		close(others[i]);
	}
	suite_pass(s);
}

/* The parent closes nothing that came over the control socket. */
static void
test_lingering_control(void **state)
{
	static const struct {
		enum control_command command;
		bool stays; /* the client reads the answer */
	} rows[] = {
		{ CONTROL_LOG_LEVEL, true },
		{ CONTROL_LOG_LEVEL, false },
		{ CONTROL_GUEST_ADOPT, true },
		{ CONTROL_GUEST_ADOPT, false },
		{ 0, true },
		{ 0, false },
	};
	static struct control_reply reply;
	struct control_request req = { .version = CONTROL_VERSION,
		.name = "vm9" };
	struct suite *s = *state;
	int conn, others[6];

	old_kernel(s);
	start(s);
	for (size_t i = 0; i < 6; i++) {
		conn = status_join(s, "control", SOCK_SEQPACKET);
		assert_int_not_equal(conn, -1);
		req.command = rows[i].command;
		others[i] =
		    send_lingering(s->d.pid, conn, &req, sizeof(req), 2);
		/* Closed without all having been read, and answered before. */
		while (
		    rows[i].stays && recv(conn, &reply, sizeof(reply), 0) == -1)
			assert_int_equal(errno, ECONNRESET);
		close(conn);
		check_quick(s);
	}
	for (size_t i = 0; i < 6; i++) {
		close(others[i]);
	}
	suite_pass(s);
}

/* The same with a file whose close waits in spite of SIGKILL. */
static void
test_deaf(void **state)
{
	static const struct {
		const char *socket;
		uint32_t command; /* of a control request */
	} rows[] = {
		{ "status", 0 },
		{ "control", CONTROL_LOG_LEVEL },
		{ "control", CONTROL_GUEST_ADOPT },
		{ "control", 0 },
	};
	struct control_request req = { .version = CONTROL_VERSION,
		.name = "vm9" };
	struct suite *s = *state;
	struct lingering l;
	int conns[4], fd;
	bool status;

	if (lingering_mount(&l) == -1)
		suite_skip(s, "/dev/fuse cannot be used");
	old_kernel(s);
	start(s);
	fd = lingering_open(&l);
	CHECK(kill(s->d.pid, SIGSTOP));
	CHECK(kill(daemon_child(&s->d, ROLE_STATUS, NULL), SIGSTOP));
	for (size_t i = 0; i < 4; i++) {
		status = strcmp(rows[i].socket, "status") == 0;
		conns[i] = status_join(s, rows[i].socket,
		    status ? SOCK_STREAM : SOCK_SEQPACKET);
		assert_int_not_equal(conns[i], -1);
		req.command = rows[i].command;
		assert_int_equal(send_with(conns[i], &req, sizeof(req), fd),
		    sizeof(req));
	}
	close(fd);
	lingering_arm(&l);
	CHECK(kill(daemon_child(&s->d, ROLE_STATUS, NULL), SIGCONT));
	CHECK(kill(s->d.pid, SIGCONT));
	for (int i = 0; i < 4; i++) {
		check_quick(s);
		close(conns[i]);
		check_quick(s);
	}
	CHECK(kill(s->d.pid, SIGTERM));
	assert_int_equal(daemon_wait(&s->d, (int)QUICK_MS), 0);
	lingering_unmount(&l);
	suite_pass(s);
}

/* Descriptors left in its sockets are not closed at the end. */
static void
test_lingering_end(void **state)
{
	static const char *const names[] = { "status", "control" };
	struct control_request req = { .version = CONTROL_VERSION };
	struct suite *s = *state;
	int conns[2], others[2], fd;
	uint64_t begin;

	old_kernel(s);
	start(s);
	CHECK(kill(s->d.pid, SIGSTOP));
	CHECK(kill(daemon_child(&s->d, ROLE_STATUS, NULL), SIGSTOP));
	for (int i = 0; i < 2; i++) {
		conns[i] = status_join(s, names[i],
		    i == 0 ? SOCK_STREAM : SOCK_SEQPACKET);
		fd = hostile_lingering(&others[i]);
		assert_int_equal(send_with(conns[i], &req, sizeof(req), fd),
		    sizeof(req));
		close(fd);
	}
	begin = fe_now();
	CHECK(kill(s->d.pid, SIGTERM));
	CHECK(kill(s->d.pid, SIGCONT));
	assert_int_equal(daemon_wait(&s->d, (int)QUICK_MS), 0);
	assert_in_range(fe_now() - begin, 0, QUICK_MS);
	for (int i = 0; i < 2; i++) {
		close(conns[i]);
		close(others[i]);
	}
	suite_pass(s);
}

/* A worker that hangs delays no status, however often it is asked for. */
static void
test_hung_worker(void **state)
{
	struct suite *s = *state;
	uint64_t begin;
	pid_t pid;

	start(s);
	pid = daemon_child_wait(&s->d, ROLE_VHOST, "vm0", FE_TIMEOUT_MS);
	CHECK(kill(pid, SIGSTOP));
	for (int i = 0; i < 20; i++) {
		begin = fe_now();
		assert_true(status_answers(s, GET, "\"name\":\"vm0\""));
		assert_in_range(fe_now() - begin, 0, QUICK_MS);
	}
	CHECK(kill(pid, SIGCONT));
	suite_served(&s->fe);
	suite_pass(s);
}

/* As a user in a group: whether each of the sockets lets it in, a bit each. */
static int
let_in(struct suite *s, uid_t uid, gid_t gid, gid_t more)
{
	int status;
	pid_t pid = fork();

	assert_int_not_equal(pid, -1);
	if (pid == 0) {
		if (setgroups(more != 0, &more) == -1 ||
		    setresgid(gid, gid, gid) == -1 ||
		    setresuid(uid, uid, uid) == -1)
			_exit(99);
		status = 0;
		if (status_join(s, "status", SOCK_STREAM) != -1)
			status |= 1;
		else if (errno != EACCES)
			status |= 4;
		if (status_join(s, "control", SOCK_SEQPACKET) != -1)
			status |= 2;
		else if (errno != EACCES)
			status |= 4;
		_exit(status);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void
test_rights(void **state)
{
	const char *const args[] = { "-C", "@conf", "--control", "@control",
		"--status", "@status", "--control-group", "daemon", NULL };
	const struct group *entry = getgrnam("daemon");
	struct suite *s = *state;
	struct stat st;
	gid_t group;

	if (geteuid() != 0 || entry == NULL)
		suite_skip(s, "a group's rights are tried as root");
	group = entry == NULL ? 0 : entry->gr_gid;
	admin_conf(s, "w",
	    "pool \"default\" { source \"kernel\" { type = kernel } }\n");
	admin_conf_guest(s, "vm0", "");
	suite_start(s, args);
	CHECK(chmod(s->d.dir, 0755));
	CHECK(stat(daemon_path(&s->d, "status"), &st));
	assert_int_equal(st.st_mode, S_IFSOCK | 0660);
	assert_int_equal(st.st_gid, group);
	assert_int_equal(let_in(s, 1234, 1234, 0), 0);
	assert_int_equal(let_in(s, 1234, 1234, 77), 0);
	assert_int_equal(let_in(s, 1234, group, 0), 1);
	assert_int_equal(let_in(s, 1234, 1234, group), 1);
	assert_int_equal(let_in(s, 0, 1234, 0), 3);
	suite_pass(s);
}

/* Guests are added and removed while the status is asked for all the time. */
static void
test_changes(void **state)
{
	struct suite *s = *state;
	char out[1024];
	int status;
	pid_t pid;

	start(s);
	pid = fork();
	assert_int_not_equal(pid, -1);
	if (pid == 0) {
		for (int i = 0; i < 60; i++)
			if (!status_answers(s, GET, "\"name\":\"vm1\""))
				_exit(1);
		_exit(0);
	}
	for (int i = 0; waitpid(pid, &status, WNOHANG) == 0; i++) {
		assert_int_equal(admin_ctl(s, out, sizeof(out),
				     "guest add new%d --socket %s/new%d.sock",
				     i, s->d.dir, i),
		    0);
		if (i > 10)
			assert_int_equal(admin_ctl(s, out, sizeof(out),
					     "guest remove new%d", i - 10),
			    0);
		if (i % 10 == 0)
			assert_int_equal(
			    admin_ctl(s, out, sizeof(out), "reload"), 0);
	}
	assert_int_equal(status, 0);
	suite_served(&s->fe);
	suite_pass(s);
}

/* A source and a service of test_confidential(), with another key if any. */
static void
write_remote(struct suite *s, const struct place *p, const char *key)
{
	const struct sockaddr_in *sin = (const struct sockaddr_in *)&p->addr;
	unsigned int port = ntohs(sin->sin_port);

	admin_conf(s, "w",
	    "pool \"default\" { source \"kernel\" { type = kernel }\n"
	    "source \"in\" { type = stream listen = yes udp = 0.0.0.0\n"
	    "port = %u %s } }\n"
	    "egd \"lan\" { port = %u allow = 127.0.0.0/8 %s\n"
	    "tcp = 0.0.0.0 }\n",
	    port, key, port, key);
}

/* Whether the source and the service are shown with that value. */
static bool
both_confidential(struct suite *s, const char *value)
{
	char *answer = status_call(s, GET);
	const char *at = answer;
	char part[64];
	size_t n = 0;

	assert_non_null(answer);
	snprintf(part, sizeof(part), "\"confidential\":\"%s\"", value);
	while ((at = strstr(at, part)) != NULL) {
		at += strlen(part);
		n++;
	}
	free(answer);
	return n == 2;
}

/*
 * Bytes that may cross the network in clear: a warning with the line of the
 * address at the start and in the status, until a reload adds the key, which
 * changes nothing else.
 */
static void
test_confidential(void **state)
{
	static const char warning[] =
	    "conf:5: warning: egd \"lan\": bytes may cross the network in "
	    "clear: add confidential = ";
	struct suite *s = *state;
	char out[16384];
	struct place p;
	pid_t entropy;

	place_inet(&p, SOCK_STREAM, true);
	place_leave(&p);
	write_remote(s, &p, "");
	admin_start(s);
	assert_int_equal(daemon_log_count(&s->d, warning), 1);
	assert_int_equal(daemon_log_count(&s->d,
			     "conf:2: warning: source \"in\": bytes may"),
	    1);
	assert_true(both_confidential(s, "unset"));
	assert_int_equal(admin_ctl(s, out, sizeof(out), "status"), 0);
	assert_non_null(strstr(out, "! bytes may cross the network in clear"));
	assert_int_equal(admin_ctl(s, out, sizeof(out), "reload --dry-run"), 0);
	assert_non_null(strstr(out, warning));
	assert_int_equal(daemon_log_count(&s->d, warning), 1);
	admin_reload(s, "reloaded");
	assert_int_equal(daemon_log_count(&s->d, warning), 2);
	entropy = daemon_child(&s->d, ROLE_ENTROPY, NULL);
	write_remote(s, &p, "confidential = wireguard");
	assert_int_equal(admin_ctl(s, out, sizeof(out), "reload"), 0);
	assert_null(strstr(out, "warning"));
	assert_true(both_confidential(s, "wireguard"));
	assert_int_equal(daemon_child(&s->d, ROLE_ENTROPY, NULL), entropy);
	assert_int_equal(admin_ctl(s, out, sizeof(out), "status"), 0);
	assert_null(strstr(out, "in clear"));
	assert_int_equal(daemon_log_count(&s->d, warning), 2);
	suite_pass(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SUITE_EMPTY(test_get),
		SUITE_EMPTY(test_fresh),
		SUITE_EMPTY(test_killed),
		SUITE_EMPTY(test_stopped),
		SUITE_EMPTY(test_hostile),
		SUITE_EMPTY(test_descriptors),
		SUITE_EMPTY(test_lingering),
		SUITE_EMPTY(test_lingering_control),
		SUITE_EMPTY(test_deaf),
		SUITE_EMPTY(test_lingering_end),
		SUITE_EMPTY(test_hung_worker),
		SUITE_EMPTY(test_rights),
		SUITE_EMPTY(test_changes),
		SUITE_EMPTY(test_confidential),
	};

	return SUITE_MAIN("status", tests);
}
