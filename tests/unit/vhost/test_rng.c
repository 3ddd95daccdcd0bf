/*
 * The entropy device: what it completes, and what it asks of the parent.
 */
#include <errno.h>

#include "unit/vhost/device.h"

#include <unistd.h>

#include "common/clock.h"

static void
test_in_order(void **state)
{
	struct device *dev = device_new(4096, REQUEST_MAX, REQUEST_MAX);

	(void)state;
	for (uint16_t i = 0; i < 200; i++)
		request(dev, i, 32 + i);
	assert_int_equal(run(dev), RNG_WAITING);
	assert_int_equal(completed(dev), 0);
	for (int i = 0; i < 100; i++)
		give(dev, 263);
	run(dev);
	assert_int_equal(completed(dev), 200);
	for (uint16_t i = 0; i < 200; i++)
		expect(dev, i, 32 + i);
	assert_int_equal(dev->rng.window.held, 0);
	expect_wiped(&dev->rng);
	assert_int_equal(dev->logged, 0);
	device_free(dev);
}

/*
 * Where a limit shortens requests, bytes that have come wait for more for a
 * while, and are completed then if they are not few.
 */
static void
test_enough(void **state)
{
	struct device *dev = device_new(4096, SHORT_MIN, REQUEST_MAX);
	uint64_t due, start = clock_now();

	(void)state;
	request(dev, 0, 1000);
	request(dev, 1, 10);
	run(dev);
	assert_int_equal(rng_short_due(&dev->rng), 0);
	give(dev, SHORT_MIN);
	run(dev);
	/* An overloaded machine may be late. */
	if (clock_now() < start + 2 * NS_PER_MS)
		assert_int_equal(completed(dev), 0);
	due = rng_short_due(&dev->rng);
	assert_true(due >= start + 2 * NS_PER_MS);
	while (clock_now() < due)
		usleep(100);
	run(dev);
	expect(dev, 0, SHORT_MIN);
	assert_int_equal(completed(dev), 0);
	assert_int_equal(rng_short_due(&dev->rng), 0);
	/* A short one is completed in full. */
	give(dev, 9);
	run(dev);
	usleep(3000);
	run(dev);
	assert_int_equal(completed(dev), 0);
	assert_int_equal(rng_short_due(&dev->rng), 0);
	give(dev, 1 + SHORT_MIN);
	run(dev);
	expect(dev, 1, 10);
	/* What is in the window already is no reason to shorten a request. */
	request(dev, 2, 1000);
	run(dev);
	usleep(3000);
	run(dev);
	assert_int_equal(completed(dev), 0);
	give(dev, 1);
	run(dev);
	usleep(3000);
	run(dev);
	expect(dev, 2, SHORT_MIN + 1);
	expect_wiped(&dev->rng);
	device_free(dev);
}

/*
 * Others may wait for what a request holds: after 50 ms the least that is granted
 * is enough.
 */
static void
test_few(void **state)
{
	struct device *dev = device_new(4096, SHORT_MIN, REQUEST_MAX);
	uint64_t due;

	(void)state;
	request(dev, 0, 512);
	give(dev, GRANT_MIN - 1);
	run(dev);
	usleep(60000);
	run(dev);
	assert_int_equal(completed(dev), 0);
	assert_int_equal(rng_short_due(&dev->rng), 0);
	give(dev, 1);
	run(dev);
	expect(dev, 0, GRANT_MIN);
	request(dev, 1, 512);
	give(dev, SHORT_MIN - 1);
	run(dev);
	due = rng_short_due(&dev->rng);
	assert_in_range(due - clock_now(), 20 * NS_PER_MS, 52 * NS_PER_MS);
	usleep(3000);
	run(dev);
	assert_int_equal(completed(dev), 0);
	while (clock_now() < due)
		usleep(1000);
	run(dev);
	expect(dev, 1, SHORT_MIN - 1);
	device_free(dev);
}

static void
test_request_limits(void **state)
{
	struct device *dev = device_new(0, 1, 100);

	(void)state;
	request(dev, 0, 1000);
	request(dev, 1, 5);
	request(dev, 2, 100);
	give(dev, 205);
	run(dev);
	expect(dev, 0, 100);
	expect(dev, 1, 5);
	expect(dev, 2, 100);
	assert_int_equal(dev->counters.requests, 3);
	assert_int_equal(dev->counters.bytes, 205);
	assert_int_equal(dev->counters.short_answers, 1);
	assert_int_equal(dev->counters.malformed, 0);
	request(dev, 3, 2000);
	give(dev, 1);
	run(dev);
	expect(dev, 3, 1);
	device_free(dev);
}

static void
test_want(void **state)
{
	struct device *dev = device_new(1000, 64, REQUEST_MAX);
	struct proto_want want = { 0 };

	(void)state;
	assert_true(hear_want(dev, &want));
	assert_int_equal(want.room, 1000);
	give(dev, 1000);
	run(dev);
	request(dev, 0, 400);
	run(dev);
	assert_int_equal(completed(dev), 1);
	assert_false(hear_want(dev, &want));
	request(dev, 1, 200);
	run(dev);
	expect_want(dev, 1000, 1000, 1600, 400);
	request(dev, 2, 700);
	run(dev);
	expect_want(dev, 1000, 1300, 2300, 400);
	for (uint16_t i = 3; i < 8; i++)
		request(dev, i, REQUEST_MAX);
	run(dev);
	expect_want(dev, 1000, 1000 + NEED_MAX, 2000 + NEED_MAX, 400);
	device_free(dev);
}

/* Without a window each request is asked for, and the rest is not kept. */
static void
test_want_without_window(void **state)
{
	struct device *dev = device_new(0, 1, REQUEST_MAX);
	struct proto_want want = { 0 };

	(void)state;
	assert_false(hear_want(dev, &want));
	request(dev, 0, 64);
	run(dev);
	expect_want(dev, 0, 64, 64, 0);
	give(dev, 100);
	run(dev);
	expect(dev, 0, 64);
	(void)hear_want(dev, &want);
	assert_int_equal(dev->rng.window.held, 0);
	expect_wiped(&dev->rng);
	request(dev, 1, 64);
	run(dev);
	expect_want(dev, 100, 164, 164, 0);
	device_free(dev);
}

/* A new entropy process: totals from 0, bytes that came before are good. */
static void
test_rewire(void **state)
{
	struct device *dev = device_new(0, 1, REQUEST_MAX);
	uint8_t byte = 0;

	(void)state;
	request(dev, 0, 64);
	run(dev);
	expect_want(dev, 0, 64, 64, 0);
	rewire(dev, GENERATION + 1);
	run(dev);
	expect_want(dev, 0, 64, 64, 0);
	give(dev, 64);
	run(dev);
	expect(dev, 0, 64);
	request(dev, 1, 1000);
	dev->rng.window.request_min = 64;
	give(dev, 63);
	run(dev);
	rewire(dev, GENERATION + 2);
	run(dev);
	assert_int_equal(completed(dev), 0);
	expect_want(dev, 0, 937, 937, 63);
	give(dev, 937);
	run(dev);
	expect(dev, 1, 1000);
	close(dev->bytes);
	window_receive(&dev->rng.window);
	assert_int_equal(dev->rng.window.bytes_fd, -1);
	dev->bytes = -1;
	window_receive(&dev->rng.window);
	rewire(dev, GENERATION + 3);
	assert_int_equal(recv(dev->bytes, &byte, 1, MSG_DONTWAIT), 0);
	device_free(dev);
}

/* Malformed requests are given back with nothing, each in its turn. */
static void
test_malformed(void **state)
{
	struct device *dev = device_new(0, 1, REQUEST_MAX);

	(void)state;
	request(dev, 0, 10);
	driver_offer(&dev->d, 60000);
	driver_desc(&dev->d, 1, BUF_GPA, 10, 0, 0);
	driver_offer(&dev->d, 1);
	driver_desc(&dev->d, 2, BUF_GPA + 2 * 4096, 30, F_WRITE | F_NEXT, 2000);
	driver_offer(&dev->d, 2);
	request(dev, 3, 5);
	run(dev);
	assert_int_equal(completed(dev), 0);
	give(dev, 45);
	run(dev);
	expect(dev, 0, 10);
	expect(dev, 60000, 0);
	expect(dev, 1, 0);
	expect(dev, 2, 30);
	expect(dev, 3, 5);
	assert_int_equal(dev->counters.malformed, 2);
	assert_int_equal(dev->logged, 3);
	for (int i = 0; i < 1000; i++) {
		driver_offer(&dev->d, 60000);
		run(dev);
		expect(dev, 60000, 0);
	}
	assert_true(dev->logged <= 3 + LOG_BURST);
	dev->d.avail[1] = htole16((uint16_t)(dev->d.q.next + NUM + 1));
	assert_int_equal(run(dev), RNG_BROKEN);
	device_free(dev);
}

/* Requests that were read ahead are read again. */
static void
test_rewind(void **state)
{
	struct device *dev = device_new(0, 1, REQUEST_MAX);

	(void)state;
	for (uint16_t i = 0; i < 100; i++)
		request(dev, i, 10);
	give(dev, 30);
	run(dev);
	assert_int_equal(completed(dev), 3);
	rng_rewind(&dev->rng);
	assert_int_equal(dev->d.q.next, 3);
	give(dev, 970);
	run(dev);
	for (uint16_t i = 0; i < 100; i++)
		expect(dev, i, 10);
	assert_int_equal(dev->d.q.next, 100);
	rng_rewind(&dev->rng);
	assert_int_equal(dev->d.q.next, 100);
	device_free(dev);
}

/* Segments in their order, each marked in the dirty log. */
static void
test_segments(void **state)
{
	struct device *dev = device_new(0, 1, REQUEST_MAX);
	uint8_t *log, *at;
	const uint64_t pages[] = { BUF_GPA / 4096, BUF_GPA / 4096 + 9 };
	const char *why;

	(void)state;
	assert_int_equal(
	    mapping_open(&dev->d.mem.log, dev->d.fd, 0x380000, 0x10000, &why),
	    0);
	log = dev->d.file + 0x380000;
	dev->d.mem.logging = true;
	driver_desc(&dev->d, 0, BUF_GPA + 9 * 4096, 3, F_WRITE | F_NEXT, 1);
	driver_desc(&dev->d, 1, BUF_GPA, 4, F_WRITE, 0);
	driver_offer(&dev->d, 0);
	give(dev, 7);
	run(dev);
	assert_int_equal(completed(dev), 1);
	for (uint64_t i = 0; i < 7; i++) {
		at = driver_at(&dev->d, i < 3 ? BUF_GPA + 9 * 4096 : BUF_GPA);
		assert_int_equal(at[i < 3 ? i : i - 3], stream(i));
	}
	for (uint64_t page = 0; page < 8 * 0x10000; page++)
		assert_int_equal((log[page / 8] & 1U << page % 8) != 0,
		    page == pages[0] || page == pages[1]);
	device_free(dev);
}

/* A device that dies and another that goes on: every request once. */
static void
test_resubmit(void **state)
{
	struct device *dev = device_new(0, 1, REQUEST_MAX);
	struct driver *d = &dev->d;
	uint64_t size = inflight_size(NUM);
	int bytes;

	(void)state;
	assert_int_equal(
	    inflight_attach(&dev->inflight, driver_at(d, REGION), size, NUM),
	    0);
	assert_int_equal(inflight_start(&dev->inflight, 0), 0);
	for (uint16_t i = 0; i < 90; i++)
		request(dev, (uint16_t)(i * 7 % 100), 16);
	give(dev, 160);
	run(dev);
	assert_int_equal(completed(dev), 10);
	bytes = dev->rng.window.bytes_fd;
	rng_init(&dev->rng, &d->q, &dev->inflight, &dev->counters);
	dev->rng.window.request_min = 1;
	dev->rng.window.request_max = REQUEST_MAX;
	dev->rng.window.bytes_fd = bytes;
	assert_int_equal(
	    inflight_attach(&dev->inflight, driver_at(d, REGION), size, NUM),
	    0);
	assert_int_equal(inflight_start(&dev->inflight, 10), PENDING_MAX);
	d->q.next = 10 + PENDING_MAX;
	give(dev, 1280);
	run(dev);
	for (uint16_t i = 0; i < 90; i++)
		expect(dev, i * 7 % 100, 16);
	assert_int_equal(inflight_start(&dev->inflight, 90), 0);
	device_free(dev);
}

/* A ring that stops while requests of another backend are still to be done. */
static void
test_resubmit_and_rewind(void **state)
{
	struct device *dev = device_new(0, 1, REQUEST_MAX);
	uint64_t size = inflight_size(NUM);

	(void)state;
	assert_int_equal(inflight_attach(&dev->inflight,
			     driver_at(&dev->d, REGION), size, NUM),
	    0);
	assert_int_equal(inflight_start(&dev->inflight, 0), 0);
	for (uint16_t i = 0; i < 90; i++) {
		request(dev, i, 16);
		inflight_begin(&dev->inflight, i);
	}
	dev->d.q.next = inflight_start(&dev->inflight, 0);
	assert_int_equal(dev->d.q.next, 90);
	give(dev, 160);
	run(dev);
	assert_int_equal(completed(dev), 10);
	rng_rewind(&dev->rng);
	assert_int_equal(dev->d.q.next, 10);
	give(dev, 1280);
	run(dev);
	for (uint16_t i = 0; i < 90; i++)
		expect(dev, i, 16);
	device_free(dev);
}

/* Bytes that move in the window leave no copy behind. */
static void
test_moved_bytes(void **state)
{
	struct device *dev = device_new(0, 1, REQUEST_MAX);

	(void)state;
	give(dev, BYTES_PACKET_MAX);
	give(dev, 1000);
	run(dev);
	assert_int_equal(dev->rng.window.held, BYTES_PACKET_MAX + 1000);
	driver_desc(&dev->d, 0, BUF_GPA, REQUEST_MAX, F_WRITE, 0);
	driver_offer(&dev->d, 0);
	run(dev);
	expect(dev, 0, REQUEST_MAX);
	give(dev, 5);
	run(dev);
	assert_int_equal(dev->rng.window.held, 1005);
	expect_wiped(&dev->rng);
	request(dev, 1, 1005);
	run(dev);
	expect(dev, 1, 1005);
	expect_wiped(&dev->rng);
	device_free(dev);
}

/* A WANT for which there was no room in the channel goes later. */
static void
test_full_channel(void **state)
{
	struct device *dev = device_new(0, 1, REQUEST_MAX);
	struct proto_want want = { 0 };
	struct frame f;
	enum channel_result result;

	(void)state;
	frame_init(&f, PROTO_READY, 0, 0);
	while (channel_tell(CHANNEL_UP_FD, &f) == 0)
		continue;
	assert_int_equal(errno, EAGAIN);
	request(dev, 0, 64);
	run(dev);
	rng_want(&dev->rng);
	do {
		result = channel_hear(dev->parent, &f, ROLE_VHOST);
		assert_true(
		    result == CHANNEL_AGAIN || f.hdr.type == PROTO_READY);
	} while (result == CHANNEL_FRAME);
	expect_want(dev, 0, 64, 64, 0);
	give(dev, 64);
	run(dev);
	(void)hear_want(dev, &want);
	assert_int_equal(dev->counters.bytes, 64);
	assert_int_equal(dev->counters.requests, 1);
	assert_true(dev->counters.wait_ns > 0);
	device_free(dev);
}

/*
 * With a parent that gives what is needed and nothing else, in small pieces,
 * no request waits for ever.
 */
static void
play(struct device *dev, uint64_t *seed)
{
	struct proto_want want = { 0 };
	uint64_t granted = 0, n;
	uint16_t asked = 0, done = 0;
	uint32_t len;

	for (int i = 0; i < 4000; i++) {
		if (i < 3000 && asked - done < 100 && unit_below(seed, 3) == 0)
			request(dev, asked++ % 128,
			    1 + (uint32_t)unit_below(seed, 3000));
		run(dev);
		while (completed(dev) > 0) {
			driver_used(&dev->d, dev->seen++, &len);
			assert_true(len > 0);
			done++;
		}
		while (hear_want(dev, &want))
			assert_true(want.need >= want.received &&
			    want.room >= want.need && want.received <= granted);
		if (want.need > granted && (i >= 3000 || unit_below(seed, 2))) {
			n = unit_below(seed, 4) == 0 ? 700 : UINT16_MAX;
			n = want.need - granted < n ? want.need - granted : n;
			give(dev, n);
			granted += n;
		}
	}
	assert_int_equal(asked, done);
}

static void
test_liveness(void **state)
{
	const uint32_t windows[] = { 0, 1000, 16384 };
	const uint32_t least[] = { 1, SHORT_MIN, REQUEST_MAX };
	uint64_t seed = 1;
	struct device *dev;

	(void)state;
	for (int i = 0; i < 9; i++) {
		dev = device_new(windows[i % 3], least[i / 3], REQUEST_MAX);
		play(dev, &seed);
		device_free(dev);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_in_order),
		cmocka_unit_test(test_enough),
		cmocka_unit_test(test_few),
		cmocka_unit_test(test_request_limits),
		cmocka_unit_test(test_want),
		cmocka_unit_test(test_want_without_window),
		cmocka_unit_test(test_rewire),
		cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_rewind),
		cmocka_unit_test(test_segments),
		cmocka_unit_test(test_resubmit),
		cmocka_unit_test(test_resubmit_and_rewind),
		cmocka_unit_test(test_moved_bytes),
		cmocka_unit_test(test_full_channel),
		cmocka_unit_test(test_liveness),
	};

	device_reserve_channel();
	return UNIT_MAIN("rng", tests);
}
