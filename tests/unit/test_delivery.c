/*
 * Delivery: each consumer is sent exactly what it was granted, nothing twice.
 */
#include "unit.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "channel.h"
#include "delivery.h"

#define CAPACITY ((size_t)256 * 1024)

struct bench {
	struct stock stock;
	struct delivery delivery;
	uint8_t expected[CAPACITY]; /* what went into stock, in order */
	size_t sent;		    /* of that, seen by consumers */
};

static int
setup(void **state)
{
	struct bench *b = calloc(1, sizeof(*b));

	if (b == NULL)
		return -1;
	stock_init(&b->stock, CAPACITY);
	delivery_init(&b->delivery, &b->stock, epoll_create1(EPOLL_CLOEXEC));
	*state = b;
	return 0;
}

static int
teardown(void **state)
{
	struct bench *b = *state;

	close(b->delivery.epoll_fd);
	close(b->stock.event_fd);
	free(b->delivery.consumers);
	free(b);
	return 0;
}

static void
supply(struct bench *b, size_t len)
{
	size_t n;
	uint8_t *to = stock_reserve(&b->stock, len, &n);

	assert_int_equal(n, len);
	unit_fill(to, len, 7);
	memcpy(b->expected, to, len);
	stock_add(&b->stock, len);
}

/* Adds a consumer; returns its end of the channel. */
static int
consumer(struct bench *b, uint32_t number)
{
	int fds[2];

	assert_int_equal(channel_bytes_pair(fds), 0);
	assert_int_equal(delivery_add(&b->delivery, number, fds[0]), 0);
	return fds[1];
}

/* The next bytes out of stock must have come, just `len` of them. */
static void
expect(struct bench *b, int fd, size_t len)
{
	static uint8_t buf[BYTES_PACKET_MAX];
	size_t done = 0;
	ssize_t n;

	while ((n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT)) > 0) {
		assert_memory_equal(buf, b->expected + b->sent, (size_t)n);
		b->sent += (size_t)n;
		done += (size_t)n;
	}
	assert_int_equal(n, -1);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(done, len);
}

static void
test_totals(void **state)
{
	struct bench *b = *state;
	int one = consumer(b, 1), two = consumer(b, 2);

	supply(b, 10000);
	assert_int_equal(delivery_grant(&b->delivery, 1, 100), 0);
	expect(b, one, 100);
	expect(b, two, 0);
	assert_int_equal(delivery_grant(&b->delivery, 2, 1), 0);
	expect(b, two, 1);
	assert_int_equal(delivery_grant(&b->delivery, 1, 100), 0);
	expect(b, one, 0);
	assert_int_equal(delivery_grant(&b->delivery, 1, 164), 0);
	expect(b, one, 64);
	close(one);
	close(two);
}

/* No packet is larger than a worker has room for. */
static void
test_packets(void **state)
{
	struct bench *b = *state;
	int one = consumer(b, 1);

	supply(b, 100000);
	assert_int_equal(delivery_grant(&b->delivery, 1, 100000), 0);
	expect(b, one, 100000);
	close(one);
}

static void
test_refused(void **state)
{
	struct bench *b = *state;
	int fds[2], one = consumer(b, 1), far = consumer(b, 1000);

	supply(b, 1000);
	assert_int_equal(channel_bytes_pair(fds), 0);
	assert_int_equal(delivery_add(&b->delivery, 1, fds[0]), -1);
	assert_int_equal(delivery_add(&b->delivery, 0, fds[0]), -1);
	assert_int_equal(delivery_add(&b->delivery, CONSUMERS_MAX, fds[0]), -1);
	assert_int_equal(delivery_grant(&b->delivery, 2, 10), -1);
	assert_int_equal(delivery_grant(&b->delivery, 0, 10), -1);
	assert_int_equal(delivery_grant(&b->delivery, UINT32_MAX, 10), -1);
	assert_int_equal(delivery_drop(&b->delivery, 2), -1);
	assert_int_equal(delivery_grant(&b->delivery, 1, 10), 0);
	assert_int_equal(delivery_grant(&b->delivery, 1, 9), -1);
	expect(b, one, 10);
	assert_int_equal(delivery_grant(&b->delivery, 1000, 5), 0);
	expect(b, far, 5);
	close(fds[0]);
	close(fds[1]);
	close(one);
	close(far);
}

/*
 * What a full channel has no room for is void: it stays in stock for others,
 * and the parent is told.
 */
static void
test_full(void **state)
{
	struct bench *b = *state;
	static uint8_t buf[BYTES_PACKET_MAX];
	struct epoll_event ev;
	int one = consumer(b, 1), two = consumer(b, 2), packets = 0;
	struct proto_void news;
	uint64_t total = 0;

	supply(b, 100000);
	while (epoll_wait(b->delivery.epoll_fd, &ev, 1, 0) == 0 &&
	    !b->delivery.consumers[1].blocked) {
		assert_true(++packets < 1000);
		total += 10;
		assert_int_equal(delivery_grant(&b->delivery, 1, total), 0);
	}
	assert_int_equal(delivery_news(&b->delivery, &news), 1);
	assert_int_equal(news.total, 10);
	assert_int_equal(news.blocked, 1);
	delivery_told(&b->delivery, 1);
	assert_int_equal(delivery_news(&b->delivery, &news), 0);
	assert_int_equal(b->delivery.returned, 10);
	/* Another one gets these very bytes. */
	assert_int_equal(delivery_grant(&b->delivery, 2, 30), 0);
	assert_int_equal(recv(two, buf, sizeof(buf), MSG_DONTWAIT), 30);
	assert_memory_equal(buf, b->expected + total - 10, 30);
	/* What was granted before the parent heard of it is void as well. */
	assert_int_equal(delivery_grant(&b->delivery, 1, total + 50), 0);
	assert_int_equal(delivery_news(&b->delivery, &news), 1);
	assert_int_equal(news.total, 60);
	delivery_told(&b->delivery, 1);
	for (int i = 0; i < packets - 1; i++)
		assert_int_equal(recv(one, buf, sizeof(buf), MSG_DONTWAIT), 10);
	assert_int_equal(recv(one, buf, sizeof(buf), MSG_DONTWAIT), -1);
	assert_int_equal(epoll_wait(b->delivery.epoll_fd, &ev, 1, 1000), 1);
	assert_int_equal(ev.data.u64, 1);
	delivery_resume(&b->delivery, 1);
	assert_int_equal(epoll_wait(b->delivery.epoll_fd, &ev, 1, 0), 0);
	assert_int_equal(delivery_news(&b->delivery, &news), 1);
	assert_int_equal(news.total, 60);
	assert_int_equal(news.blocked, 0);
	delivery_told(&b->delivery, 1);
	assert_int_equal(delivery_grant(&b->delivery, 1, total + 60), 0);
	assert_int_equal(recv(one, buf, sizeof(buf), MSG_DONTWAIT), 10);
	assert_memory_equal(buf, b->expected + total + 20, 10);
	close(one);
	close(two);
}

/* What a consumer was granted and not sent is there for others again. */
static void
test_drop(void **state)
{
	struct bench *b = *state;
	int one = consumer(b, 1), again;
	uint8_t byte;

	assert_int_equal(delivery_grant(&b->delivery, 1, 500), 0);
	expect(b, one, 0);
	assert_int_equal(delivery_drop(&b->delivery, 1), 0);
	assert_int_equal(b->delivery.returned, 500);
	assert_int_equal(recv(one, &byte, 1, MSG_DONTWAIT), 0);
	close(one);
	supply(b, 1000);
	/* Another consumer of that number starts from nothing. */
	again = consumer(b, 1);
	assert_int_equal(delivery_grant(&b->delivery, 1, 64), 0);
	expect(b, again, 64);
	assert_int_equal(delivery_drop(&b->delivery, 1), 0);
	assert_int_equal(b->delivery.returned, 500);
	close(again);
}

/* A consumer that has died harms nobody. */
static void
test_dead(void **state)
{
	struct bench *b = *state;
	int one = consumer(b, 1), two = consumer(b, 2);

	supply(b, 1000);
	close(one);
	assert_int_equal(delivery_grant(&b->delivery, 1, 100), 0);
	delivery_resume(&b->delivery, 1);
	assert_int_equal(delivery_grant(&b->delivery, 2, 100), 0);
	expect(b, two, 100);
	assert_int_equal(delivery_drop(&b->delivery, 1), 0);
	assert_int_equal(b->delivery.returned, 100);
	close(two);
}

#define DELIVERY_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		DELIVERY_TEST(test_totals),
		DELIVERY_TEST(test_packets),
		DELIVERY_TEST(test_refused),
		DELIVERY_TEST(test_full),
		DELIVERY_TEST(test_drop),
		DELIVERY_TEST(test_dead),
	};

	return UNIT_MAIN("delivery", tests);
}
