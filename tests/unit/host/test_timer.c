/*
 * The timers of the parent's event loop.
 */
#include "unit/unit.h"

#include "common/clock.h"
#include "parent/host/timer.h"

struct clockwork {
	sd_event *event;
	struct timer timer;
	uint64_t last; /* ns, when it expired */
	int n;	       /* and how often */
};

static void
expired(void *arg)
{
	struct clockwork *c = arg;

	c->n++;
	c->last = clock_now();
}

static void
begin(struct clockwork *c)
{
	*c = (struct clockwork){ .n = 0 };
	assert_true(sd_event_new(&c->event) >= 0);
	timer_init(&c->timer, c->event, expired, c);
}

static void
end(struct clockwork *c)
{
	timer_free(&c->timer);
	sd_event_unref(c->event);
}

/* Runs the loop until it has expired so often, or for a while. */
static void
run(struct clockwork *c, int n)
{
	uint64_t deadline = clock_now() + NS_PER_SEC / 5;

	while (c->n < n && clock_now() < deadline)
		assert_true(sd_event_run(c->event, 10000) >= 0);
}

/* It expires once each time it is set, and never early. */
static void
test_once(void **state)
{
	struct clockwork c;
	uint64_t at;

	(void)state;
	begin(&c);
	for (int i = 1; i <= 3; i++) {
		at = clock_now() + 5 * NS_PER_MS + 1;
		timer_at(&c.timer, at);
		run(&c, i);
		assert_int_equal(c.n, i);
		assert_true(c.last >= at);
	}
	timer_at(&c.timer, 1);
	run(&c, 4);
	run(&c, 5);
	assert_int_equal(c.n, 4);
	end(&c);
}

/* The last setting counts. */
static void
test_set_again(void **state)
{
	struct clockwork c;

	(void)state;
	begin(&c);
	timer_after(&c.timer, 0);
	timer_after(&c.timer, 1000 * NS_PER_SEC);
	run(&c, 1);
	assert_int_equal(c.n, 0);
	timer_after(&c.timer, 0);
	run(&c, 1);
	assert_int_equal(c.n, 1);
	end(&c);
}

/* Stopped or freed it does not expire; and it can be set again. */
static void
test_stopped(void **state)
{
	struct clockwork c;

	(void)state;
	begin(&c);
	timer_stop(&c.timer);
	timer_free(&c.timer);
	timer_after(&c.timer, 0);
	timer_stop(&c.timer);
	run(&c, 1);
	timer_after(&c.timer, 0);
	timer_free(&c.timer);
	run(&c, 1);
	assert_int_equal(c.n, 0);
	timer_after(&c.timer, 0);
	run(&c, 1);
	assert_int_equal(c.n, 1);
	end(&c);
}

/* Then nothing expires any more, and setting it does no harm. */
static void
test_ended(void **state)
{
	struct clockwork c;

	(void)state;
	begin(&c);
	timer_after(&c.timer, 1000 * NS_PER_SEC);
	assert_true(sd_event_exit(c.event, 0) >= 0);
	assert_true(sd_event_loop(c.event) >= 0);
	timer_after(&c.timer, 0);
	timer_free(&c.timer);
	timer_after(&c.timer, 0);
	assert_int_equal(c.n, 0);
	end(&c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_once),
		cmocka_unit_test(test_set_again),
		cmocka_unit_test(test_stopped),
		cmocka_unit_test(test_ended),
	};

	return UNIT_MAIN("timer", tests);
}
