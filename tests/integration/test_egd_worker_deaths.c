/*
 * An egd worker that dies: its clients' connections, and what they have asked
 * for, outlive it.
 */
#include "integration/outlet.h"

#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "integration/suite.h"
#include "integration/talker.h"

#define STOPS_MAX 4000
#define EACH	  8   /* commands of a client whose worker dies at a call */
#define MANY	  200 /* clients */
#define KILLS	  100
#define FUZZED	  60 /* deaths after which the state is anything */

#ifdef VRNGD_SANITIZE /* whose look for leaks fails in what is traced */
#define SANITIZED true
#else
#define SANITIZED false
#endif

static uint64_t
draw(uint64_t *seed)
{
	uint64_t z = *seed += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static bool
talk_all(struct outlet *o, struct talker **ts, size_t n)
{
	bool done = true;

	for (size_t i = 0; i < n; i++)
		done = talker_run(ts[i]) && done;
	outlet_pump(o, done ? 0 : 1);
	return done;
}

static void
finish_all(struct outlet *o, struct talker **ts, size_t n)
{
	uint64_t end = outlet_ms() + 4 * OUTLET_TIMEOUT;

	while (!talk_all(o, ts, n))
		if (outlet_ms() > end)
			fail_msg("a client waits; log:\n%s", o->log);
}

/* The ends of a connection of TCP. */
static void
tcp_pair(int fds[2])
{
	struct sockaddr_in in = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(in);
	int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&in, len), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &len), 0);
	fds[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(fds[0], (struct sockaddr *)&in, len), 0);
	fds[1] = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	assert_int_not_equal(fds[1], -1);
	setsockopt(fds[0], IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	close(fd);
}

/* A client of the worker, which has come by TCP or a unix socket. */
static int
client_new(struct outlet *o, bool tcp)
{
	int fds[2];

	if (!tcp)
		assert_int_equal(
		    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	else
		tcp_pair(fds);
	outlet_client(o, fds[1]);
	close(fds[1]);
	return fds[0];
}

static void
kill_worker(struct outlet *o)
{
	unsigned int was = o->revived;

	assert_int_equal(kill(o->pid, SIGKILL), 0);
	outlet_until(o, &o->revived, was);
}

static struct {
	unsigned int n; /* the stop at which the worker is to die; 0: none */
	pid_t tracer;
} plan;

/* Follows a worker until it dies at its plan.n-th stop, or ends. */
_Noreturn static void
trace(pid_t pid)
{
	const long options =
	    PTRACE_O_TRACEEXEC | PTRACE_O_TRACEEXIT | PTRACE_O_TRACESYSGOOD;
	unsigned int stops = 0;
	int status, sig;

	if (ptrace(PTRACE_SEIZE, pid, NULL, (void *)options) == -1)
		_exit(1);
	while (waitpid(pid, &status, __WALL) == pid && WIFSTOPPED(status)) {
		sig = status >> 16 == 0 ? WSTOPSIG(status) : 0;
		if (status >> 8 == (SIGTRAP | PTRACE_EVENT_EXIT << 8)) {
			ptrace(PTRACE_DETACH, pid, NULL, NULL);
			_exit(2);
		}
		if (sig == (SIGTRAP | 0x80)) {
			sig = 0;
			if (++stops == plan.n) {
				ptrace(PTRACE_DETACH, pid, NULL,
				    (void *)SIGKILL);
				_exit(0);
			}
		}
		ptrace(PTRACE_SYSCALL, pid, NULL, (void *)(intptr_t)sig);
	}
	_exit(3);
}

/* Has the worker traced that is about to start. */
static void
trace_worker(struct outlet *o)
{
	int status;

	assert_int_equal(waitpid(o->pid, &status, WUNTRACED), o->pid);
	assert_true(WIFSTOPPED(status));
	if (plan.n > 0 && (plan.tracer = fork()) == 0)
		trace(o->pid);
	if (plan.n == 0)
		kill(o->pid, SIGCONT);
	plan.n = 0;
}

/*
 * A session whose worker dies at a stop.  Returns false: there are not so many.
 */
static bool
session(unsigned int n)
{
	struct outlet *o;
	struct talker *ts[3];
	int status;

	plan.n = n;
	o = outlet_traced(trace_worker);
	ts[0] = talker_new(client_new(o, false), TALKER_WAIT, EACH);
	ts[1] = talker_new(client_new(o, true), TALKER_WAIT, EACH);
	ts[2] = talker_new(client_new(o, true), TALKER_MIXED, EACH);
	finish_all(o, ts, 3);
	talkers_unique(ts, 3);
	for (size_t i = 0; i < 3; i++)
		talker_free(ts[i]);
	for (int i = 0; i < OUTLET_TIMEOUT && o->gone < 3; i++)
		outlet_pump(o, 1);
	assert_int_equal(o->gone, 3);
	assert_in_range(o->revived, 0, 1);
	o->revives = false;
	shutdown(o->channel, SHUT_RDWR);
	assert_int_equal(waitpid(plan.tracer, &status, 0), plan.tracer);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) != 1);
	while (o->pid != 0)
		outlet_pump(o, 1);
	o->status = 0;
	outlet_stop(o);
	return WEXITSTATUS(status) == 0;
}

static void
test_each(void **state)
{
	unsigned int n = 1;

	(void)state;
	if (SANITIZED)
		program_skip("sanitized processes cannot be traced");
	while (session(n))
		assert_true(++n < STOPS_MAX);
	print_message("# %u stops\n", n - 1);
	assert_in_range(n, 200, STOPS_MAX - 1);
}

/* Workers are killed at any moment, with many clients. */
static void
test_random(void **state)
{
	struct outlet *o = outlet_unix(SERVE_EGD);
	struct talker *ts[MANY];
	uint64_t seed = program_seed();

	(void)state;
	o->revives = true;
	outlet_fill(o, 4096);
	for (size_t i = 0; i < MANY; i++)
		ts[i] = talker_new(client_new(o, i % 2 == 1),
		    i % 4 == 3 ? TALKER_MIXED : TALKER_WAIT, 4000);
	for (unsigned int i = 0; i < KILLS; i++) {
		for (uint64_t k = draw(&seed) % 20; k > 0; k--)
			talk_all(o, ts, MANY);
		kill_worker(o);
	}
	for (size_t i = 0; i < MANY; i++)
		ts[i]->total = ts[i]->sent + 10;
	finish_all(o, ts, MANY);
	assert_int_equal(outlet_stats(o)->clients, MANY);
	assert_in_range(o->stats.counters.connections, MANY - 5, 2 * MANY);
	assert_int_equal(o->gone, 0);
	for (size_t i = 0; i < MANY; i++)
		assert_true(o->clients[i].bytes > ts[i]->ngot / 2);
	talkers_unique(ts, MANY);
	for (size_t i = 0; i < MANY; i++)
		talker_free(ts[i]);
	outlet_stop(o);
}

static void
test_streams(void **state)
{
	struct outlet *o = outlet_unix(SERVE_STREAM);
	struct talker *ts[2];

	(void)state;
	o->revives = true;
	for (size_t i = 0; i < 2; i++)
		ts[i] = talker_new(client_new(o, i == 1), TALKER_STREAM, 2000);
	for (int i = 0; i < 20; i++) {
		for (size_t k = 0; k < 2; k++) {
			assert_int_equal(outlet_read(o, ts[k]->fd,
					     ts[k]->got + ts[k]->ngot, 10000,
					     OUTLET_TIMEOUT),
			    10000);
			ts[k]->ngot += 10000;
		}
		kill_worker(o);
	}
	talkers_unique(ts, 2);
	for (size_t i = 0; i < 2; i++)
		talker_free(ts[i]);
	outlet_stop(o);
}

/*
 * A unix client of 02 that may have more bytes than it asked for cannot use a
 * command whose answer has a form.
 */
static void
test_shifted(void **state)
{
	struct outlet *o = outlet_unix(SERVE_EGD);
	struct saved_client saved;
	int fd = client_new(o, false), other = client_new(o, false);

	(void)state;
	o->revives = true;
	for (int i = 0; i < 2; i++) {
		SAY(i == 0 ? fd : other, "\002\020");
		outlet_served(o, i == 0 ? fd : other, (uint64_t)i * 16, 16);
	}
	SAY(other, "\000");
	assert_int_equal(outlet_read(o, other, (uint8_t[4]){ 0 }, 4, 5000), 4);
	outlet_quiet(o);
	/* As if it had died while it sent 16 bytes. */
	for (uint32_t i = 0; i < 2; i++) {
		assert_true(saved_load(o->saved, i, &saved));
		saved.command = EGD_WAIT;
		saved.sending = saved.left = 16;
		saved_commit(o->saved, i, &saved);
	}
	kill_worker(o);
	outlet_closed(o, other);
	outlet_logged(o, "disconnected: worker died during an answer");
	assert_int_equal(
	    outlet_read(o, fd, (uint8_t[16]){ 0 }, 16, OUTLET_TIMEOUT), 16);
	SAY(fd, "\003\000\000\001x\002\020");
	assert_int_equal(
	    outlet_read(o, fd, (uint8_t[16]){ 0 }, 16, OUTLET_TIMEOUT), 16);
	SAY(fd, "\001\020");
	outlet_closed(o, fd);
	outlet_logged(o, "bytes sent twice");
	close(fd);
	close(other);
	outlet_stop(o);
}

/* The state is what a worker left that was not ours any more. */
static void
test_hostile_state(void **state)
{
	struct outlet *o = outlet_unix(SERVE_EGD);
	uint8_t *bytes = (uint8_t *)o->saved, buf[16];
	int good = client_new(o, false), bad[8];
	uint64_t seed = program_seed();

	(void)state;
	o->revives = true;
	memset(bad, -1, sizeof(bad));
	for (int i = 0; i < FUZZED; i++) {
		for (size_t k = 0; k < 8; k++) {
			if (bad[k] != -1)
				close(bad[k]);
			bad[k] = client_new(o, k % 2 == 0);
			SAY(bad[k], "\002\020\001\020\003\000\000\004ab");
		}
		outlet_quiet(o);
		assert_int_equal(kill(o->pid, SIGSTOP), 0);
		o->saved->serving = (uint32_t)draw(&seed) >> i % 31;
		/* All but the first record, a lot of it or a little. */
		for (size_t n = i % 2 == 0 ? 20 : 5000; n > 0; n--)
			bytes[128 + draw(&seed) % (64 * 12)] =
			    (uint8_t)(draw(&seed) >> n % 8);
		kill_worker(o);
		SAY(good, "\002\020");
		assert_int_equal(outlet_read(o, good, buf, 16, OUTLET_TIMEOUT),
		    16);
	}
	outlet_leave(bad, 8);
	close(good);
	outlet_stop(o);
}

/* A client of which worker after worker dies is closed, others go on. */
static void
test_deadly(void **state)
{
	struct outlet *o = outlet_unix(SERVE_EGD);
	int deadly = client_new(o, false), good = client_new(o, true);

	(void)state;
	o->revives = true;
	for (int i = 0; i <= SAVED_DEATHS_MAX; i++) {
		outlet_silent(o, deadly);
		SAY(good, "\002\020");
		outlet_served(o, good, o->given, 16);
		o->saved->serving = 1;
		kill_worker(o);
	}
	outlet_closed(o, deadly);
	outlet_logged(o, "client closed after 21 worker deaths: pid ");
	SAY(good, "\002\020");
	outlet_served(o, good, o->given, 16);
	assert_int_equal(o->gone, 1);
	close(deadly);
	close(good);
	outlet_stop(o);
}

/* The end of a connection is reported when the channel has room again. */
static void
test_gone(void **state)
{
	struct outlet *o = outlet_unix(SERVE_EGD);
	int fds[MANY];

	(void)state;
	outlet_crowd(o, fds, MANY);
	outlet_leave(fds, MANY);
	usleep(300000);
	assert_int_equal(o->gone, 0);
	for (int i = 0; i < OUTLET_TIMEOUT && o->gone < MANY; i++)
		outlet_pump(o, 1);
	assert_int_equal(o->gone, MANY);
	outlet_stop(o);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each),
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_streams),
		cmocka_unit_test(test_shifted),
		cmocka_unit_test(test_hostile_state),
		cmocka_unit_test(test_deadly),
		cmocka_unit_test(test_gone),
	};

	return SUITE_MAIN("egd_worker_deaths", tests);
}
