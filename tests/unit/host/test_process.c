/*
 * The parent's side of a process: the test itself is the program that it
 * starts, and is known then by its empty environment.
 */
#include "unit/unit.h"

#include <sys/syscall.h>

#include <bsd/string.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include "common/clock.h"
#include "parent/host/process.h"

#define FRAMES	   3
#define ROUNDS_MAX 10 /* of the loop, for an event or two */

static struct {
	sd_event *event;
	struct process_env env;
	struct process process;
	struct log_limit limit;
	bool immortal; /* a process, as one that hangs in the kernel */
	int frames;    /* that were handled */
	int ended;
} test;

/* In place of that of the C library. */
int
kill(pid_t pid, int sig)
{
	return test.immortal ? 0 : (int)syscall(SYS_kill, pid, sig);
}

/* The process: sends frames, and waits. */
static int
child(void)
{
	struct frame f;

	frame_init(&f, PROTO_LOG, 0, 0);
	for (int i = 0; i < FRAMES; i++)
		if (channel_tell(CHANNEL_UP_FD, &f) == -1)
			return 1;
	pause();
	return 0;
}

static int
handle(struct process *p, struct frame *f)
{
	(void)p, (void)f;
	test.frames++;
	return 0;
}

static void
count_end(struct process *p, int status)
{
	(void)p, (void)status;
	test.ended++;
}

/* Starts it, and waits until it has sent something. */
static void
start(void)
{
	static char path[PATH_MAX];
	static struct process_ops ops = {
		.role = ROLE_VHOST,
		.out_max = 1,
		.frame = handle,
		.ended = count_end,
	};
	struct pollfd up = { .events = POLLIN };
	sigset_t chld;

	assert_true(readlink("/proc/self/exe", path, sizeof(path) - 1) > 0);
	ops.program = strrchr(path, '/') + 1;
	*strrchr(path, '/') = '\0';
	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	assert_int_equal(sigprocmask(SIG_BLOCK, &chld, NULL), 0);
	assert_true(sd_event_new(&test.event) >= 0);
	log_limit_init(&test.limit, clock_now());
	test.env = (struct process_env){
		.event = test.event,
		.libexec = path,
		.root_fd = STDIN_FILENO,
	};
	LIST_INIT(&test.env.lives);
	LIST_INIT(&test.env.watched);
	assert_int_equal(process_start(&test.process, &test.env, &ops, NULL,
			     &test.limit, NULL),
	    0);
	up.fd = test.process.up;
	assert_int_equal(poll(&up, 1, -1), 1);
}

/*
 * A process that was killed, but has not ended yet, is replaced after a time.
 * The loop sleeps until then, whatever the process has sent before.
 */
static void
test_killed_unread(void **state)
{
	int rounds = 0;
	pid_t pid;

	(void)state;
	start();
	pid = test.process.pid;
	test.immortal = true;
	process_kill(&test.process);
	while (test.ended == 0 && rounds < 2 * ROUNDS_MAX) {
		assert_true(sd_event_run(test.event, UINT64_MAX) >= 0);
		rounds++;
	}
	assert_int_equal(test.ended, 1);
	assert_true(rounds <= ROUNDS_MAX);
	assert_int_equal(test.frames, 0);
	test.immortal = false;
	assert_int_equal(kill(pid, SIGKILL), 0);
	process_finish(&test.env, clock_now());
	assert_true(LIST_EMPTY(&test.env.lives));
	flap_end(&test.process.ends);
	sd_event_unref(test.event);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_killed_unread),
	};

	if (environ[0] == NULL)
		return child();
	return UNIT_MAIN("process", tests);
}
