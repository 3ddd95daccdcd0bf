/*
 * What the machine itself has to offer as sources, as far as it does, and
 * devices that cannot be read.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "integration/peer.h"
#include "processor.h"

#define SECOND 1000

static void
served(struct suite *s, size_t len)
{
	uint8_t buf[65536];

	assert_true(len <= sizeof(buf));
	for (size_t n = 0; n < len; n += 64)
		peer_receive(s, buf + n, 64);
	suite_random(buf, len);
	suite_unique(buf, len);
	suite_pass(s);
}

static void
with_cpu(struct suite *s, const char *instruction, bool rdseed)
{
	if (!processor_has(rdseed))
		suite_skip(s, "the processor has no such instruction");
	peer_start(s, "source \"cpu\" { type = cpu instruction = %s }",
	    instruction);
	served(s, 16384);
	assert_int_equal(daemon_log_count(&s->d, "warning"), 0);
}

static void
test_rdseed(void **state)
{
	with_cpu(*state, "rdseed", true);
}

static void
test_rdrand(void **state)
{
	with_cpu(*state, "rdrand", false);
}

static void
test_kernel_and_cpu(void **state)
{
	struct suite *s = *state;

	if (!processor_has(true) && !processor_has(false))
		suite_skip(s, "the processor lacks both instructions");
	peer_start(s,
	    "combine = xor source \"cpu\" { type = cpu } "
	    "source \"kernel\" { type = kernel }");
	served(s, 65536);
}

static bool
readable(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct pollfd pfd = { fd, POLLIN, 0 };
	uint8_t byte;
	ssize_t n = -1;

	for (int i = 0; fd != -1 && n == -1 && i < 10; i++) {
		n = read(fd, &byte, 1);
		if (n == -1 && errno != EAGAIN)
			break;
		poll(&pfd, 1, 100);
	}
	if (fd != -1)
		close(fd);
	return n == 1;
}

static void
test_hwrng(void **state)
{
	struct suite *s = *state;

	if (!readable("/dev/hwrng")) {
		suite_skip(s, "there is no /dev/hwrng that can be read");
	}
	peer_start(s,
	    "stock = 4K source \"hwrng\" { type = device path = /dev/hwrng }");
	served(s, 64);
}

/* Which of several devices can be opened but not read; NULL if none. */
static const char *
broken_device(int *error)
{
	static const char *const paths[] = { "/dev/loop-control",
		"/dev/net/tun", "/dev/fuse", "/dev/kvm" };
	uint8_t byte;
	ssize_t n;
	int fd;

	for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
		fd = open(paths[i], O_RDONLY | O_CLOEXEC | O_NONBLOCK);
		if (fd == -1)
			continue;
		n = read(fd, &byte, 1);
		*error = errno;
		close(fd);
		if (n == -1 && *error != EAGAIN)
			return paths[i];
	}
	return NULL;
}

/* Every read fails: it is opened again ever more rarely, others serve. */
static void
test_read_errors(void **state)
{
	struct suite *s = *state;
	struct usage was;
	const char *path;
	char line[128];
	int error = 0;
	long cpu;

	if ((path = broken_device(&error)) == NULL) {
		suite_skip(s, "there is no device that cannot be read");
	}
	peer_start(s,
	    "source \"broken\" { type = device path = %s } "
	    "source \"kernel\" { type = kernel }",
	    path);
	snprintf(line, sizeof(line), "%s): lost: %s;", path, strerror(error));
	admin_await(s, line, 0);
	admin_await(s, "kernel (getrandom) in use", 0);
	daemon_usage(&s->d, &was);
	cpu = proc_cpu(s->d.pid);
	cpu += proc_cpu(daemon_child(&s->d, ROLE_ENTROPY, NULL));
	usleep(SECOND * 1000);
	cpu = proc_cpu(s->d.pid) - cpu;
	cpu += proc_cpu(daemon_child(&s->d, ROLE_ENTROPY, NULL));
	assert_true(cpu <= sysconf(_SC_CLK_TCK) / 10);
	CHECK(daemon_usage_wait(&s->d, &was, SECOND));
	served(s, 4096);
	assert_int_equal(daemon_log_count(&s->d, "lost: "), 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SUITE_EMPTY(test_rdseed),
		SUITE_EMPTY(test_rdrand),
		SUITE_EMPTY(test_kernel_and_cpu),
		SUITE_EMPTY(test_hwrng),
		SUITE_EMPTY(test_read_errors),
	};

	return SUITE_MAIN("host_sources", tests);
}
