/*
 * Kinds of sources: what they have in common, and those that need no more than
 * a system call: kernel and device.
 */
#include "unit/kind/kinds.h"

#include "common/channel.h"

#include <sys/stat.h>

#include <stdio.h>

static void
test_find(void **state)
{
	static const struct {
		const struct source_kind *kind;
		bool has_fd;
	} kinds[SOURCE_KINDS] = {
		[SOURCE_KERNEL] = { &kind_kernel, false },
		[SOURCE_DEVICE] = { &kind_device, true },
		[SOURCE_SERIAL] = { &kind_serial, true },
		[SOURCE_QNG] = { &kind_qng, true },
		[SOURCE_CPU] = { &kind_cpu, false },
		[SOURCE_EGD] = { &kind_egd, true },
		[SOURCE_STREAM] = { &kind_stream, true },
	};
	const struct source_kind *kind;

	(void)state;
	for (uint32_t i = 0; i < SOURCE_KINDS; i++) {
		assert_non_null(kind = kind_find(i));
		assert_ptr_equal(kind, kinds[i].kind);
		assert_int_equal(kind->has_fd, kinds[i].has_fd);
		assert_non_null(kind->read);
	}
	assert_null(kind_find(SOURCE_KINDS));
	assert_null(kind_find(UINT32_MAX));
}

/* The rules of all kinds make one filter. */
static void
test_rules(void **state)
{
	struct sandbox_rule rules[COUNT(kinds_base) + SOURCE_KINDS * 8];
	const struct source_kind *kind;
	size_t n = COUNT(kinds_base);
	pid_t pid;

	(void)state;
	memcpy(rules, kinds_base, sizeof(kinds_base));
	for (uint32_t i = 0; i < SOURCE_KINDS; i++) {
		kind = kind_find(i);
		for (size_t j = 0; kind != NULL && j < kind->nrules; j++) {
			assert_true(n < COUNT(rules));
			assert_non_null(kind->rules[j].why);
			rules[n++] = kind->rules[j];
		}
	}
	pid = fork();
	assert_int_not_equal(pid, -1);
	if (pid == 0) {
		sandbox_filter(rules, n, 0);
		_exit(0);
	}
	kinds_end(pid);
}

static void
test_kernel(void **state)
{
	struct device d = kinds_device(SOURCE_KERNEL, -1);
	struct device other = kinds_device(SOURCE_KERNEL, -1);

	(void)state;
	assert_int_equal(kinds_open(&d), 0);
	assert_int_equal(kinds_open(&other), 0);
	/* By the vDSO each reader has a state of its own. */
	if (d.state != NULL)
		assert_ptr_not_equal(d.state, other.state);
	for (size_t size = 1; size <= 65536; size *= 2) {
		kinds_check_random(&d, size);
		kinds_check_random(&other, size);
	}
	kinds_close(&d);
	/* By the system call, as with a kernel without that function. */
	free(d.state);
	free(other.state);
	d.state = NULL;
	for (size_t size = 1; size <= 65536; size *= 2)
		kinds_check_random(&d, size);
	kinds_end(kinds_start(&d, -1, kinds_use_once));
}

static void
test_device_pipe(void **state)
{
	struct device d;
	uint8_t bytes[1000];
	int fds[2];

	(void)state;
	for (int flags = 0; flags <= O_NONBLOCK; flags += O_NONBLOCK) {
		assert_int_equal(pipe2(fds, flags | O_CLOEXEC), 0);
		d = kinds_device(SOURCE_DEVICE, fds[0]);
		assert_int_equal(kinds_open(&d), 0);
		unit_fill(bytes, sizeof(bytes), 1);
		assert_int_equal(write(fds[1], bytes, sizeof(bytes)),
		    sizeof(bytes));
		kinds_expect(&d, bytes, 1);
		kinds_expect(&d, bytes + 1, 63);
		kinds_expect(&d, bytes + 64, sizeof(bytes) - 64);
		close(fds[1]);
		assert_int_equal(kinds_read(&d, bytes, 10), 0);
		assert_int_equal(kinds_read(&d, bytes, 10), 0);
		kinds_close(&d);
	}
}

/* It waits, under the filter, until there is something. */
static void
test_device_waits(void **state)
{
	struct device d;
	int fds[2];
	pid_t pid;

	(void)state;
	for (int flags = 0; flags <= O_NONBLOCK; flags += O_NONBLOCK) {
		assert_int_equal(pipe2(fds, flags | O_CLOEXEC), 0);
		d = kinds_device(SOURCE_DEVICE, fds[0]);
		pid = kinds_start(&d, fds[1], kinds_use_once);
		poll(NULL, 0, 100);
		assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
		assert_int_equal(write(fds[1], "x", 1), 1);
		kinds_end(pid);
		close(fds[1]);
		kinds_close(&d);
	}
}

/* Packets of QNG generators: bytes in pieces, an error, a fault, the end. */
static void
test_qng(void **state)
{
	static struct proto_usb_packet p;
	const size_t header = offsetof(struct proto_usb_packet, bytes);
	struct device d;
	uint8_t bytes[USB_BYTES_MAX], byte;
	int fds[2];

	(void)state;
	assert_int_equal(channel_pair(fds), 0);
	d = kinds_device(SOURCE_QNG, fds[1]);
	assert_int_equal(kinds_open(&d), 0);
	unit_fill(bytes, sizeof(bytes), 1);
	memcpy(p.bytes, bytes, sizeof(bytes));
	assert_int_equal(write(fds[0], &p, sizeof(p)), sizeof(p));
	assert_int_equal(write(fds[0], &p, header + 1), header + 1);
	kinds_expect(&d, bytes, 1);
	kinds_expect(&d, bytes + 1, sizeof(bytes) - 1);
	kinds_expect(&d, bytes, 1);
	for (p.unwell = 0; p.unwell < 2; p.unwell++) {
		p.error = ETIMEDOUT;
		assert_int_equal(write(fds[0], &p, header), header);
		assert_int_equal(kinds_read(&d, &byte, 1), -1);
		assert_int_equal(errno, ETIMEDOUT);
		assert_int_equal(d.unwell, p.unwell == 1);
	}
	/* No packets of this protocol. */
	p = (struct proto_usb_packet){ 0 };
	for (size_t size = 1; size <= header; size += header - 1) {
		assert_int_equal(write(fds[0], &p, size), size);
		assert_int_equal(kinds_read(&d, &byte, 1), -1);
		assert_int_equal(errno, EPROTO);
	}
	close(fds[0]);
	assert_int_equal(kinds_read(&d, &byte, 1), 0);
	kinds_close(&d);
}

static void
test_device_fifo(void **state)
{
	char dir[] = "/tmp/vrngd-kinds-XXXXXX", path[sizeof(dir) + 5];
	struct device d;
	uint8_t byte;
	int writer;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/fifo", dir);
	assert_int_equal(mkfifo(path, 0600), 0);
	d = kinds_device(SOURCE_DEVICE,
	    open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC));
	assert_int_not_equal(d.fd, -1);
	assert_int_equal(kinds_read(&d, &byte, 1), 0); /* has no writer */
	writer = open(path, O_WRONLY | O_CLOEXEC);
	assert_int_not_equal(writer, -1);
	assert_int_equal(write(writer, "fifo", 4), 4);
	kinds_expect(&d, (const uint8_t *)"fifo", 4);
	close(writer);
	kinds_close(&d);
	unlink(path);
	rmdir(dir);
}

static void
test_device_file(void **state)
{
	char path[] = "/tmp/vrngd-kinds-XXXXXX";
	uint8_t bytes[5000];
	struct device d;

	(void)state;
	d = kinds_device(SOURCE_DEVICE, mkstemp(path));
	assert_int_not_equal(d.fd, -1);
	unlink(path);
	unit_fill(bytes, sizeof(bytes), 2);
	assert_int_equal(write(d.fd, bytes, sizeof(bytes)), sizeof(bytes));
	assert_int_equal(lseek(d.fd, 0, SEEK_SET), 0);
	kinds_expect(&d, bytes, sizeof(bytes));
	assert_int_equal(kinds_read(&d, bytes, 1), 0);
	kinds_close(&d);
}

/* A terminal whose other end is gone, memory that is not there, a directory. */
static void
test_device_errors(void **state)
{
	struct device d;
	uint8_t byte;
	int fd;

	(void)state;
	d = kinds_device(SOURCE_DEVICE,
	    posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC));
	assert_int_equal(grantpt(d.fd), 0);
	assert_int_equal(unlockpt(d.fd), 0);
	fd = open(ptsname(d.fd), O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_int_not_equal(fd, -1);
	close(fd);
	assert_int_equal(kinds_read(&d, &byte, 1), -1);
	assert_int_equal(errno, EIO);
	kinds_close(&d);

	d = kinds_device(SOURCE_DEVICE,
	    open("/proc/self/mem", O_RDONLY | O_CLOEXEC));
	assert_int_equal(kinds_read(&d, &byte, 1), -1);
	assert_int_equal(errno, EIO);
	kinds_close(&d);

	d = kinds_device(SOURCE_DEVICE, open("/", O_RDONLY | O_CLOEXEC));
	assert_int_equal(kinds_read(&d, &byte, 1), -1);
	assert_int_equal(errno, EISDIR);
	kinds_close(&d);
}

/* A device that is always ready, as its poll(2) says, but never has a byte. */
static pid_t
start_liar(int fd)
{
	scmp_filter_ctx ctx;
	pid_t pid = fork();
	uint8_t byte;

	assert_int_not_equal(pid, -1);
	if (pid != 0)
		return pid;
	if ((ctx = seccomp_init(SCMP_ACT_ALLOW)) == NULL ||
	    seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EAGAIN), SCMP_SYS(read), 1,
		SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)fd, 0)) != 0 ||
	    seccomp_load(ctx) != 0)
		_exit(1);
	_exit(kind_read(fd, &byte, 1) == -1 ? 2 : 3);
}

static void
test_device_silent(void **state)
{
	int blocking[2], nonblocking[2];
	struct device d[] = { kinds_device(SOURCE_DEVICE, -1),
		kinds_device(SOURCE_DEVICE, -1) };
	int zero = open("/dev/zero", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	pid_t pids[3];

	(void)state;
	assert_int_not_equal(zero, -1);
	assert_int_equal(pipe2(blocking, O_CLOEXEC), 0);
	assert_int_equal(pipe2(nonblocking, O_CLOEXEC | O_NONBLOCK), 0);
	d[0].fd = blocking[0];
	d[1].fd = nonblocking[0];
	pids[0] = kinds_start(&d[0], blocking[1], kinds_use_silent);
	pids[1] = kinds_start(&d[1], nonblocking[1], kinds_use_silent);
	pids[2] = start_liar(zero);
	kinds_silent(pids, 3);
	close(zero);
	close(blocking[1]);
	close(nonblocking[1]);
	kinds_close(&d[0]);
	kinds_close(&d[1]);
}

/* kind_write(): all of it, even if the other end takes its time. */
static void
test_write(void **state)
{
	static uint8_t bytes[300000], got[sizeof(bytes)];
	size_t len = 0;
	int fds[2];
	ssize_t n;
	pid_t pid;

	(void)state;
	unit_fill(bytes, sizeof(bytes), 3);
	assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
	pid = fork();
	assert_int_not_equal(pid, -1);
	if (pid == 0)
		_exit(kind_write(fds[1], bytes, sizeof(bytes)));
	close(fds[1]);
	poll(NULL, 0, 100);
	while ((n = kind_read(fds[0], got + len, sizeof(got) - len)) > 0)
		len += (size_t)n;
	assert_int_equal(len, sizeof(got));
	assert_memory_equal(got, bytes, sizeof(got));
	kinds_end(pid);
	close(fds[0]);

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	close(fds[0]);
	assert_int_equal(kind_write(fds[1], "x", 1), EPIPE);
	close(fds[1]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_rules),
		cmocka_unit_test(test_kernel),
		cmocka_unit_test(test_device_pipe),
		cmocka_unit_test(test_device_waits),
		cmocka_unit_test(test_device_fifo),
		cmocka_unit_test(test_qng),
		cmocka_unit_test(test_device_file),
		cmocka_unit_test(test_device_errors),
		cmocka_unit_test(test_device_silent),
		cmocka_unit_test(test_write),
	};

	return UNIT_MAIN("kinds", tests);
}
