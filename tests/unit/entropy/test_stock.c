/*
 * The stock: first in, first out, around the ring's end, and wiped behind.
 */
#include "unit/unit.h"

#include <pthread.h>
#include <string.h>

#include "common/clock.h"
#include "entropy/stock.h"

#define CAPACITY 4096

/* Puts `len` bytes in, in as many pieces as it takes. */
static void
put(struct stock *s, const uint8_t *from, size_t len)
{
	size_t n;
	uint8_t *to;

	while (len > 0) {
		to = stock_reserve(s, len, &n);
		assert_in_range(n, 1, len);
		memcpy(to, from, n);
		stock_keep(s, n);
		stock_release(s, 0);
		from += n;
		len -= n;
	}
}

/* Takes exactly `len` bytes out. */
static void
take(struct stock *s, uint8_t *to, size_t len)
{
	struct iovec iov[2];

	assert_int_equal(stock_peek(s, len, iov), len);
	assert_int_equal(iov[0].iov_len + iov[1].iov_len, len);
	memcpy(to, iov[0].iov_base, iov[0].iov_len);
	memcpy(to + iov[0].iov_len, iov[1].iov_base, iov[1].iov_len);
	stock_remove(s, len);
}

static void
test_order(void **state)
{
	struct stock s;
	uint8_t in[CAPACITY / 2], out[CAPACITY / 2];
	uint64_t seed = 1;
	size_t len;

	(void)state;
	stock_init(&s, CAPACITY);
	for (uint64_t i = 0; i < 1000; i++) {
		len = 1 + (size_t)unit_below(&seed, sizeof(in));
		unit_fill(in, len, i);
		put(&s, in, len);
		assert_int_equal(stock_held(&s), len);
		take(&s, out, len);
		assert_memory_equal(in, out, len);
	}
}

/* It is full as soon as what is read next does not fit. */
static void
test_full(void **state)
{
	struct stock s;
	uint8_t bytes[CAPACITY / 2];
	size_t n;

	(void)state;
	stock_init(&s, CAPACITY);
	unit_fill(bytes, sizeof(bytes), 1);
	put(&s, bytes, sizeof(bytes));
	assert_false(stock_full(&s));
	stock_reserve(&s, 100, &n);
	stock_keep(&s, 100);
	stock_release(&s, CAPACITY / 2 - 100);
	assert_false(stock_full(&s));
	stock_release(&s, CAPACITY / 2);
	assert_true(stock_full(&s));
	/* And no longer when that much has been taken. */
	stock_remove(&s, 99);
	assert_true(stock_full(&s));
	stock_remove(&s, 1);
	assert_false(stock_full(&s));
}

static void
test_peek(void **state)
{
	struct stock s;
	struct iovec iov[2];
	uint8_t bytes[100];

	(void)state;
	stock_init(&s, CAPACITY);
	assert_int_equal(stock_peek(&s, 10, iov), 0);
	unit_fill(bytes, sizeof(bytes), 1);
	put(&s, bytes, sizeof(bytes));
	/* As many as there are, and they stay. */
	assert_int_equal(stock_peek(&s, 1000, iov), 100);
	assert_int_equal(stock_peek(&s, 40, iov), 40);
	assert_memory_equal(iov[0].iov_base, bytes, 40);
	stock_remove(&s, 30);
	assert_int_equal(stock_peek(&s, 40, iov), 40);
	assert_memory_equal(iov[0].iov_base, bytes + 30, 40);
}

static void
test_wiped(void **state)
{
	struct stock s;
	uint8_t bytes[CAPACITY / 2], zero[CAPACITY] = { 0 };

	(void)state;
	stock_init(&s, CAPACITY);
	unit_fill(bytes, sizeof(bytes), 1);
	for (int i = 0; i < 3; i++) {
		put(&s, bytes, sizeof(bytes) - 100);
		take(&s, bytes, sizeof(bytes) - 100);
		assert_memory_equal(s.bytes, zero, CAPACITY);
	}
}

/* What is kept back is not handed out before it is released, or ever. */
static void
test_kept(void **state)
{
	struct stock s;
	struct iovec iov[2];
	uint8_t bytes[1000], out[1000], zero[CAPACITY] = { 0 };
	uint8_t *to;
	size_t n;

	(void)state;
	stock_init(&s, CAPACITY);
	for (uint64_t i = 0; i < 20; i++) {
		unit_fill(bytes, sizeof(bytes), i);
		for (size_t done = 0; done < sizeof(bytes); done += n) {
			to = stock_reserve(&s, sizeof(bytes) - done, &n);
			memcpy(to, bytes + done, n);
			stock_keep(&s, n);
			assert_int_equal(stock_peek(&s, 1, iov), 0);
		}
		if (i % 2 == 0) {
			stock_release(&s, 0);
			take(&s, out, sizeof(out));
			assert_memory_equal(out, bytes, sizeof(out));
		} else
			stock_forget(&s);
		assert_int_equal(stock_held(&s), 0);
		assert_memory_equal(s.bytes, zero, CAPACITY);
	}
}

static void *
fill(void *arg)
{
	struct stock *s = arg;
	uint8_t *to;
	size_t n;

	for (size_t done = 0; done < 10 * CAPACITY; done += n) {
		to = stock_reserve(s, CAPACITY / 2, &n);
		for (size_t i = 0; i < n; i++)
			to[i] = (uint8_t)((done + i) % 251);
		stock_keep(s, n);
		stock_release(s, 0);
	}
	return NULL;
}

/* A reader that waits for room goes on when there is some. */
static void
test_waits(void **state)
{
	const struct timespec pause = { .tv_nsec = 20 * NS_PER_MS };
	struct stock s;
	pthread_t thread;
	uint8_t out[1000];
	struct iovec iov[2];
	size_t n;

	(void)state;
	stock_init(&s, CAPACITY);
	assert_int_equal(pthread_create(&thread, NULL, fill, &s), 0);
	while (!stock_full(&s))
		nanosleep(&pause, NULL);
	assert_int_equal(stock_peek(&s, 10 * CAPACITY, iov), CAPACITY);
	/* Until there is enough, it is let sleep. */
	for (size_t i = 0; i < CAPACITY / 2 - 1; i++) {
		take(&s, out, 1);
		assert_int_equal(out[0], i % 251);
		assert_true(stock_full(&s));
	}
	for (size_t done = CAPACITY / 2 - 1; done < 10 * CAPACITY; done += n) {
		while ((n = stock_peek(&s, sizeof(out), iov)) == 0)
			nanosleep(&pause, NULL);
		take(&s, out, n);
		for (size_t i = 0; i < n; i++)
			assert_int_equal(out[i], (done + i) % 251);
	}
	assert_int_equal(pthread_join(thread, NULL), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_peek),
		cmocka_unit_test(test_wiped),
		cmocka_unit_test(test_kept),
		cmocka_unit_test(test_waits),
	};

	return UNIT_MAIN("stock", tests);
}
