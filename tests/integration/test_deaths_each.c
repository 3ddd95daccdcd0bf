/*
 * A worker that dies at a system call, before or after it: once at each that a
 * session has, from the program's start on.  The session goes on.
 */
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "integration/suite.h"

#define STOPS_MAX 4000
#define READS	  6 /* of a session */
/* Of the parent, whose lines are not suppressed by those of a worker. */
#define LOST "session closed: cannot resume session"

#ifdef VRNGD_SANITIZE /* whose look for leaks fails in what is traced */
#define SANITIZED true
#else
#define SANITIZED false
#endif

/* Shared by the tracer and the test. */
struct plan {
	volatile bool traces;
	volatile bool armed;	 /* for the next worker */
	volatile unsigned int n; /* the stop at which it is to die */
	volatile bool killed;	 /* it came to that */
};

static bool
is_worker(pid_t pid)
{
	char name[32];

	return proc_status(pid, "Name", name, sizeof(name)) == 0 &&
	    strcmp(name, ROLE_VHOST) == 0;
}

static bool
is_event(int status, int event)
{
	return status >> 8 == (SIGTRAP | event << 8);
}

/* Has what has stopped go on, with the signal that it stopped for. */
static void
go_on(pid_t pid, int status)
{
	int sig = status >> 16 == 0 ? WSTOPSIG(status) : 0;

	ptrace(PTRACE_CONT, pid, NULL, (void *)(intptr_t)sig);
}

/*
 * A child of the daemon has stopped: lets go of it, if it is none that is to
 * die here.  One that died while it is traced would not be noticed by sd-event.
 */
static void
child_stopped(struct plan *plan, pid_t *worker, pid_t pid, int status)
{
	static unsigned int stops;

	if (is_event(status, PTRACE_EVENT_EXEC) && plan->armed &&
	    is_worker(pid)) {
		plan->armed = false;
		*worker = pid;
		stops = 0;
	} else if (is_event(status, PTRACE_EVENT_EXEC) ||
	    is_event(status, PTRACE_EVENT_EXIT)) {
		ptrace(PTRACE_DETACH, pid, NULL, NULL);
		return;
	} else if (pid != *worker) {
		go_on(pid, status);
		return;
	} else if (WSTOPSIG(status) == (SIGTRAP | 0x80) && ++stops == plan->n) {
		plan->killed = true;
		ptrace(PTRACE_DETACH, pid, NULL, (void *)(intptr_t)SIGKILL);
		return;
	}
	ptrace(PTRACE_SYSCALL, pid, NULL, NULL);
}

/*
 * Follows the daemon's children, and kills a worker at its plan->n-th stop.
 * Ends with the daemon.
 */
_Noreturn static void
trace(struct plan *plan, pid_t daemon)
{
	const long options = PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK |
	    PTRACE_O_TRACEEXEC | PTRACE_O_TRACEEXIT | PTRACE_O_TRACESYSGOOD;
	pid_t pid, worker = 0;
	int status;

	if (ptrace(PTRACE_SEIZE, daemon, NULL, (void *)options) == -1)
		_exit(1);
	plan->traces = true;
	while ((pid = waitpid(-1, &status, __WALL)) > 0) {
		if (!WIFSTOPPED(status)) {
			if (pid == daemon)
				_exit(0);
		} else if (pid != daemon)
			child_stopped(plan, &worker, pid, status);
		else if (is_event(status, PTRACE_EVENT_EXIT))
			ptrace(PTRACE_DETACH, pid, NULL, NULL);
		else
			go_on(pid, status);
	}
	_exit(0);
}

static pid_t
trace_start(struct suite *s, struct plan *plan)
{
	pid_t pid;

	plan->traces = false;
	if ((pid = fork()) == 0)
		trace(plan, s->d.pid);
	for (int i = 0; i < 5000 && !plan->traces; i++) {
		if (waitpid(pid, NULL, WNOHANG) == pid)
			return -1;
		usleep(1000);
	}
	return pid;
}

static int
use_inflight(struct fe *fe)
{
	struct fe_inflight area = { .num_queues = 1, .queue_size = 64 };
	struct fe_msg msg;
	int r;

	if (fe_set_u64(fe, FE_SET_FEATURES, fe->features) != 0 ||
	    fe_ask(fe, FE_GET_INFLIGHT_FD, &area, sizeof(area), &msg) == -1)
		return -1;
	assert_int_equal(msg.nfds, 1);
	memcpy(&area, msg.payload, sizeof(area));
	r = fe_set(fe, FE_SET_INFLIGHT_FD, &area, sizeof(area), msg.fds, 1);
	fe_msg_close(&msg);
	return r;
}

static int
reads(struct fe *fe, uint8_t **data)
{
	for (int i = 0; i < READS / 2; i++) {
		if (fe_read(fe, *data, 64, FE_TIMEOUT_MS) != 64)
			return -1;
		*data += 64;
	}
	return 0;
}

/*
 * Saves and loads the state of the device.  That may fail with the worker, but
 * never unnoticed, and then it can be done again.
 */
static int
save_and_load(struct fe *fe)
{
	uint8_t buf[64] = { 0 }, again[64];
	ssize_t n;
	int tries;

	for (tries = 0; (n = fe_state_save(fe, buf, sizeof(buf))) <= 0; tries++)
		if (n == 0 || errno != EREMOTEIO || tries == 1)
			return -1;
	for (tries = 0; fe_state_load(fe, buf, (size_t)n) == -1; tries++)
		if (errno != EREMOTEIO || tries == 1)
			return -1;
	if (fe_state_save(fe, again, sizeof(again)) != n) {
		if (errno != EREMOTEIO ||
		    fe_state_save(fe, again, sizeof(again)) != n)
			return -1;
	}
	assert_memory_equal(buf, again, (size_t)n);
	return 0;
}

/* All that there is in a session, as QEMU would do it. */
static int
session(struct suite *s, uint8_t *data)
{
	struct fe *fe = &s->fe;
	struct fe_region r = { .fd = -1 };
	uint64_t n;
	char byte;

	fe_init(fe);
	if (fe_connect(fe, daemon_path(&s->d, "vm0.sock")) == -1 ||
	    fe_mem_default(fe) == -1 ||
	    fe_ring_init(fe, 64, FE_RING_GPA) == -1 ||
	    fe_handshake(fe, QEMU_FEATURES, QEMU_PFEATURES) == -1 ||
	    use_inflight(fe) == -1 || fe_start(fe) == -1 ||
	    reads(fe, &data) == -1 || fe_log_start(fe) == -1)
		return -1;
	r.wire =
	    (struct fe_wire_region){ FE_MEM_END, FE_PAGE, FE_UVA_BASE * 2, 0 };
	r.fd = fe->regions[0].fd;
	if (fe_mem_slot(fe, FE_ADD_MEM_REG, &r) == -1 ||
	    fe_mem_slot(fe, FE_REM_MEM_REG, &r) == -1 ||
	    fe_set_fd(fe, FE_SET_VRING_CALL, fe->call) == -1 ||
	    fe_stop(fe) == -1 || save_and_load(fe) == -1 ||
	    fe_start_ring(fe) == -1 || reads(fe, &data) == -1 ||
	    fe_get_u64(fe, FE_GET_STATUS, &n) == -1)
		return -1;
	/* Nothing was answered twice. */
	errno = 0;
	assert_int_equal(recv(fe->sock, &byte, 1, MSG_DONTWAIT), -1);
	assert_int_equal(errno, EAGAIN);
	return 0;
}

static void
restart(struct suite *s, struct plan *plan)
{
	const char *const args[] = { "-s", "@vm%d.sock", "-c", "2", NULL };

	CHECK(daemon_stop(&s->d, SIGTERM));
	suite_start(s, args);
	assert_int_not_equal(trace_start(s, plan), -1);
}

static void
test_each(void **state)
{
	struct suite *s = *state;
	struct plan *plan = mmap(NULL, sizeof(*plan), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	uint8_t *data;
	unsigned int n, lost = 0;
	size_t had = 0;

	assert_ptr_not_equal(plan, MAP_FAILED);
	if (SANITIZED || trace_start(s, plan) == -1) {
		munmap(plan, sizeof(*plan));
		suite_skip(s, "processes cannot be traced");
	}
	data = malloc((size_t)STOPS_MAX * READS * 64);
	assert_non_null(data);
	for (n = 1; n < STOPS_MAX; n++) {
		plan->n = n;
		plan->killed = false;
		plan->armed = true;
		if (session(s, data + had) == 0)
			had += (size_t)READS * 64;
		else {
			assert_true(plan->killed);
			print_message("# lost at stop %u\n", n);
			assert_int_equal(daemon_log_count(&s->d, LOST), 1);
			lost++;
		}
		fe_close(&s->fe);
		CHECK(
		    daemon_child_gone(&s->d, ROLE_VHOST, "vm0", FE_TIMEOUT_MS));
		if (!plan->killed)
			break;
		if (daemon_log_count(&s->d, LOST) > 0)
			restart(s, plan);
	}
	print_message("# %u stops, %u sessions lost\n", n - 1, lost);
	assert_in_range(n, 200, STOPS_MAX - 1);
	suite_unique(data, had);
	free(data);
	munmap(plan, sizeof(*plan));
	suite_pass(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SUITE_TEST(test_each),
#ifndef VRNGD_SANITIZE /* skipped, as test_each is: tests/skips */
		SUITE_PACKED(test_each),
#endif
	};

	return SUITE_MAIN("deaths_each", tests);
}
