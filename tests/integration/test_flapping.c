/*
 * An entropy process that was taken over can have the log say what it wants,
 * but not how often: it is this program, by that name.
 */
#include <sys/socket.h>
#include <sys/stat.h>

#include <bsd/string.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/channel.h"
#include "integration/admin.h"

#define FLAPS	  100000 /* of either source */
#define LINES_MAX 100
#define LAST	  "and not by chance" /* of the state that they end with */
#define LAST_MS	  (20000 * test_patience())
#define DEATHS	  30
#define CONF \
	"pool \"default\" { combine = %s source \"a\" { type = kernel } " \
	"source \"b\" { type = device path = \"/dev/zero\" } }\n"

/* Sends a frame as soon as there is room for it. */
static void
send_up(const struct frame *f)
{
	while (channel_tell(CHANNEL_UP_FD, f) == -1) {
		if (errno != EAGAIN)
			_exit(1);
		usleep(100);
	}
}

/* Both sources fail, and serve again, and in the end they have failed. */
static _Noreturn void
flap(void)
{
	struct frame f;

	frame_init(&f, PROTO_READY, 0, 0);
	send_up(&f);
	frame_init(&f, PROTO_SOURCE_STATE, 0, 0);
	f.u.source_state.opened = 1;
	f.u.source_state.test = TEST_REPETITION;
	for (uint32_t i = 1; i <= 2 * FLAPS; i++) {
		f.u.source_state.number = i % 2;
		f.u.source_state.status =
		    i / 2 % 2 ? SOURCE_OK : SOURCE_LATCHED;
		f.u.source_state.serving = i % 4;
		send_up(&f);
	}
	f.u.source_state.status = SOURCE_LATCHED;
	f.u.source_state.serving = 0;
	for (uint32_t i = 0; i < 2; i++) {
		f.u.source_state.number = i;
		send_up(&f);
	}
	while (recv(CHANNEL_FD, &f, sizeof(f), 0) > 0)
		continue;
	_exit(0);
}

/* Has the daemon start this program as its entropy process. */
static void
take_over(struct suite *s)
{
	char real[256];
	ssize_t n = readlink("/proc/self/exe", real, sizeof(real) - 1);

	assert_true(n > 0);
	real[n] = '\0';
	CHECK(mkdir(daemon_path(&s->d, "libexec"), 0755));
	CHECK(symlink(real, daemon_path(&s->d, "libexec/vrngd-entropy")));
	strlcpy(s->d.libexec, daemon_path(&s->d, "libexec"),
	    sizeof(s->d.libexec));
}

static size_t
lines(struct suite *s)
{
	return daemon_log_count(&s->d, "\n");
}

static void
test_states(void **state)
{
	struct suite *s = *state;

	take_over(s);
	admin_conf(s, "w", CONF, "xor");
	admin_start(s);
	/* Of each source, and of the pool. */
	CHECK(daemon_log_wait(&s->d, " (suppressed: ", 3, LAST_MS));
	usleep(100000);
	assert_true(daemon_log_count(&s->d, LAST) >= 2);
	assert_in_range(lines(s), 1, LINES_MAX);
	CHECK(unlink(daemon_path(&s->d, "libexec/vrngd-entropy")));
	CHECK(rmdir(daemon_path(&s->d, "libexec")));
	suite_pass(s);
}

/* Processes that die again and again are a few lines, too. */
static void
test_deaths(void **state)
{
	struct suite *s = *state;
	pid_t pid, old = 0;

	suite_start(s, (const char *const[]){ "-s", "@vm%d.sock", NULL });
	for (int i = 0; i < DEATHS; i++) {
		do {
			pid = daemon_child_wait(&s->d, ROLE_ENTROPY, NULL,
			    FE_TIMEOUT_MS);
			assert_true(pid > 0);
		} while (pid == old);
		CHECK(kill(pid, SIGKILL));
		old = pid;
	}
	CHECK(daemon_log_wait(&s->d, " (suppressed: ", 2, LAST_MS));
	assert_in_range(daemon_log_count(&s->d, "died of signal"), 10, 15);
	assert_in_range(daemon_log_count(&s->d, "starting another"), 10, 15);
	suite_pass(s);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		SUITE_EMPTY(test_states),
		SUITE_EMPTY(test_deaths),
	};
	const char *name = argc > 0 ? strrchr(argv[0], '/') : NULL;

	if (name != NULL && strcmp(name, "/vrngd-entropy") == 0)
		flap();
	return SUITE_MAIN("flapping", tests);
}
