/*
 * Clients by vsock keep their connections while workers die, and while the
 * daemon is restarted by a manager that has their deposit.  The clients connect
 * by the loopback of vsock; run in the guest of vsock.test, whose kernel has it.
 */
#include <sys/socket.h>

#include <linux/vm_sockets.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include "integration/hostile.h"
#include "integration/manager.h"
#include "integration/talker.h"

#define PORT	 3000
#define TALKERS	 6
#define MIXED	 2 /* of them, send all commands */
#define ROUNDS	 15
#define ANSWERS	 30 /* of a round */
#define ROUND_MS (8 * FE_TIMEOUT_MS)

struct sessions {
	struct suite *s;
	struct manager m;
	uint64_t seed;
	struct talker *ts[TALKERS];
	size_t closed;	/* connections, */
	size_t records; /* and reasons in the log */
};

static int
connect_vsock(void)
{
	const struct sockaddr_vm to = { .svm_family = AF_VSOCK,
		.svm_cid = VMADDR_CID_LOCAL,
		.svm_port = PORT };
	int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_not_equal(fd, -1);
	CHECK(connect(fd, (const struct sockaddr *)&to, sizeof(to)));
	return fd;
}

/* Has all of them send and read.  Returns whether they have all answers. */
static bool
run(struct sessions *k)
{
	bool done = true;

	for (size_t i = 0; i < TALKERS; i++)
		done = talker_run(k->ts[i]) && done;
	manager_hear(&k->m);
	poll(NULL, 0, 1);
	return done;
}

/* Clients that were closed connect again. */
static void
connect_again(struct sessions *k)
{
	for (size_t i = 0; i < TALKERS; i++) {
		struct talker *t = k->ts[i];

		if (!t->ended)
			continue;
		k->closed++;
		close(t->fd);
		t->fd = connect_vsock();
		t->ended = false;
		t->sent = t->answered;
		t->have = 0;
	}
}

/* Why clients may be closed, as the log of this daemon has it. */
static void
count_records(struct sessions *k)
{
	static const char *const why[] = { "worker died during an answer",
		"worker died after a partial answer",
		"worker died while it received", "answer would follow bytes" };

	for (size_t i = 0; i < sizeof(why) / sizeof(why[0]); i++)
		k->records += daemon_log_count(&k->s->d, why[i]);
}

/* Ends the daemon by a signal, and starts it, as systemd does. */
static void
restart(struct sessions *k, int sig)
{
	const char *const args[] = { "-C", "@conf", "--control", "@control",
		NULL };
	struct daemon *d = &k->s->d;
	uint64_t deadline = fe_now() + 3 * DAEMON_TIMEOUT_MS;

	CHECK(kill(d->pid, sig));
	while (daemon_alive(d)) {
		assert_true(fe_now() < deadline);
		run(k);
	}
	count_records(k);
	assert_int_equal(daemon_stop(d, sig), sig == SIGKILL ? sig : 0);
	run(k);
	CHECK(daemon_spawn(d, args));
	while (daemon_log_count(d, " ready: ") == 0) {
		assert_true(daemon_alive(d) && fe_now() < deadline);
		run(k);
	}
}

static void
disturb(struct sessions *k, unsigned int round)
{
	pid_t pid;

	if (round % 5 == 3)
		restart(k, SIGKILL);
	else if (round % 5 == 4)
		restart(k, SIGTERM);
	else if ((pid = daemon_child(&k->s->d, "vrngd-egd", "v")) > 0)
		kill(pid, SIGKILL);
}

static void
test_sessions(void **state)
{
	static struct sessions k;
	uint64_t until;

	k = (struct sessions){ .s = *state, .seed = program_seed() };
	admin_conf(k.s, "w",
	    "pool \"default\" { source \"k\" { type = kernel } }\n"
	    "egd \"v\" { vsock = yes  port = %d  accept-unknown = yes }\n",
	    PORT);
	manager_open(&k.m, k.s);
	admin_start(k.s);
	for (size_t i = 0; i < TALKERS; i++) {
		k.ts[i] = talker_new(connect_vsock(),
		    i < MIXED ? TALKER_MIXED : TALKER_WAIT, 0);
		k.ts[i]->may_end = true;
	}
	for (unsigned int i = 0; i < ROUNDS; i++) {
		connect_again(&k);
		for (size_t j = 0; j < TALKERS; j++)
			talker_more(k.ts[j], ANSWERS);
		until = fe_now() + hostile_rand(&k.seed) % 50;
		while (fe_now() < until)
			run(&k);
		disturb(&k, i);
		until = fe_now() + (uint64_t)ROUND_MS;
		while (!run(&k)) {
			if (fe_now() > until)
				fail_msg("a client waits");
			connect_again(&k);
		}
	}
	count_records(&k);
	print_message("# %zu connections closed, %zu reasons in the log\n",
	    k.closed, k.records);
	assert_int_equal(k.closed, k.records);
	assert_true(k.closed < TALKERS * ROUNDS / 4);
	talkers_unique(k.ts, TALKERS);
	for (size_t i = 0; i < TALKERS; i++)
		talker_free(k.ts[i]);
	manager_close(&k.m);
	suite_pass(k.s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SUITE_EMPTY(test_sessions),
	};

	return SUITE_MAIN("vsock sessions", tests);
}
