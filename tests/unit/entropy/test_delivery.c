/*
 * Delivery: each consumer is sent exactly what it was granted, nothing twice,
 * from stock or from a DRBG.
 */
#include "unit/unit.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/channel.h"
#include "common/clock.h"
#include "entropy/delivery.h"

#define CAPACITY ((size_t)256 * 1024)

struct bench {
	struct source source; /* whose stock serves; it has no thread */
	struct supply supply;
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
	stock_init(&b->source.stock, CAPACITY);
	b->supply.sources = &b->source;
	b->supply.pool.nsources = 1;
	b->supply.serving = 1;
	b->supply.stock = &b->source.stock;
	delivery_init(&b->delivery, &b->supply, epoll_create1(EPOLL_CLOEXEC));
	*state = b;
	return 0;
}

static int
teardown(void **state)
{
	struct bench *b = *state;

	for (uint32_t i = 1; i < b->delivery.nconsumers; i++)
		delivery_drop(&b->delivery, i);
	close(b->delivery.epoll_fd);
	free(b->delivery.consumers);
	free(b);
	return 0;
}

static void
supply(struct bench *b, size_t len)
{
	size_t n;
	uint8_t *to = stock_reserve(&b->source.stock, len, &n);

	assert_int_equal(n, len);
	unit_fill(to, len, 7);
	memcpy(b->expected, to, len);
	stock_keep(&b->source.stock, len);
	stock_release(&b->source.stock, 0);
}

/* Adds a consumer; returns its end of the channel. */
static int
consumer(struct bench *b, uint32_t number)
{
	int fds[2];

	assert_int_equal(channel_pair(fds), 0);
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
	assert_int_equal(channel_pair(fds), 0);
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
 * and reported to the parent.
 */
static void
test_full(void **state)
{
	struct bench *b = *state;
	static uint8_t buf[BYTES_PACKET_MAX];
	struct epoll_event ev;
	int one = consumer(b, 1), two = consumer(b, 2), packets = 0;
	struct proto_void report;
	uint64_t total = 0;

	supply(b, 100000);
	while (epoll_wait(b->delivery.epoll_fd, &ev, 1, 0) == 0 &&
	    !b->delivery.consumers[1]->full) {
		assert_true(++packets < 1000);
		total += 10;
		assert_int_equal(delivery_grant(&b->delivery, 1, total), 0);
	}
	assert_int_equal(delivery_report(&b->delivery, &report), 1);
	assert_int_equal(report.total, 10);
	assert_int_equal(report.blocked, 1);
	delivery_reported(&b->delivery, 1);
	assert_int_equal(delivery_report(&b->delivery, &report), 0);
	assert_int_equal(delivery_total(&b->delivery), 100010);
	/* Another one gets these very bytes. */
	assert_int_equal(delivery_grant(&b->delivery, 2, 30), 0);
	assert_int_equal(recv(two, buf, sizeof(buf), MSG_DONTWAIT), 30);
	assert_memory_equal(buf, b->expected + total - 10, 30);
	/* Bytes granted before the report was sent are void as well. */
	assert_int_equal(delivery_grant(&b->delivery, 1, total + 50), 0);
	assert_int_equal(delivery_report(&b->delivery, &report), 1);
	assert_int_equal(report.total, 60);
	delivery_reported(&b->delivery, 1);
	for (int i = 0; i < packets - 1; i++)
		assert_int_equal(recv(one, buf, sizeof(buf), MSG_DONTWAIT), 10);
	assert_int_equal(recv(one, buf, sizeof(buf), MSG_DONTWAIT), -1);
	assert_int_equal(epoll_wait(b->delivery.epoll_fd, &ev, 1, 1000), 1);
	assert_int_equal(ev.data.u64, 1);
	delivery_resume(&b->delivery, 1);
	assert_int_equal(epoll_wait(b->delivery.epoll_fd, &ev, 1, 0), 0);
	assert_int_equal(delivery_report(&b->delivery, &report), 1);
	assert_int_equal(report.total, 60);
	assert_int_equal(report.blocked, 0);
	delivery_reported(&b->delivery, 1);
	assert_int_equal(delivery_grant(&b->delivery, 1, total + 60), 0);
	assert_int_equal(recv(one, buf, sizeof(buf), MSG_DONTWAIT), 10);
	assert_memory_equal(buf, b->expected + total + 20, 10);
	close(one);
	close(two);
}

/*
 * What is granted and not in stock, because that was thrown away meanwhile, is
 * void; so is what was, and the parent knows how much there is.
 */
static void
test_short(void **state)
{
	struct bench *b = *state;
	int one = consumer(b, 1);
	struct proto_void report;

	supply(b, 1000);
	assert_int_equal(delivery_total(&b->delivery), 1000);
	assert_int_equal(delivery_grant(&b->delivery, 1, 300), 0);
	expect(b, one, 300);
	assert_int_equal(delivery_total(&b->delivery), 1000);
	supply_remove(&b->supply, 600);
	b->sent += 600;
	assert_int_equal(delivery_total(&b->delivery), 400);
	assert_int_equal(delivery_grant(&b->delivery, 1, 500), 0);
	expect(b, one, 100);
	assert_int_equal(delivery_report(&b->delivery, &report), 1);
	assert_int_equal(report.total, 100);
	assert_int_equal(report.blocked, 0);
	delivery_reported(&b->delivery, 1);
	assert_int_equal(delivery_total(&b->delivery), 500);
	close(one);
}

/* Another consumer of the same number starts from nothing. */
static void
test_drop(void **state)
{
	struct bench *b = *state;
	int one = consumer(b, 1), again;
	uint8_t byte;

	supply(b, 1000);
	assert_int_equal(delivery_grant(&b->delivery, 1, 500), 0);
	expect(b, one, 500);
	assert_int_equal(delivery_drop(&b->delivery, 1), 0);
	assert_int_equal(recv(one, &byte, 1, MSG_DONTWAIT), 0);
	close(one);
	again = consumer(b, 1);
	assert_int_equal(delivery_grant(&b->delivery, 1, 64), 0);
	expect(b, again, 64);
	assert_int_equal(delivery_total(&b->delivery), 1000);
	close(again);
}

/* A dead consumer does not affect others. */
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
	assert_int_equal(delivery_total(&b->delivery), 1100);
	close(two);
}

/* So much output until a reseed, if nothing else is said. */
static const struct proto_delivery generated = {
	.mode = DELIVERY_DRBG,
	.reseed_bytes = 1 << 20,
	.reseed_interval = 60 * NS_PER_SEC,
};

/* Exactly so many bytes have come, that look random and are not in stock. */
static void
expect_generated(const struct bench *b, int fd, size_t len)
{
	static uint8_t buf[BYTES_PACKET_MAX];
	size_t done = 0;
	ssize_t n;

	while ((n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT)) > 0) {
		done += (size_t)n;
		if (n >= 16)
			assert_null(memmem(b->expected, CAPACITY, buf, 16));
	}
	assert_int_equal(done, len);
}

/* Output of a DRBG costs stock its seeds, and nothing else. */
static void
test_generated(void **state)
{
	struct bench *b = *state;
	int one = consumer(b, 1);
	struct proto_void report;

	supply(b, 1000);
	assert_int_equal(delivery_mode(&b->delivery, 2, &generated), -1);
	assert_int_equal(delivery_mode(&b->delivery, 1, &generated), 0);
	for (uint64_t i = 1; i <= 20; i++) {
		assert_int_equal(delivery_grant(&b->delivery, 1, i * 65536), 0);
		expect_generated(b, one, 65536);
		assert_int_equal(supply_held(&b->supply),
		    1000 - (i <= 16 ? 1 : 2) * 48);
		assert_int_equal(delivery_total(&b->delivery),
		    supply_held(&b->supply));
	}
	assert_int_equal(delivery_report(&b->delivery, &report), 0);
	close(one);
}

/* Without a seed it stops, and goes on when there is one: seeds come first. */
static void
test_unseeded(void **state)
{
	struct bench *b = *state;
	int one = consumer(b, 1), two = consumer(b, 2), raw = consumer(b, 3);
	struct proto_void report;

	for (uint32_t i = 1; i < 3; i++) {
		assert_int_equal(delivery_mode(&b->delivery, i, &generated), 0);
		assert_int_equal(delivery_grant(&b->delivery, i, 64), 0);
	}
	expect_generated(b, one, 0);
	for (uint32_t i = 1; i < 3; i++) {
		assert_int_equal(delivery_report(&b->delivery, &report), i);
		assert_int_equal(report.total, 64);
		assert_int_equal(report.blocked, 1);
		delivery_reported(&b->delivery, i);
	}
	supply(b, 60);
	/* While a DRBG waits for a seed, others get no bytes. */
	assert_int_equal(delivery_total(&b->delivery), 0);
	delivery_seed(&b->delivery);
	assert_int_equal(delivery_report(&b->delivery, &report), 1);
	assert_int_equal(report.blocked, 0);
	delivery_reported(&b->delivery, 1);
	assert_int_equal(delivery_report(&b->delivery, &report), 0);
	assert_int_equal(supply_held(&b->supply), 12);
	assert_int_equal(delivery_total(&b->delivery), 0);
	/* While it is blocked, all that it is granted is void. */
	assert_int_equal(delivery_grant(&b->delivery, 2, 128), 0);
	assert_int_equal(delivery_report(&b->delivery, &report), 2);
	assert_int_equal(report.total, 128);
	assert_int_equal(delivery_grant(&b->delivery, 1, 128), 0);
	expect_generated(b, one, 64);
	supply(b, 100);
	delivery_seed(&b->delivery);
	assert_int_equal(delivery_total(&b->delivery), 112 - 48);
	assert_int_equal(delivery_grant(&b->delivery, 2, 192), 0);
	expect_generated(b, two, 64);
	assert_int_equal(delivery_grant(&b->delivery, 3, 64), 0);
	assert_int_equal(supply_held(&b->supply), 0);
	assert_int_equal(recv(raw, &report, 1, MSG_DONTWAIT), 1);
	close(one);
	close(two);
	close(raw);
}

/* A seed before each output; and back to the sources' own bytes. */
static void
test_modes(void **state)
{
	struct bench *b = *state;
	struct proto_delivery how = generated;
	struct proto_void report;
	int one = consumer(b, 1);

	supply(b, 1000);
	how.prediction_resistance = 1;
	assert_int_equal(delivery_mode(&b->delivery, 1, &how), 0);
	for (uint64_t i = 1; i <= 3; i++) {
		assert_int_equal(delivery_grant(&b->delivery, 1, i * 100), 0);
		expect_generated(b, one, 100);
		assert_int_equal(supply_held(&b->supply), 1000 - i * 48);
	}
	how.mode = DELIVERY_RAW;
	assert_int_equal(delivery_mode(&b->delivery, 1, &how), 0);
	b->sent = 3 * 48;
	assert_int_equal(delivery_grant(&b->delivery, 1, 400), 0);
	expect(b, one, 100);
	/* A DRBG that needs no seed any more does not wait. */
	supply_remove(&b->supply, supply_held(&b->supply));
	assert_int_equal(delivery_mode(&b->delivery, 1, &generated), 0);
	assert_int_equal(delivery_grant(&b->delivery, 1, 500), 0);
	assert_int_equal(delivery_mode(&b->delivery, 1, &how), 0);
	assert_int_equal(delivery_report(&b->delivery, &report), 1);
	assert_int_equal(report.blocked, 0);
	supply(b, 10);
	assert_int_equal(delivery_total(&b->delivery), 100 + 10);
	close(one);
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
		DELIVERY_TEST(test_short),
		DELIVERY_TEST(test_drop),
		DELIVERY_TEST(test_dead),
		DELIVERY_TEST(test_generated),
		DELIVERY_TEST(test_unseeded),
		DELIVERY_TEST(test_modes),
	};

	drbg_start();
	return UNIT_MAIN("delivery", tests);
}
