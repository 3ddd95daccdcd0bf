/*
 * A source's reader thread, on pipes: all that comes goes into stock, in order,
 * and its end is told.
 */
#include "unit.h"

#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>

#include "clock.h"
#include "source.h"

#define CAPACITY   ((size_t)2 * CHUNK_MAX)
#define TIMEOUT_MS 5000

/* The reader never ends, so these do not either. */
static struct stock stock;
static struct source source;

static int
setup(void **state)
{
	(void)state;
	stock_init(&stock, CAPACITY);
	source_start(&source, &stock);
	return 0;
}

/* Waits until the stock holds `len` bytes, and takes them out. */
static void
expect(const uint8_t *bytes, size_t len)
{
	struct pollfd pfd = { .fd = stock.event_fd, .events = POLLIN };
	struct iovec iov[2];
	uint64_t n;

	while (stock_peek(&stock, len, iov) < len) {
		assert_int_equal(poll(&pfd, 1, TIMEOUT_MS), 1);
		assert_int_equal(read(stock.event_fd, &n, sizeof(n)),
		    sizeof(n));
	}
	assert_memory_equal(iov[0].iov_base, bytes, iov[0].iov_len);
	assert_memory_equal(iov[1].iov_base, bytes + iov[0].iov_len,
	    iov[1].iov_len);
	stock_remove(&stock, len);
}

static void
expect_lost(int wanted)
{
	struct pollfd pfd = { .fd = stock.event_fd, .events = POLLIN };
	uint64_t deadline = clock_now() + TIMEOUT_MS * NS_PER_MS, n;
	int error = -1;

	while (!source_take_lost(&source, &error)) {
		assert_true(clock_now() < deadline);
		assert_int_equal(poll(&pfd, 1, TIMEOUT_MS), 1);
		assert_int_equal(read(stock.event_fd, &n, sizeof(n)),
		    sizeof(n));
	}
	assert_int_equal(error, wanted);
	assert_false(source_take_lost(&source, &error));
}

static void
feed(int fd, size_t len, uint64_t seed)
{
	uint8_t bytes[1000];

	assert_true(len <= sizeof(bytes));
	unit_fill(bytes, len, seed);
	assert_int_equal(write(fd, bytes, len), len);
	expect(bytes, len);
}

/* Bytes, end of file, and another source after that. */
static void
test_pipes(void **state)
{
	int fds[2], error;

	(void)state;
	for (uint64_t i = 0; i < 3; i++) {
		assert_int_equal(pipe2(fds, i == 1 ? O_NONBLOCK : 0), 0);
		source_open(&source, fds[0]);
		feed(fds[1], 1, i);
		feed(fds[1], 1000, i + 10);
		feed(fds[1], 63, i + 20);
		assert_false(source_take_lost(&source, &error));
		close(fds[1]);
		expect_lost(0);
		/* It was closed, too. */
		assert_int_equal(fcntl(fds[0], F_GETFD), -1);
	}
}

static void
test_error(void **state)
{
	int fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	(void)state;
	assert_int_not_equal(fd, -1);
	source_open(&source, fd);
	expect_lost(EISDIR);
}

/* Packets: a read returns what one of them has. */
static void
test_packets(void **state)
{
	int fds[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM, 0, fds), 0);
	source_open(&source, fds[0]);
	for (uint64_t i = 1; i < 50; i++)
		feed(fds[1], i, i);
	close(fds[1]);
}

static void
test_chunks(void **state)
{
	const uint64_t fast = NS_PER_MS / 10, slow = 50 * NS_PER_MS;
	size_t chunk = CHUNK_MIN;

	(void)state;
	for (int i = 0; i < 30; i++)
		chunk = chunk_next(chunk, fast);
	assert_int_equal(chunk, CHUNK_MAX);
	assert_int_equal(chunk_next(chunk, 5 * NS_PER_MS), chunk);
	assert_int_equal(chunk_next(chunk, slow), CHUNK_MAX / 2);
	for (int i = 0; i < 30; i++)
		chunk = chunk_next(chunk, slow);
	assert_int_equal(chunk, CHUNK_MIN);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pipes),
		cmocka_unit_test(test_error),
		cmocka_unit_test(test_packets),
		cmocka_unit_test(test_chunks),
	};

	signal(SIGPIPE, SIG_IGN);
	alarm(UNIT_TIMEOUT);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("source", tests, setup, NULL);
}
