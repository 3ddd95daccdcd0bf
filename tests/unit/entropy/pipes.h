/*
 * Sources that are pipes, fed by a test.  The sources and their threads never
 * end.
 */
#ifndef PIPES_H
#define PIPES_H

#include "unit/unit.h"

#include <sys/eventfd.h>

#include <poll.h>
#include <string.h>

#include "common/clock.h"
#include "entropy/source.h"

#define PIPE_START_UP	512 /* bytes that start-up tests hold back */
#define PIPE_TIMEOUT_MS 5000
#define PIPE_STALL_NS	(500 * NS_PER_MS)

static inline struct proto_source
pipe_spec(uint32_t number)
{
	return (struct proto_source){
		.number = number,
		.kind = SOURCE_DEVICE,
		.sample_bits = 8,
		.min_entropy = 8000,
		.alpha = 40,
		.timeout = PIPE_STALL_NS,
	};
}

/* Opens a source as a new pipe.  Returns the end to write to. */
static inline int
pipe_open(struct source *src)
{
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	assert_int_equal(source_open(src, fds[0]), 0);
	return fds[1];
}

static inline void
pipe_feed(int fd, size_t len, uint64_t seed)
{
	uint8_t bytes[32768];

	assert_true(len <= sizeof(bytes));
	unit_fill(bytes, len, seed);
	assert_int_equal(write(fd, bytes, len), len);
}

/* Waits until a source is in that state, and closed or not. */
static inline void
pipe_await(struct source *src, uint32_t status, uint32_t closed,
    struct proto_source_state *state)
{
	uint64_t deadline = clock_now() + PIPE_TIMEOUT_MS * NS_PER_MS;

	do {
		assert_true(clock_now() < deadline);
		usleep(1000);
		source_state(src, clock_now(), state);
	} while (state->status != status || state->closed != closed);
}

/* Waits until there are that many bytes in stock. */
static inline void
pipe_await_stock(struct stock *stock, size_t held)
{
	uint64_t deadline = clock_now() + PIPE_TIMEOUT_MS * NS_PER_MS;

	while (stock_held(stock) != held) {
		assert_true(clock_now() < deadline);
		usleep(1000);
	}
}

#endif
