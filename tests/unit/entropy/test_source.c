/*
 * A source's reader thread, on pipes: what comes is tested, goes into stock in
 * order, and its end is reported.
 */
#include "unit/entropy/pipes.h"

#include <errno.h>
#include <fcntl.h>

#define CAPACITY ((size_t)2 * CHUNK_MAX)

static struct source sources[20];

/* A source that no other test has. */
static struct counters_source counters[sizeof(sources) / sizeof(*sources)];

static struct source *
source_new(uint32_t noise, size_t capacity)
{
	static uint32_t next;
	struct source *src = &sources[next];
	struct proto_source spec = pipe_spec(next++);

	assert_true(next <= sizeof(sources) / sizeof(*sources));
	spec.noise = noise;
	source_start(src, &spec, kind_find(SOURCE_DEVICE),
	    &counters[spec.number], capacity,
	    eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
	return src;
}

/* Takes what was fed with that seed out of stock. */
static void
expect(struct source *src, size_t len, uint64_t seed)
{
	uint8_t bytes[32768];
	struct iovec iov[2];

	pipe_await_stock(&src->stock, len);
	unit_fill(bytes, len, seed);
	assert_int_equal(stock_peek(&src->stock, len, iov), len);
	assert_memory_equal(iov[0].iov_base, bytes, iov[0].iov_len);
	assert_memory_equal(iov[1].iov_base, bytes + iov[0].iov_len,
	    iov[1].iov_len);
	stock_remove(&src->stock, len);
}

/* Bytes after a start-up, end of file, and another pipe after that. */
static void
test_pipes(void **state)
{
	struct source *src = source_new(NOISE_CONDITIONED, CAPACITY);
	struct proto_source_state s;
	int fd, given;

	(void)state;
	source_state(src, clock_now(), &s);
	assert_int_equal(s.status, SOURCE_WAITING);
	assert_int_equal(s.closed, 1);
	for (uint64_t i = 1; i < 4; i++) {
		fd = pipe_open(src);
		assert_int_equal(source_open(src, fd), -1);
		pipe_feed(fd, PIPE_START_UP - 1, i);
		pipe_await(src, SOURCE_STARTING, 0, &s);
		usleep(20000);
		assert_int_equal(stock_held(&src->stock), 0);
		given = src->dev.fd;
		close(fd);
		/* What has not passed the tests is gone. */
		pipe_await(src, SOURCE_LOST, 1, &s);
		assert_int_equal(s.error, 0);
		assert_int_equal(fcntl(given, F_GETFD), -1);
		assert_int_equal(stock_held(&src->stock), 0);
		fd = pipe_open(src);
		pipe_feed(fd, PIPE_START_UP, i + 10);
		expect(src, PIPE_START_UP, i + 10);
		pipe_await(src, SOURCE_OK, 0, &s);
		pipe_feed(fd, 1, i + 20);
		expect(src, 1, i + 20);
		pipe_feed(fd, 20000, i + 30);
		close(fd);
		/* What has passed them is still good. */
		pipe_await(src, SOURCE_LOST, 1, &s);
		expect(src, 20000, i + 30);
		assert_int_equal(s.opened, 2 * i);
		assert_int_equal(src->counters->meter.total,
		    i * (2 * PIPE_START_UP - 1 + 1 + 20000));
		assert_int_equal(src->counters->health.alarms[TEST_NONE], i);
	}
}

static void
test_error(void **state)
{
	struct source *src = source_new(NOISE_CONDITIONED, CAPACITY);
	struct proto_source_state s;
	int fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	(void)state;
	assert_int_not_equal(fd, -1);
	assert_int_equal(source_open(src, fd), 0);
	pipe_await(src, SOURCE_LOST, 1, &s);
	assert_int_equal(s.error, EISDIR);
}

/* A source that fails a test: all that it has is wiped, and it is closed. */
static void
test_fails(void **state)
{
	const uint8_t zero[64] = { 0 };
	struct source *src = source_new(NOISE_CONDITIONED, CAPACITY);
	struct proto_source_state s;
	int fd = pipe_open(src);

	(void)state;
	pipe_feed(fd, 2000, 1);
	pipe_await_stock(&src->stock, 2000);
	assert_int_equal(write(fd, zero, sizeof(zero)), sizeof(zero));
	pipe_await(src, SOURCE_FAILED, 1, &s);
	assert_int_equal(s.test, TEST_STUCK);
	assert_int_equal(src->counters->health.alarms[TEST_STUCK], 1);
	assert_int_equal(stock_held(&src->stock), 0);
	close(fd);
	fd = pipe_open(src);
	pipe_feed(fd, PIPE_START_UP, 2);
	expect(src, PIPE_START_UP, 2);
	close(fd);
}

/*
 * A counter: of what a source begins with no more than 5,000 bytes are given,
 * none after the next start, and all again once a block was good.
 */
static void
test_counts(void **state)
{
	struct source *src = source_new(NOISE_CONDITIONED, CAPACITY);
	struct proto_source_state s;
	uint64_t numbers[25];
	int fd;

	(void)state;
	for (uint64_t start = 0; start < 2; start++) {
		fd = pipe_open(src);
		for (uint64_t i = 0; i < 75; i++) {
			for (uint64_t j = 0; j < 25; j++)
				numbers[j] = start << 32 | (i * 25 + j);
			assert_int_equal(write(fd, numbers, sizeof(numbers)),
			    sizeof(numbers));
			assert_true(stock_held(&src->stock) <= 5000);
		}
		pipe_await(src, SOURCE_FAILED, 1, &s);
		assert_int_equal(s.test, TEST_STATISTICS);
		assert_int_equal(stock_held(&src->stock), 0);
		close(fd);
		assert_int_equal(src->counters->health.alarms[TEST_STATISTICS],
		    start + 1);
	}
	assert_int_equal(src->counters->health.alarms[TEST_NONE], 1);
	fd = pipe_open(src);
	pipe_feed(fd, 2500, 3);
	usleep(20000);
	assert_int_equal(stock_held(&src->stock), 0);
	pipe_feed(fd, PIPE_START_UP, 4);
	expect(src, PIPE_START_UP, 4);
	close(fd);
}

/* Noise that is none at all is latched, however slowly it comes. */
static void
test_latched(void **state)
{
	struct source *src = source_new(NOISE_RAW, CAPACITY);
	struct proto_source_state s;
	int fd = pipe_open(src);

	(void)state;
	pipe_feed(fd, 3000, 1);
	pipe_await_stock(&src->stock, 3000);
	for (int i = 0; i < 6; i++)
		assert_int_equal(write(fd, "a", 1), 1);
	pipe_await(src, SOURCE_FAILED, 0, &s);
	assert_int_equal(stock_held(&src->stock), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(write(fd, "a", 1), 1);
	pipe_await(src, SOURCE_LATCHED, 1, &s);
	assert_int_equal(s.test, TEST_REPETITION);
	close(fd);
}

/* A source that yields nothing has stalled, until it yields enough. */
static void
test_stalls(void **state)
{
	struct source *src = source_new(NOISE_CONDITIONED, STOCK_SIZE_MIN);
	struct proto_source_state s;
	int fd;

	(void)state;
	assert_true(source_deadline(src, clock_now()) == UINT64_MAX);
	fd = pipe_open(src);
	pipe_feed(fd, PIPE_START_UP, 1);
	pipe_await(src, SOURCE_OK, 0, &s);
	assert_true(
	    source_deadline(src, clock_now()) <= clock_now() + PIPE_STALL_NS);
	pipe_await(src, SOURCE_STALLED, 0, &s);
	assert_true(source_deadline(src, clock_now()) == UINT64_MAX);
	pipe_feed(fd, 10, 2);
	pipe_await_stock(&src->stock, PIPE_START_UP + 10);
	source_state(src, clock_now(), &s);
	assert_int_equal(s.status, SOURCE_STALLED);
	pipe_feed(fd, 600, 3);
	pipe_await(src, SOURCE_OK, 0, &s);
	/* A source with a full stock does not stall. */
	pipe_feed(fd, 4 * STOCK_SIZE_MIN, 4);
	while (!stock_full(&src->stock))
		usleep(1000);
	usleep(2 * PIPE_STALL_NS / 1000);
	source_state(src, clock_now(), &s);
	assert_int_equal(s.status, SOURCE_OK);
	assert_true(source_deadline(src, clock_now()) == UINT64_MAX);
	close(fd);
}

/* A hang-up is noticed while the stock is full; what is in it stays. */
static void
test_hangs_up(void **state)
{
	struct source *src = source_new(NOISE_CONDITIONED, STOCK_SIZE_MIN);
	struct proto_source_state s;
	size_t held;
	int fd;

	(void)state;
	for (uint32_t i = 1; i < 3; i++) {
		fd = pipe_open(src);
		pipe_feed(fd, 4 * STOCK_SIZE_MIN, i);
		while (!stock_full(&src->stock))
			usleep(1000);
		pipe_await(src, SOURCE_OK, 0, &s);
		close(fd);
		/* That of an earlier time does not count. */
		source_hang_up(src, i - 1);
		usleep(20000);
		source_state(src, clock_now(), &s);
		assert_int_equal(s.status, SOURCE_OK);
		held = stock_held(&src->stock);
		source_hang_up(src, i);
		pipe_await(src, SOURCE_LOST, 1, &s);
		assert_int_equal(s.error, 0);
		assert_int_equal(stock_held(&src->stock), held);
		source_hang_up(src, i);
	}
	/* While there is room, all that was sent is read. */
	fd = pipe_open(src);
	stock_remove(&src->stock, stock_held(&src->stock));
	source_hang_up(src, 3);
	pipe_feed(fd, PIPE_START_UP, 3);
	expect(src, PIPE_START_UP, 3);
	close(fd);
	pipe_await(src, SOURCE_LOST, 1, &s);
}

/* Waits until the reader has waited for bytes for 3 ms. */
static void
await_reader(struct source *src)
{
	uint64_t since;

	do {
		usleep(1000);
		pthread_mutex_lock(&src->lock);
		since = src->reading;
		pthread_mutex_unlock(&src->lock);
	} while (since == 0 || clock_now() - since < 3 * NS_PER_MS);
}

/*
 * Feeds a source slowly, so that it is read in small pieces, until it has less
 * room than start-up tests need; returns how much is in its stock.
 */
static size_t
trickle(struct source *src, int fd)
{
	size_t n = 0;

	for (uint64_t i = 1; n <= STOCK_SIZE_MIN - PIPE_START_UP; i++) {
		await_reader(src);
		pipe_feed(fd, CHUNK_MIN, i);
		n += CHUNK_MIN;
	}
	pipe_await_stock(&src->stock, n);
	return n;
}

/* A source recovers although its remaining bytes are not removed. */
static void
test_comes_back(void **state)
{
	struct source *src = source_new(NOISE_CONDITIONED, STOCK_SIZE_MIN);
	struct proto_source_state s;
	int fd = pipe_open(src);
	size_t had;

	(void)state;
	had = trickle(src, fd);
	close(fd);
	pipe_await(src, SOURCE_LOST, 1, &s);
	assert_int_equal(stock_held(&src->stock), had);
	fd = pipe_open(src);
	pipe_feed(fd, PIPE_START_UP, 2);
	pipe_await(src, SOURCE_OK, 0, &s);
	close(fd);
}

/* So does one that stalled when there was little room. */
static void
test_stalls_full(void **state)
{
	struct source *src = source_new(NOISE_CONDITIONED, STOCK_SIZE_MIN);
	struct proto_source_state s;
	int fd = pipe_open(src);
	size_t had;

	(void)state;
	had = trickle(src, fd);
	pipe_await(src, SOURCE_STALLED, 0, &s);
	pipe_feed(fd, STOCK_SIZE_MIN - had, 100);
	pipe_await(src, SOURCE_OK, 0, &s);
	usleep(2 * PIPE_STALL_NS / 1000);
	source_state(src, clock_now(), &s);
	assert_int_equal(s.status, SOURCE_OK);
	close(fd);
}

/* What was being tested when it was condemned is not handed out either. */
static void
test_condemned_testing(void **state)
{
	static uint8_t bytes[CHUNK_MAX];
	struct source *src = source_new(NOISE_RAW, 4 * CHUNK_MAX);
	struct proto_source_state s;
	int fd = pipe_open(src);
	uint64_t had;

	(void)state;
	assert_true(fcntl(fd, F_SETPIPE_SZ, 16 * CHUNK_MAX) >= 0);
	for (uint64_t i = 1; i <= 8; i++) {
		unit_fill(bytes, sizeof(bytes), i);
		assert_int_equal(write(fd, bytes, sizeof(bytes)),
		    sizeof(bytes));
	}
	pipe_await(src, SOURCE_OK, 0, &s);
	while (counters_load(&src->counters->meter.total) < CHUNK_MAX)
		continue;
	/* With the next piece it is busy for a while. */
	stock_remove(&src->stock, stock_held(&src->stock));
	had = counters_load(&src->counters->meter.total);
	while (counters_load(&src->counters->meter.total) == had)
		continue;
	source_condemn(src, TEST_COMBINED);
	do {
		source_state(src, clock_now(), &s);
		assert_int_equal(s.status, SOURCE_FAILED);
	} while (!s.closed);
	assert_int_equal(stock_held(&src->stock), 0);
	/* None of its bytes is left. */
	for (size_t i = 0; i < src->stock.capacity; i++)
		assert_int_equal(src->stock.bytes[i], 0);
	close(fd);
}

/* One that is condemned is out at once, and closed when it can be. */
static void
test_condemned(void **state)
{
	struct source *src = source_new(NOISE_CONDITIONED, CAPACITY);
	struct proto_source_state s;
	int fd = pipe_open(src);

	(void)state;
	pipe_feed(fd, 1000, 1);
	pipe_await_stock(&src->stock, 1000);
	source_condemn(src, TEST_COMBINED);
	assert_int_equal(stock_held(&src->stock), 0);
	source_state(src, clock_now(), &s);
	assert_int_equal(s.status, SOURCE_FAILED);
	assert_int_equal(s.closed, 0);
	/* It is not being waited for: no reason to wake up. */
	assert_true(source_deadline(src, clock_now()) == UINT64_MAX);
	pipe_feed(fd, 1000, 2);
	pipe_await(src, SOURCE_FAILED, 1, &s);
	assert_int_equal(s.test, TEST_COMBINED);
	assert_int_equal(src->counters->health.alarms[TEST_COMBINED], 1);
	assert_int_equal(stock_held(&src->stock), 0);
	close(fd);
	fd = pipe_open(src);
	pipe_feed(fd, PIPE_START_UP, 3);
	expect(src, PIPE_START_UP, 3);
	close(fd);
}

static void
test_chunks(void **state)
{
	const uint64_t fast = NS_PER_MS / 10, slow = 50 * NS_PER_MS;
	size_t chunk = CHUNK_MIN;

	(void)state;
	for (int i = 0; i < 30; i++)
		chunk = chunk_next(chunk, CHUNK_MAX, fast);
	assert_int_equal(chunk, CHUNK_MAX);
	assert_int_equal(chunk_next(chunk, CHUNK_MAX, 5 * NS_PER_MS), chunk);
	assert_int_equal(chunk_next(chunk, CHUNK_MAX, slow), CHUNK_MAX / 2);
	for (int i = 0; i < 30; i++)
		chunk = chunk_next(chunk, CHUNK_MAX, slow);
	assert_int_equal(chunk, CHUNK_MIN);
	for (int i = 0; i < 30; i++)
		chunk = chunk_next(chunk, 3000, fast);
	assert_int_equal(chunk, 3000);
}

static size_t bulk_largest; /* of the reads, with the stock's lock */
static struct stock *bulk_stock;

/* A fast source. */
static ssize_t
bulk_read(struct device *d, uint8_t *buf, size_t size)
{
	static uint64_t seed;

	(void)d;
	unit_fill(buf, size, ++seed);
	pthread_mutex_lock(&bulk_stock->lock);
	if (size > bulk_largest)
		bulk_largest = size;
	pthread_mutex_unlock(&bulk_stock->lock);
	return (ssize_t)size;
}

/* Takes `n` bytes.  Returns the largest read until the stock is full again. */
static size_t
bulk_refill(size_t n)
{
	size_t largest;

	while (!stock_full(bulk_stock))
		usleep(100);
	pthread_mutex_lock(&bulk_stock->lock);
	bulk_largest = 0;
	pthread_mutex_unlock(&bulk_stock->lock);
	stock_remove(bulk_stock, n);
	while (!stock_full(bulk_stock))
		usleep(100);
	pthread_mutex_lock(&bulk_stock->lock);
	largest = bulk_largest;
	pthread_mutex_unlock(&bulk_stock->lock);
	return largest;
}

/*
 * A stock that is little used is refilled in small pieces, so that the reader
 * does not keep a processor for long; one that is nearly empty in large ones.
 */
static void
test_pieces(void **state)
{
	static const struct source_kind bulk = { .read = bulk_read };
	static struct source src;
	static struct counters_source counts;
	struct proto_source spec = pipe_spec(0);
	size_t largest = 0;

	(void)state;
	bulk_stock = &src.stock;
	source_start(&src, &spec, &bulk, &counts, 4 * CHUNK_MAX,
	    eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
	assert_int_equal(source_open(&src, -1), 0);
	for (int i = 0; i < 20; i++)
		assert_in_range(bulk_refill(CHUNK_MAX), 1, 16384);
	for (int i = 0; i < 100 && largest <= 16384; i++)
		largest = bulk_refill(stock_held(bulk_stock));
	assert_in_range(largest, 16385, CHUNK_MAX);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pipes),
		cmocka_unit_test(test_error),
		cmocka_unit_test(test_fails),
		cmocka_unit_test(test_counts),
		cmocka_unit_test(test_latched),
		cmocka_unit_test(test_stalls),
		cmocka_unit_test(test_hangs_up),
		cmocka_unit_test(test_comes_back),
		cmocka_unit_test(test_stalls_full),
		cmocka_unit_test(test_condemned),
		cmocka_unit_test(test_condemned_testing),
		cmocka_unit_test(test_chunks),
		cmocka_unit_test(test_pieces),
	};

	return UNIT_MAIN("source", tests);
}
