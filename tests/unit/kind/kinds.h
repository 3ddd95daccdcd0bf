/*
 * What the tests of the kinds of sources share: using one as its reader would,
 * in a thread of a process under the system call filter.
 */
#ifndef KINDS_H
#define KINDS_H

#include "unit/unit.h"

#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <netinet/in.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "entropy/kind/kind.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* What any reader may do. */
static const struct sandbox_rule kinds_base[] = {
	{ .nr = SCMP_SYS(read), .why = "any" },
	{ .nr = SCMP_SYS(write), .why = "any" },
	{ .nr = SANDBOX_POLL, .why = "any" },
	{ .nr = SCMP_SYS(futex), .why = "any" },
	{ .nr = SCMP_SYS(clock_gettime), .why = "any" },
	{ .nr = SCMP_SYS(close), .why = "any" },
	{ .nr = SCMP_SYS(recvmsg), .why = "any" },
	{ .nr = SCMP_SYS(sendto), .why = "any" },
	{ .nr = SCMP_SYS(brk), .why = "any" },
	{ .nr = SCMP_SYS(mmap),
	    .why = "any",
	    .nargs = 1,
	    .args = { SANDBOX_NO_EXEC } },
	{ .nr = SCMP_SYS(mremap), .why = "any" },
	{ .nr = SCMP_SYS(munmap), .why = "any" },
	{ .nr = SCMP_SYS(exit_group), .why = "any" },
	{ .nr = SCMP_SYS(rt_sigreturn), .why = "any" },
	{ .nr = SCMP_SYS(restart_syscall), .why = "any" },
};

static inline struct device
kinds_device(enum proto_source_kind kind, int fd)
{
	return (struct device){ .spec.kind = kind, .fd = fd };
}

/* As the entropy process does it: prepare(), once, and open(). */
static inline int
kinds_open(struct device *d)
{
	const struct source_kind *kind = kind_find(d->spec.kind);

	if (kind->prepare != NULL && d->state == NULL)
		kind->prepare(d);
	return kind->open != NULL ? kind->open(d) : 0;
}

/* One read(), which may touch no more than `size` bytes, or what it returns. */
static inline ssize_t
kinds_read(struct device *d, uint8_t *buf, size_t size)
{
	uint8_t *bytes = malloc(size + 1);
	ssize_t n;

	assert_non_null(bytes);
	memset(bytes, 0xa5, size + 1);
	n = kind_find(d->spec.kind)->read(d, bytes, size);
	assert_true(n >= -1 && n <= (ssize_t)size);
	assert_int_equal(bytes[size], 0xa5);
	memcpy(buf, bytes, n > 0 ? (size_t)n : 0);
	free(bytes);
	return n;
}

/* Reads all of `bytes`, in whatever pieces. */
static inline void
kinds_expect(struct device *d, const uint8_t *bytes, size_t len)
{
	uint8_t buf[4096];
	ssize_t n;

	while (len > 0) {
		n = kinds_read(d, buf, len < sizeof(buf) ? len : sizeof(buf));
		assert_true(n > 0);
		assert_memory_equal(buf, bytes, (size_t)n);
		bytes += n;
		len -= (size_t)n;
	}
}

/* What it yields is full, and not what it has yielded before. */
static inline void
kinds_check_random(struct device *d, size_t size)
{
	static uint8_t a[65536], b[65536];
	size_t same = 0;

	assert_int_equal(kinds_read(d, a, size), size);
	assert_int_equal(kinds_read(d, b, size), size);
	for (size_t i = 0; i < size; i++)
		same += a[i] == b[i];
	/* One in 256 is, by chance. */
	if (size >= 32)
		assert_in_range(same, 0, size / 8);
	assert_false(d->unwell);
}

/* Undoes all of kinds_open(), and closes the fd.  May be called again. */
static inline void
kinds_close(struct device *d)
{
	const struct source_kind *kind = kind_find(d->spec.kind);

	if (kind->close != NULL && d->state != NULL)
		kind->close(d);
	/* These have it from elsewhere. */
	if (d->spec.kind != SOURCE_STREAM && d->spec.kind != SOURCE_QNG)
		free(d->state);
	d->state = NULL;
	if (d->fd != -1)
		close(d->fd);
	d->fd = -1;
}

/* Returns 0 if all is well; in another process, so without assertions. */
typedef int kinds_use(const struct source_kind *, struct device *);

struct kinds_reader {
	struct device *device;
	kinds_use *use;
	sem_t started, go;
};

static inline void *
kinds_thread(void *arg)
{
	struct kinds_reader *r = arg;

	sem_post(&r->started);
	while (sem_wait(&r->go) == -1)
		continue;
	_exit(r->use(kind_find(r->device->spec.kind), r->device));
}

static _Noreturn inline void
kinds_child(struct device *d, kinds_use *use)
{
	const struct source_kind *kind = kind_find(d->spec.kind);
	struct sandbox_rule rules[COUNT(kinds_base) + 16];
	struct kinds_reader r = { .device = d, .use = use };
	pthread_t thread;

	if (COUNT(kinds_base) + kind->nrules > COUNT(rules))
		_exit(100);
	memcpy(rules, kinds_base, sizeof(kinds_base));
	for (size_t i = 0; i < kind->nrules; i++)
		rules[COUNT(kinds_base) + i] = kind->rules[i];
	if (kind->prepare != NULL)
		kind->prepare(d);
	if (sem_init(&r.started, 0, 0) != 0 || sem_init(&r.go, 0, 0) != 0 ||
	    pthread_create(&thread, NULL, kinds_thread, &r) != 0)
		_exit(101);
	while (sem_wait(&r.started) == -1)
		continue;
	sandbox_filter(rules, COUNT(kinds_base) + kind->nrules, 0);
	sem_post(&r.go);
	for (;;)
		poll(NULL, 0, -1);
}

/*
 * Starts a process that uses a device, of which it gets a copy, but not of the
 * other end of it.
 */
static inline pid_t
kinds_start(struct device *d, int other, kinds_use *use)
{
	pid_t pid = fork();

	assert_int_not_equal(pid, -1);
	if (pid == 0) {
		close(other);
		kinds_child(d, use);
	}
	return pid;
}

/* Waits for the end of that process, which must be a good one. */
static inline void
kinds_end(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFSIGNALED(status))
		fail_msg("killed by %s", strsignal(WTERMSIG(status)));
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* Opens, reads once, closes. */
static inline int
kinds_use_once(const struct source_kind *kind, struct device *d)
{
	uint8_t buf[64];

	if (kind->open != NULL && kind->open(d) != 0)
		return 1;
	if (kind->read(d, buf, sizeof(buf)) <= 0)
		return 2;
	if (kind->close != NULL)
		kind->close(d);
	return d->unwell ? 3 : 0;
}

/* Must wait forever: any result is wrong. */
static inline int
kinds_use_silent(const struct source_kind *kind, struct device *d)
{
	uint8_t byte;

	if (kind->open != NULL && kind->open(d) != 0)
		return 110;
	return kind->read(d, &byte, 1) < 0 ? 111 : 112;
}

#define SILENCE_MS   1000
#define SILENCE_COST 250 /* ms of a processor: one that spins takes all */

/* The processes wait, together, and do nothing else. */
static inline void
kinds_silent(const pid_t *pids, size_t n)
{
	struct rusage usage;
	uint64_t ms;
	int status;

	poll(NULL, 0, SILENCE_MS);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(kill(pids[i], SIGKILL), 0);
		assert_int_equal(wait4(pids[i], &status, 0, &usage), pids[i]);
		assert_true(WIFSIGNALED(status));
		assert_int_equal(WTERMSIG(status), SIGKILL);
		ms = (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) *
			1000 +
		    (uint64_t)(usage.ru_utime.tv_usec +
			usage.ru_stime.tv_usec) /
			1000;
		assert_in_range(ms, 0, SILENCE_COST);
	}
}

/* A TCP or UDP socket on a port of its own of the loopback interface. */
static inline int
kinds_inet(int type, struct sockaddr_in *address)
{
	socklen_t size = sizeof(*address);
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

	assert_int_not_equal(fd, -1);
	*address = (struct sockaddr_in){ .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	assert_int_equal(bind(fd, (struct sockaddr *)address, size), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)address, &size), 0);
	return fd;
}

/* Begins to connect, as the parent does it. */
static inline int
kinds_connect(int type, const struct sockaddr_in *address)
{
	int fd = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_int_not_equal(fd, -1);
	if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) ==
	    -1)
		assert_int_equal(errno, EINPROGRESS);
	return fd;
}

/* Makes a pair of connected sockets: ours is fds[0]. */
static inline void
kinds_pair(int domain, int fds[2])
{
	struct sockaddr_in address;
	int listener;

	if (domain == AF_UNIX) {
		assert_int_equal(
		    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
		return;
	}
	listener = kinds_inet(SOCK_STREAM, &address);
	assert_int_equal(listen(listener, 1), 0);
	fds[0] = kinds_connect(SOCK_STREAM, &address);
	fds[1] = accept(listener, NULL, NULL);
	assert_int_not_equal(fds[1], -1);
	close(listener);
}

/* Ends a connection by a reset. */
static inline void
kinds_reset(int fd)
{
	struct linger linger = { .l_onoff = 1 };

	assert_int_equal(
	    setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
	close(fd);
}

#endif
