/*
 * The log of a child: lines for which its channel has no room are lost, and
 * their number is reported as soon as there is room.
 */
#include "unit/unit.h"

#include <sys/prctl.h>
#include <sys/wait.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/channel.h"
#include "common/child.h"
#include "common/log.h"

#define LINES 5000 /* more than any pipe has room for */

/* Logs more than there is room for and, once it is continued, a line more. */
static _Noreturn void
flood(int down, int up)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* Out of each other's way. */
	down = fcntl(down, F_DUPFD, 10);
	up = fcntl(up, F_DUPFD, 10);
	if (dup2(down, CHANNEL_FD) == -1 || dup2(up, CHANNEL_UP_FD) == -1)
		_exit(126);
	child_start(ROLE_EGD);
	for (int i = 0; i < LINES; i++)
		log_info("line %d", i);
	kill(getpid(), SIGSTOP);
	log_info("last");
	_exit(0);
}

static pid_t
start(int *up)
{
	int down[2], pipes[2];
	struct frame f;
	pid_t pid;

	assert_int_equal(channel_pair(down), 0);
	assert_int_equal(channel_up_pair(pipes), 0);
	frame_init(&f, PROTO_HELLO, 0, 0);
	f.u.hello.version = PROTO_VERSION;
	f.u.hello.role = ROLE_EGD;
	f.u.hello.log_level = LOG_LEVEL_INFO;
	f.fds[0] = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_not_equal(f.fds[0], -1);
	assert_int_equal(channel_send(down[0], &f), 0);
	if ((pid = fork()) == 0)
		flood(down[1], pipes[1]);
	assert_int_not_equal(pid, -1);
	close(down[1]);
	close(pipes[1]);
	close(f.fds[0]);
	close(down[0]);
	*up = pipes[0];
	return pid;
}

/* The next line of the child; returns whether there is one now. */
static bool
next(int up, struct proto_log *line)
{
	struct frame f;

	if (channel_hear(up, &f, ROLE_EGD) != CHANNEL_FRAME)
		return false;
	assert_int_equal(f.hdr.type, PROTO_LOG);
	*line = f.u.log;
	return true;
}

static void
test_lost(void **state)
{
	struct proto_log line = { 0 };
	char wanted[64];
	int up, status, lines = 0;
	pid_t pid = start(&up);

	(void)state;
	assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
	assert_true(WIFSTOPPED(status));
	for (; next(up, &line); lines++) {
		snprintf(wanted, sizeof(wanted), "line %d", lines);
		assert_string_equal(line.text, wanted);
	}
	assert_in_range(lines, 1, LINES - 1);
	assert_int_equal(kill(pid, SIGCONT), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_true(next(up, &line));
	snprintf(wanted, sizeof(wanted), "channel was full, log lines lost: %d",
	    LINES - lines);
	assert_string_equal(line.text, wanted);
	assert_int_equal(line.level, LOG_LEVEL_WARNING);
	assert_true(next(up, &line));
	assert_string_equal(line.text, "last");
	assert_false(next(up, &line));
	close(up);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lost),
	};

	return UNIT_MAIN("child", tests);
}
