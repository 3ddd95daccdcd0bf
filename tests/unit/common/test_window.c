/*
 * The window of a worker: when it asks for more bytes.
 */
#include "unit/unit.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/channel.h"
#include "common/window.h"

static int up; /* the parent's end */

static int
setup(void **state)
{
	int fds[2];

	(void)state;
	if (pipe2(fds, O_DIRECT | O_NONBLOCK | O_CLOEXEC) == -1 ||
	    (up = fcntl(fds[0], F_DUPFD_CLOEXEC, CHANNEL_UP_FD + 1)) == -1 ||
	    dup2(fds[1], CHANNEL_UP_FD) == -1)
		return -1;
	return 0;
}

/* Whether there is a WANT, which is put in `want`. */
static bool
wanted(struct proto_want *want)
{
	struct frame f = { 0 };

	*want = (struct proto_want){ 0 };
	if (read(up, &f, sizeof(f)) == -1)
		return false;
	assert_int_equal(f.hdr.type, PROTO_WANT);
	*want = f.u.want;
	return true;
}

/*
 * Fills a window of `size` bytes and uses them in requests of 64 bytes.  Returns
 * the number of bytes after which more were wanted.
 */
static uint32_t
used_until_wanted(uint32_t size)
{
	struct window *w = calloc(1, sizeof(*w));
	struct proto_limits limits = { .window = size,
		.request_min = 64,
		.request_max = REQUEST_MAX };
	struct proto_want want;
	uint32_t used = 0;

	assert_non_null(w);
	window_init(w);
	window_limit(w, &limits);
	window_want(w, 0, false);
	assert_true(wanted(&want));
	assert_int_equal(want.need, 0);
	assert_int_equal(want.room, size);
	w->held = size;
	w->received = size;
	window_want(w, 0, false);
	while (!wanted(&want)) {
		window_drop(w, 64);
		used += 64;
		window_want(w, 0, true);
	}
	/* The rest is there for the time that the refill takes. */
	assert_int_equal(want.received, size);
	assert_int_equal(want.held, size - used);
	assert_int_equal(want.room, size + used);
	free(w);
	return used;
}

static void
test_refill(void **state)
{
	(void)state;
	assert_int_equal(used_until_wanted(65536), 16384);
	assert_int_equal(used_until_wanted(32768), 8192);
	/* Not for each request to a small window. */
	assert_int_equal(used_until_wanted(16384), 4096);
	assert_int_equal(used_until_wanted(8192), 4096);
	assert_int_equal(used_until_wanted(4096), 2048);
	assert_int_equal(used_until_wanted(512), 256);
}

/* A request for more than is held is wanted at once. */
static void
test_need(void **state)
{
	static struct window w;
	struct proto_limits limits = { .window = 65536,
		.request_min = 64,
		.request_max = REQUEST_MAX };
	struct proto_want want;

	(void)state;
	window_init(&w);
	window_limit(&w, &limits);
	window_want(&w, 0, false);
	assert_true(wanted(&want));
	w.received = w.held = 65536;
	assert_true(window_want(&w, 1, true));
	assert_true(wanted(&want));
	assert_int_equal(want.need, 65537);
	assert_false(window_want(&w, 1, true));
	assert_false(wanted(&want));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refill),
		cmocka_unit_test(test_need),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
