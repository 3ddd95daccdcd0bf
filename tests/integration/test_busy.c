/*
 * A process that is slow for want of a CPU, or because the whole daemon was
 * stopped for a while, is not taken for one that hangs: none is killed.
 *
 * Half a minute long; ten with VRNGD_LONG in the environment.
 */
#include <sys/prctl.h>
#include <sys/wait.h>

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "integration/reader.h"

#define SPINNERS     16
#define SECONDS	     20
#define LONG_SECONDS 600
#define STOPS	     4
#define STOP_SECONDS 3
#define CHILDREN_MAX 16

/* The daemon's processes. */
struct family {
	struct proc children[CHILDREN_MAX];
	size_t n;
};

static void
configure(struct suite *s, struct reader *readers)
{
	admin_conf(s, "w",
	    "pool \"default\" { source \"kernel\" { type = kernel } }\n"
	    "egd \"unix\" { %s }\negd \"tcp\" { %s }\n",
	    readers[1].place.text, readers[2].place.text);
	admin_conf_guest(s, "good", "");
	admin_start(s);
}

static void
list(struct suite *s, struct family *f)
{
	f->n = proc_children(s->d.pid, f->children, CHILDREN_MAX);
	/* Of the entropy, of the status, a guest, two services. */
	assert_int_equal(f->n, 5);
}

/* All are there that were. */
static void
check_same(struct suite *s, const struct family *was)
{
	struct family is;

	list(s, &is);
	for (size_t i = 0; i < was->n; i++) {
		size_t k = 0;

		while (k < is.n && is.children[k].pid != was->children[i].pid)
			k++;
		if (k == is.n)
			fail_msg("%s (pid %d) is gone", was->children[i].comm,
			    was->children[i].pid);
	}
}

/* Asks for the status, as something that has to be answered. */
static void
ask(struct suite *s)
{
	static char out[65536];

	assert_int_equal(admin_ctl(s, out, sizeof(out), "status"), 0);
}

static pid_t
spin(void)
{
	pid_t pid = fork();

	assert_int_not_equal(pid, -1);
	if (pid != 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (volatile uint64_t i = 0;; i++)
		continue;
}

static void
test_load(void **state)
{
	struct suite *s = *state;
	struct reader readers[READERS];
	struct family family;
	pid_t spinners[SPINNERS];
	uint64_t end;

	alarm(0);
	readers_place(s, readers);
	configure(s, readers);
	readers_start(readers);
	list(s, &family);
	for (size_t i = 0; i < SPINNERS; i++)
		spinners[i] = spin();
	end = fe_now() +
	    (getenv("VRNGD_LONG") != NULL ? LONG_SECONDS : SECONDS) * 1000;
	while (fe_now() < end) {
		ask(s);
		check_same(s, &family);
		usleep(200000);
	}
	for (size_t i = 0; i < SPINNERS; i++) {
		kill(spinners[i], SIGKILL);
		waitpid(spinners[i], NULL, 0);
	}
	assert_true(readers_end(readers, UINT64_MAX));
	suite_pass(s);
}

static void
send_all(struct suite *s, const struct family *f, int signal)
{
	CHECK(kill(s->d.pid, signal));
	for (size_t i = 0; i < f->n; i++)
		CHECK(kill(f->children[i].pid, signal));
}

static void
test_stopped(void **state)
{
	struct suite *s = *state;
	struct reader readers[READERS];
	struct family family;

	readers_place(s, readers);
	configure(s, readers);
	readers_start(readers);
	list(s, &family);
	for (int i = 0; i < STOPS; i++) {
		send_all(s, &family, SIGSTOP);
		sleep(STOP_SECONDS);
		send_all(s, &family, SIGCONT);
		sleep(1);
		ask(s);
		check_same(s, &family);
	}
	assert_true(readers_end(readers, UINT64_MAX));
	suite_pass(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SUITE_EMPTY(test_load),
		SUITE_EMPTY(test_stopped),
	};

	return SUITE_MAIN("busy", tests);
}
