/*
 * A child's loop: what its channel up has no room for is sent when there is.
 */
#include "unit/unit.h"

#include <fcntl.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/loop.h"

static int down; /* the parent's ends */
static int up;

/* Puts the child's ends in their places. */
static void
make_channel(void)
{
	int fds[2];

	assert_int_equal(channel_pair(fds), 0);
	down = fcntl(fds[0], F_DUPFD, 10);
	assert_int_equal(dup2(fds[1], CHANNEL_FD), CHANNEL_FD);
	assert_int_equal(channel_up_pair(fds), 0);
	up = fcntl(fds[0], F_DUPFD, 10);
	assert_int_equal(fcntl(up, F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(dup2(fds[1], CHANNEL_UP_FD), CHANNEL_UP_FD);
	assert_true(down >= 10 && up >= 10);
}

static void
send_down(enum proto_type type)
{
	struct frame f;

	frame_init(&f, type, 0, 0);
	assert_int_equal(channel_send(down, &f), 0);
}

/* Fills the channel up.  Returns with how many frames. */
static size_t
fill(void)
{
	struct frame f;
	size_t n = 0;

	frame_init(&f, PROTO_READY, 0, 0);
	while (channel_up(&f))
		n++;
	return n;
}

/* The type of the next frame that the parent reads; 0 if there is none. */
static uint32_t
next(void)
{
	struct frame f;

	return channel_hear(up, &f, ROLE_STATUS) == CHANNEL_FRAME ? f.hdr.type
								  : 0;
}

static uint64_t
wait_key(struct loop *l)
{
	struct epoll_event ev;

	return loop_wait(l, &ev, 1, 0) == 1 ? ev.data.u64 : 0;
}

static void
test_ping(void **state)
{
	struct loop l;
	struct frame f;

	(void)state;
	loop_init(&l, ROLE_STATUS);
	assert_int_equal(wait_key(&l), 0);
	send_down(PROTO_PING);
	assert_int_equal(wait_key(&l), LOOP_CHANNEL);
	assert_false(loop_recv(&l, &f));
	loop_flush(&l, false);
	assert_int_equal(next(), PROTO_PONG);
	assert_int_equal(next(), 0);
	assert_int_equal(wait_key(&l), 0);
	close(l.epoll_fd);
}

/*
 * The answer is sent once, when there is room, and then nothing is waited for.
 */
static void
test_full(void **state)
{
	struct loop l;
	struct frame f;
	size_t n;

	(void)state;
	loop_init(&l, ROLE_STATUS);
	n = fill();
	send_down(PROTO_PING);
	assert_int_equal(wait_key(&l), LOOP_CHANNEL);
	assert_false(loop_recv(&l, &f));
	loop_flush(&l, false);
	assert_int_equal(wait_key(&l), 0);
	for (; n > 0; n--)
		assert_int_equal(next(), PROTO_READY);
	assert_int_equal(wait_key(&l), LOOP_UP);
	loop_flush(&l, false);
	assert_int_equal(next(), PROTO_PONG);
	assert_int_equal(next(), 0);
	assert_int_equal(wait_key(&l), 0);
	close(l.epoll_fd);
}

/* A frame of the role's that is pending is waited for as well. */
static void
test_pending(void **state)
{
	struct loop l;

	(void)state;
	loop_init(&l, ROLE_STATUS);
	loop_flush(&l, true);
	assert_int_equal(wait_key(&l), LOOP_UP);
	loop_flush(&l, true);
	assert_int_equal(wait_key(&l), LOOP_UP);
	loop_flush(&l, false);
	assert_int_equal(wait_key(&l), 0);
	close(l.epoll_fd);
}

static void
test_timeout(void **state)
{
	(void)state;
	assert_int_equal(loop_timeout(0, 5), -1);
	assert_int_equal(loop_timeout(5, 5), 0);
	assert_int_equal(loop_timeout(4, 5), 0);
	assert_int_equal(loop_timeout(6, 5), 1);
	assert_int_equal(loop_timeout(NS_PER_MS + 5, 5), 1);
	assert_int_equal(loop_timeout(NS_PER_MS + 6, 5), 2);
	assert_int_equal(loop_timeout(UINT64_MAX, 5), INT32_MAX);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ping),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_pending),
		cmocka_unit_test(test_timeout),
	};

	make_channel();
	return UNIT_MAIN("loop", tests);
}
