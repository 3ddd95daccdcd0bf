/*
 * An entropy device for the tests: a guest's requests on one side, the parent's
 * channel and a stream of bytes, each known by its place, on the other.
 */
#ifndef DEVICE_H
#define DEVICE_H

#include <sys/socket.h>

#include <stdlib.h>

#include "common/channel.h"
#include "unit/vhost/driver.h"
#include "vhost/device/rng.h"

#define NUM	   256
#define GENERATION 7
#define CONSUMER   5
#define REGION	   (LOW_GPA + 0x180000) /* for requests in flight */

struct device {
	struct driver d;
	struct inflight inflight;
	struct rng rng;
	struct counters counters;
	int parent;
	int bytes;	/* where the entropy process would write */
	uint64_t given; /* bytes of the stream */
	uint64_t taken; /* bytes of it that the guest has */
	uint16_t seen;	/* used ring elements */
	unsigned int logged;
};

/* Keeps the channel's descriptors from being anything else; for main(). */
static inline void
device_reserve_channel(void)
{
	int fds[2];

	assert_int_equal(channel_up_pair(fds), 0);
	assert_int_equal(dup2(fds[1], CHANNEL_FD), CHANNEL_FD);
	assert_int_equal(dup2(fds[1], CHANNEL_UP_FD), CHANNEL_UP_FD);
}

/* Takes log lines, and counts them. */
static inline void
sink_count(void *arg, const struct log_line *line)
{
	struct device *dev = arg;

	assert_non_null(line->text);
	dev->logged++;
}

static inline void
rewire(struct device *dev, uint32_t generation)
{
	int fds[2];

	if (dev->bytes != -1)
		close(dev->bytes);
	assert_int_equal(channel_pair(fds), 0);
	dev->bytes = fds[0];
	window_rewire(&dev->rng.window, generation, fds[1]);
}

static inline struct device *
device_new(uint32_t window, uint32_t request_min, uint32_t request_max)
{
	const struct proto_limits start = { .window = window,
		.request_min = request_min,
		.request_max = request_max };
	struct device *dev = calloc(1, sizeof(*dev));
	int fds[2];

	assert_non_null(dev);
	log_open(sink_count, dev);
	assert_int_equal(channel_up_pair(fds), 0);
	dev->parent = fds[0];
	assert_int_equal(dup2(fds[1], CHANNEL_UP_FD), CHANNEL_UP_FD);
	close(fds[1]);
	driver_init(&dev->d, NUM);
	rng_init(&dev->rng, &dev->d.q, &dev->inflight, &dev->counters);
	assert_int_equal(channel_pair(fds), 0);
	dev->bytes = fds[0];
	dev->rng.window.consumer = CONSUMER;
	window_limit(&dev->rng.window, &start);
	window_rewire(&dev->rng.window, GENERATION, fds[1]);
	return dev;
}

static inline void
device_free(struct device *dev)
{
	if (dev->rng.window.bytes_fd != -1)
		close(dev->rng.window.bytes_fd);
	close(dev->bytes);
	close(dev->parent);
	driver_free(&dev->d);
	free(dev);
}

static inline uint8_t
stream(uint64_t i)
{
	return (uint8_t)unit_random(&i);
}

static inline void
give(struct device *dev, size_t n)
{
	uint8_t *buf = malloc(n);

	assert_non_null(buf);
	for (size_t i = 0; i < n; i++)
		buf[i] = stream(dev->given++);
	assert_int_equal(send(dev->bytes, buf, n, MSG_DONTWAIT), n);
	free(buf);
}

/* A request for `len` bytes with one buffer. */
static inline void
request(struct device *dev, uint16_t head, uint32_t len)
{
	driver_desc(&dev->d, head, BUF_GPA + head * 4096U, len, F_WRITE, 0);
	driver_offer(&dev->d, head);
}

static inline enum rng_state
run(struct device *dev)
{
	uint16_t before = driver_used_idx(&dev->d);
	enum rng_state state;
	bool call;

	window_receive(&dev->rng.window);
	state = rng_run(&dev->rng, &call);
	assert_int_equal(call, driver_used_idx(&dev->d) != before);
	return state;
}

static inline size_t
completed(const struct device *dev)
{
	return (uint16_t)(driver_used_idx(&dev->d) - dev->seen);
}

/* The next completion: of `head`, with the next `len` bytes of the stream. */
static inline void
expect(struct device *dev, uint32_t head, uint32_t len)
{
	uint8_t *at = driver_at(&dev->d, BUF_GPA + head * 4096U);
	uint32_t n;

	assert_true(completed(dev) > 0);
	assert_int_equal(driver_used(&dev->d, dev->seen++, &n), head);
	assert_int_equal(n, len);
	for (uint32_t i = 0; i < len; i++)
		assert_int_equal(at[i], stream(dev->taken++));
}

/* Whether there is a WANT for the parent, and what it says. */
static inline bool
hear_want(struct device *dev, struct proto_want *want)
{
	struct frame f;
	enum channel_result result;

	rng_want(&dev->rng);
	result = channel_hear(dev->parent, &f, ROLE_VHOST);
	if (result == CHANNEL_AGAIN)
		return false;
	assert_int_equal(result, CHANNEL_FRAME);
	assert_int_equal(f.hdr.type, PROTO_WANT);
	assert_int_equal(f.hdr.consumer, CONSUMER);
	assert_int_equal(f.hdr.generation, dev->rng.window.generation);
	*want = f.u.want;
	return true;
}

static inline void
expect_want(struct device *dev, uint64_t received, uint64_t need, uint64_t room,
    uint64_t held)
{
	struct proto_want want = { 0 };

	assert_true(hear_want(dev, &want));
	assert_int_equal(want.received, received);
	assert_int_equal(want.need, need);
	assert_int_equal(want.room, room);
	assert_int_equal(want.held, held);
	assert_false(hear_want(dev, &want));
}

/* Nothing but the bytes held may be in the window. */
static inline void
expect_wiped(const struct rng *r)
{
	const struct window *w = &r->window;

	for (uint32_t i = 0; i < WINDOW_SIZE; i++)
		if (i < w->start || i >= w->start + w->held)
			assert_int_equal(w->bytes[i], 0);
}

#endif
