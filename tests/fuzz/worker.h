/*
 * What the harnesses of whole workers share: the parent's ends of a channel, a
 * clock that the harness moves, and the end of the process, which is not one.
 */
#ifndef FUZZ_WORKER_H
#define FUZZ_WORKER_H

#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <errno.h>
#include <setjmp.h>
#include <stdbool.h>
#include <unistd.h>

#include "common/channel.h"
#include "common/child.h"
#include "common/clock.h"
#include "common/counters.h"
#include "fuzz/fuzz.h"

#define FDS_MAX	   900 /* of a harness; above are those of libFuzzer */
#define CONSUMER   5
#define GIVEN_MAX  2048 /* bytes at once */
#define FRAMES_MAX 64	/* read from a worker, until it runs again */

static struct {
	bool running;	      /* code of the worker runs, or may be called */
	bool may_be_lost;     /* it may end with EXIT_SESSION_LOST */
	jmp_buf end;	      /* of the worker */
	unsigned int dies_in; /* points in its calls; 0: it does not */
	uint64_t now;	      /* ns */
	int down, up;	      /* the channel */
	int bytes;	      /* where the entropy process would write */
	uint64_t given;	      /* bytes, in all */
	uint32_t generation;
	char line[LOG_TEXT_SIZE]; /* the last log line */
} parent;

/* In place of the C library's: an end of the worker, which is a finding. */
_Noreturn void
_exit(int status)
{
	if (!parent.running)
		for (;;)
			syscall(SYS_exit_group, status);
	if (status == EXIT_SESSION_LOST && parent.may_be_lost)
		longjmp(parent.end, 1);
	fprintf(stderr, "the worker ends with %d: %s\n", status, parent.line);
	abort();
}

/* The worker never waits. */
int
epoll_wait(int epoll_fd, struct epoll_event *events, int max, int ms)
{
	(void)ms;
	return (int)syscall(SYS_epoll_pwait, epoll_fd, events, max, 0, NULL, 0);
}

/* A point where the worker may die. */
static inline void
may_die(void)
{
	if (parent.running && parent.dies_in > 0 && --parent.dies_in == 0)
		longjmp(parent.end, 2);
}

/* Each look at the clock takes a microsecond. */
int
clock_gettime(clockid_t id, struct timespec *ts)
{
	if (!parent.running || id != CLOCK_MONOTONIC)
		return (int)syscall(SYS_clock_gettime, id, ts);
	parent.now += 1000;
	may_die();
	ts->tv_sec = (time_t)(parent.now / NS_PER_SEC);
	ts->tv_nsec = (long)(parent.now % NS_PER_SEC);
	return 0;
}

/* The worker may die before it sends or receives, and after that. */
ssize_t
send(int fd, const void *bytes, size_t n, int flags)
{
	ssize_t sent;

	may_die();
	sent = syscall(SYS_sendto, fd, bytes, n, flags, NULL, 0);
	may_die();
	return sent;
}

ssize_t
recv(int fd, void *bytes, size_t n, int flags)
{
	ssize_t got;

	may_die();
	got = syscall(SYS_recvfrom, fd, bytes, n, flags, NULL, NULL);
	may_die();
	return got;
}

ssize_t
sendmsg(int fd, const struct msghdr *msg, int flags)
{
	ssize_t sent;

	may_die();
	sent = syscall(SYS_sendmsg, fd, msg, flags);
	may_die();
	return sent;
}

ssize_t
recvmsg(int fd, struct msghdr *msg, int flags)
{
	ssize_t got;

	may_die();
	got = syscall(SYS_recvmsg, fd, msg, flags);
	may_die();
	return got;
}

/* No sandbox, which would confine the harness. */
void
child_ready(const struct sandbox_rule *rules, size_t n, unsigned long nofile)
{
	(void)rules, (void)n, (void)nofile;
}

static inline void
keep_line(void *arg, const struct log_line *line)
{
	(void)arg;
	snprintf(parent.line, sizeof(parent.line), "%s", line->text);
}

/* Before libFuzzer opens files of its own, which go above FDS_MAX. */
int LLVMFuzzerInitialize(int *, char ***);

int
/* NOLINTNEXTLINE(readability-non-const-parameter): libFuzzer's */
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc, (void)argv;
	for (int fd = CHANNEL_FD; fd < FDS_MAX; fd++)
		(void)dup2(STDERR_FILENO, fd);
	return 0;
}

/* Begins an input: with nothing from the one before. */
static inline void
parent_begin(void)
{
	syscall(SYS_close_range, CHANNEL_FD, FDS_MAX - 1, 0);
	log_open(keep_line, NULL);
	log_set_level(LOG_LEVEL_DEBUG);
	memset(&parent, 0, sizeof(parent));
	parent.bytes = -1;
	parent.now = 1000 * NS_PER_SEC;
	/* Keeps these descriptors from being anything else. */
	CHECK(memfd_create("down", MFD_CLOEXEC) == CHANNEL_FD);
	CHECK(memfd_create("up", MFD_CLOEXEC) == CHANNEL_UP_FD);
}

/* The channel of a new worker. */
static inline void
parent_connect(void)
{
	int down[2], up[2];

	if (parent.generation != 0) {
		close(parent.down);
		close(parent.up);
	}
	CHECK(channel_pair(down) == 0 && channel_up_pair(up) == 0);
	CHECK(dup2(down[1], CHANNEL_FD) != -1);
	CHECK(dup2(up[1], CHANNEL_UP_FD) != -1);
	close(down[1]);
	close(up[1]);
	parent.down = down[0];
	parent.up = up[0];
}

/* Sends a frame; its descriptors are closed. */
static inline bool
parent_send(struct frame *f)
{
	bool sent = channel_send(parent.down, f) == 0;

	CHECK(sent || errno == EAGAIN);
	for (size_t i = 0; i < FRAME_FDS_MAX; i++)
		if (f->fds[i] != -1)
			close(f->fds[i]);
	return sent;
}

/* A memory file, as the parent makes them. */
static inline int
memory_file(const char *name, uint64_t size)
{
	int fd = memfd_create(name, MFD_CLOEXEC);

	CHECK(fd != -1 && ftruncate(fd, (off_t)size) == 0);
	return fd;
}

/* The worker's end of a new byte channel, of the next generation. */
static inline int
parent_bytes(void)
{
	int fds[2];

	CHECK(channel_pair(fds) == 0);
	if (parent.bytes != -1)
		close(parent.bytes);
	parent.bytes = fds[0];
	parent.generation++;
	return fds[1];
}

/* The first frame to a worker: its page of counters. */
static inline void
parent_send_page(int page)
{
	struct frame f;

	frame_init(&f, PROTO_COUNTERS, 0, 0);
	f.fds[0] = dup(page);
	CHECK(parent_send(&f));
}

/* Grants bytes, if there is room for them. */
static inline void
parent_give(uint32_t n)
{
	static uint8_t bytes[GIVEN_MAX];

	n = n % GIVEN_MAX + 1;
	if (send(parent.bytes, bytes, n, MSG_DONTWAIT | MSG_NOSIGNAL) != -1)
		parent.given += n;
}

/* Limits that the parent could send. */
static inline struct proto_limits
parent_limits(struct input *in)
{
	static const uint32_t windows[] = { 0, 64, 256, 4096 };
	static const uint32_t sizes[] = { 1, 64, 1000, REQUEST_MAX };
	uint8_t n = input_u8(in);
	struct proto_limits limits = {
		.window = windows[n % 4],
		.request_max = sizes[n / 4 % 4],
		.request_min = n / 16 % 4 == 0 ? 1 : sizes[n / 4 % 4],
	};

	if (limits.request_min > 64)
		limits.request_min = 64;
	return limits;
}

/* Sends a frame as to any worker that has started. */
static inline void
parent_send_usual(struct input *in, uint32_t which)
{
	struct frame f;

	switch (which) {
	case 0:
		frame_init(&f, PROTO_LIMITS, 0, 0);
		f.u.limits = parent_limits(in);
		break;
	case 1:
		frame_init(&f, PROTO_BYTES, CONSUMER, parent.generation + 1);
		f.fds[0] = parent_bytes();
		break;
	case 2:
		frame_init(&f, PROTO_WANT_ASK, 0, 0);
		break;
	default:
		frame_init(&f, PROTO_PING, 0, 0);
		break;
	}
	parent_send(&f);
}

/*
 * Runs a part of the worker.  Returns 0, or how it ended: 1 with
 * EXIT_SESSION_LOST, 2 it died.
 */
static inline int
worker_do(void (*part)(void))
{
	int end;

	parent.running = true;
	if ((end = setjmp(parent.end)) == 0)
		part();
	parent.running = false;
	return end;
}

/*
 * Closes the descriptors of a worker that has ended: all but those of the
 * channel and these, of which there is room for three more in the array.
 */
static inline void
worker_close(int *others, size_t n)
{
	int low = CHANNEL_UP_FD + 1, next;

	others[n++] = parent.down;
	others[n++] = parent.up;
	others[n++] = parent.bytes;
	do {
		next = FDS_MAX;
		for (size_t i = 0; i < n; i++)
			if (others[i] >= low && others[i] < next)
				next = others[i];
		if (next > low)
			syscall(SYS_close_range, low, next - 1, 0);
		low = next + 1;
	} while (low < FDS_MAX);
}

#endif
