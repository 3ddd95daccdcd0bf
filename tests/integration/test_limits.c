/*
 * max-bytes per period: the bound, the shares, and what waiting means.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "integration/load.h"

#define PROMPT_MS 1000
#define DELAY_MS  60 /* that we may notice an arrival late */

static void
start_limited(struct suite *s, const char *count, const char *max,
    const char *period)
{
	const char *const args[] = { "-s", "@vm%d.sock", "-c", count, "-m", max,
		"-p", period, NULL };

	suite_start(s, args);
}

/* Rate 16384 B/s, burst 8192: busy, idle for longer than a period, busy. */
static void
test_window_bound(void **state)
{
	struct suite *s = *state;
	struct load loads[2] = { { .fe = &s->fe, .depth = 4, .len = 64 },
		{ .fe = &s->other, .depth = 2, .len = 1000 } };
	struct record rec;
	uint64_t total;

	record_init(&rec, 100000);
	start_limited(s, "2", "8192", "500");
	suite_up_qemu(s, &s->fe, "vm0");
	suite_up_qemu(s, &s->other, "vm1");
	load_run(loads, 2, 1500, &rec);
	total = loads[0].bytes + loads[1].bytes;
	assert_true(total >= (8192 + 16384 * 3 / 2) * 7 / 10);
	usleep(1200000);
	load_poll(&loads[0], &rec);
	load_poll(&loads[1], &rec);
	load_run(loads, 2, 1000, &rec);
	record_check(&rec, 8192, 16384, DELAY_MS);
	record_free(&rec);
	suite_pass(s);
}

/* No request for 5 periods gives no more than one burst. */
static void
test_no_piling_up(void **state)
{
	struct suite *s = *state;
	struct load load = { .fe = &s->fe, .depth = 8, .len = 256 };
	struct record rec;

	record_init(&rec, 100000);
	start_limited(s, "2", "4096", "250");
	suite_up_qemu(s, &s->fe, "vm0");
	usleep(1250000);
	load_run(&load, 1, 500, &rec);
	record_check(&rec, 4096, 16384, DELAY_MS);
	assert_true(load.bytes >= 4096);
	record_free(&rec);
	suite_pass(s);
}

static void
test_equal_shares(void **state)
{
	struct suite *s = *state;
	struct load loads[2] = { { .fe = &s->fe, .depth = 1, .len = 64 },
		{ .fe = &s->other, .depth = 32, .len = 64 } };
	uint64_t a, b;

	start_limited(s, "2", "4096", "250");
	suite_up_qemu(s, &s->fe, "vm0");
	suite_up_qemu(s, &s->other, "vm1");
	load_run(loads, 2, 500, NULL);
	loads[0].bytes = loads[1].bytes = 0;
	load_run(loads, 2, 2500, NULL);
	a = loads[0].bytes;
	b = loads[1].bytes;
	print_message("# shares %ju and %ju\n", (uintmax_t)a, (uintmax_t)b);
	assert_true(a * 10 >= b * 7 && b * 10 >= a * 7);
	assert_true(a + b >= 16384 * 5 / 2 * 7 / 10);
	suite_pass(s);
}

/* Large requests against small ones: the shares are of bytes. */
static void
test_sizes_share(void **state)
{
	struct suite *s = *state;
	struct load loads[2] = { { .fe = &s->fe, .depth = 2, .len = 64 },
		{ .fe = &s->other, .depth = 8, .len = 4000 } };

	start_limited(s, "2", "4096", "250");
	suite_up_qemu(s, &s->fe, "vm0");
	suite_up_qemu(s, &s->other, "vm1");
	load_run(loads, 2, 2500, NULL);
	print_message("# shares %ju and %ju\n", (uintmax_t)loads[0].bytes,
	    (uintmax_t)loads[1].bytes);
	assert_true(loads[0].bytes * 2 >= loads[1].bytes);
	assert_true(loads[1].bytes * 2 >= loads[0].bytes);
	suite_pass(s);
}

/* What an idle guest does not take, another one gets. */
static void
test_lending(void **state)
{
	struct suite *s = *state;
	struct load load = { .fe = &s->fe, .depth = 8, .len = 64 };

	start_limited(s, "4", "4096", "250");
	suite_up_qemu(s, &s->fe, "vm0");
	suite_up_qemu(s, &s->other, "vm1");
	suite_served(&s->other);
	load_run(&load, 1, 500, NULL);
	load.bytes = 0;
	load_run(&load, 1, 1500, NULL);
	print_message("# alone %ju of %d\n", (uintmax_t)load.bytes,
	    16384 * 3 / 2);
	assert_true(load.bytes >= 16384 * 3 / 2 * 8 / 10);
	/* The other one's turn comes at once all the same. */
	assert_int_equal(fe_read(&s->other, NULL, 64, PROMPT_MS), 64);
	suite_pass(s);
}

static void
test_reconnect_gains_nothing(void **state)
{
	struct suite *s = *state;
	struct record rec;
	uint64_t end, bytes = 0;

	record_init(&rec, 100000);
	start_limited(s, "2", "2048", "250");
	end = fe_now() + 2000;
	while (fe_now() < end) {
		struct load load = { .fe = &s->fe, .depth = 16, .len = 64 };

		suite_up_qemu(s, &s->fe, "vm0");
		load_run(&load, 1, 40, &rec);
		bytes += load.bytes;
		fe_close(&s->fe);
	}
	record_check(&rec, 2048, 8192, DELAY_MS);
	assert_true(bytes > 0);
	record_free(&rec);
	suite_pass(s);
}

/* One byte per period and three guests: each gets its turn. */
static void
test_one_byte(void **state)
{
	struct suite *s = *state;
	struct fe third;
	struct fe *fes[] = { &s->fe, &s->other, &third };
	struct fe_used_elem elem;
	int i, k;

	start_limited(s, "3", "1", "100");
	suite_up_qemu(s, &s->fe, "vm0");
	suite_up_qemu(s, &s->other, "vm1");
	suite_up_qemu(s, &third, "vm2");
	for (k = 0; k < 4; k++) {
		for (i = 0; i < 3; i++) {
			fe_add_one(fes[i], FE_BUF_GPA, 64);
			fe_kick(fes[i]);
		}
		for (i = 0; i < 3; i++) {
			CHECK(fe_wait(fes[i], 1, FE_TIMEOUT_MS));
			assert_int_equal(fe_pop(fes[i], &elem), 1);
			assert_int_equal(elem.len, 1);
		}
	}
	fe_close(&third);
	suite_pass(s);
}

/* While a request waits, everything else is answered. */
static void
test_throttled(void **state)
{
	struct suite *s = *state;
	struct fe *fe = &s->fe;
	uint64_t features, start;
	int i;

	start_limited(s, "2", "64", "60000");
	suite_up_qemu(s, fe, "vm0");
	suite_up_qemu(s, &s->other, "vm1");
	assert_int_equal(fe_read(fe, NULL, 64, FE_TIMEOUT_MS), 64);
	fe_add_one(fe, FE_BUF_GPA, 64);
	fe_kick(fe);
	fe_add_one(&s->other, FE_BUF_GPA, 64);
	fe_kick(&s->other);
	start = fe_now();
	for (i = 0; i < 50; i++) {
		CHECK(fe_get_u64(fe, FE_GET_FEATURES, &features));
		CHECK(fe_get_u64(&s->other, FE_GET_FEATURES, &features));
	}
	assert_true(fe_now() - start < PROMPT_MS);
	assert_int_equal(fe_stop(fe), 1);
	assert_int_equal(fe_pending(fe), 0);
	CHECK(fe_start(fe));
	CHECK(fe_get_u64(fe, FE_GET_FEATURES, &features));
	assert_true(fe_now() - start < 2 * PROMPT_MS);
	assert_int_equal(fe_pending(fe), 0);
	fe_close(&s->other);
	suite_up_qemu(s, &s->other, "vm1");
	suite_pass(s);
}

/* More than max-bytes is completed short, never with 0. */
/* Completions of requests for 1 KiB, per KiB. */
static double
completions(struct suite *s, const char *max)
{
	struct load load = { .fe = &s->fe, .depth = 4, .len = 1024 };

	start_limited(s, "1", max, "100");
	suite_up_qemu(s, &s->fe, "vm0");
	load_run(&load, 1, 300, NULL);
	load.bytes = load.requests = 0;
	load_run(&load, 1, 1500, NULL);
	suite_pass(s);
	return (double)load.requests * 1024 / (double)load.bytes;
}

/* A share of which 1 KiB takes 1 ms completes requests in full. */
static void
test_whole(void **state)
{
	double n = completions(*state, "102400");

	print_message("# completions per KiB: %.2f\n", n);
	assert_true(n <= 1.2);
}

/* If it takes 5 ms, it completes them with 256 bytes or more. */
static void
test_pieces(void **state)
{
	double n = completions(*state, "20480");

	print_message("# completions per KiB: %.2f\n", n);
	assert_true(n <= 4);
}

/*
 * Many guests at a limit whose burst is small: what requests hold while they
 * wait for more is not what all the others wait for.
 */
static void
test_many_pieces(void **state)
{
	enum {
		MANY = 32
	};
	static struct fe fes[MANY];
	struct suite *s = *state;
	struct load loads[MANY];
	uint64_t bytes = 0;
	char name[16];

	start_limited(s, "32", "4096", "100");
	for (int i = 0; i < MANY; i++) {
		fe_init(&fes[i]);
		(void)snprintf(name, sizeof(name), "vm%d", i);
		suite_up_qemu(s, &fes[i], name);
		loads[i] =
		    (struct load){ .fe = &fes[i], .depth = 2, .len = 512 };
	}
	load_run(loads, MANY, 1000, NULL);
	for (int i = 0; i < MANY; i++)
		loads[i].bytes = 0;
	load_run(loads, MANY, 2500, NULL);
	for (int i = 0; i < MANY; i++)
		bytes += loads[i].bytes;
	print_message("# %ju bytes of 102400\n", (uintmax_t)bytes);
	assert_true(bytes >= 102400 / 2);
	for (int i = 0; i < MANY; i++)
		fe_close(&fes[i]);
	suite_pass(s);
}

static void
test_larger_than_max(void **state)
{
	struct suite *s = *state;
	int i, n;

	start_limited(s, "2", "100", "200");
	suite_up_qemu(s, &s->fe, "vm0");
	for (i = 0; i < 4; i++) {
		n = fe_read(&s->fe, NULL, 4096, FE_TIMEOUT_MS);
		assert_in_range(n, 1, 100);
	}
	suite_pass(s);
}

static void
test_unlimited(void **state)
{
	struct suite *s = *state;
	struct load loads[2] = { { .fe = &s->fe, .depth = 8, .len = 65536 },
		{ .fe = &s->other, .depth = 1, .len = 64 } };

	suite_up_qemu(s, &s->fe, "vm0");
	suite_up_qemu(s, &s->other, "vm1");
	load_run(loads, 2, 1500, NULL);
	print_message("# %ju bytes in 64 KiB requests, %ju short, beside %ju "
		      "requests of 64\n",
	    (uintmax_t)loads[0].bytes, (uintmax_t)loads[0].shorts,
	    (uintmax_t)loads[1].requests);
	assert_true(loads[0].bytes > 4 << 20);
	assert_true(loads[1].requests > 200);
	suite_pass(s);
}

/* Without a limit there is no reason to answer short. */
static void
test_never_short(void **state)
{
	struct suite *s = *state;
	struct load loads[2] = { { .fe = &s->fe, .depth = 4, .len = 16384 },
		{ .fe = &s->other, .depth = 1, .len = 4096 } };

	suite_up_qemu(s, &s->fe, "vm0");
	suite_up_qemu(s, &s->other, "vm1");
	load_run(loads, 2, 500, NULL);
	if (loads[0].shorts + loads[1].shorts > 0)
		fail_msg("short: %ju of %ju with 16 KiB, %ju of %ju with 4 KiB",
		    (uintmax_t)loads[0].shorts, (uintmax_t)loads[0].requests,
		    (uintmax_t)loads[1].shorts, (uintmax_t)loads[1].requests);
	suite_pass(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { SUITE_EMPTY(test_window_bound),
		SUITE_EMPTY(test_no_piling_up), SUITE_EMPTY(test_equal_shares),
		SUITE_EMPTY(test_sizes_share), SUITE_EMPTY(test_lending),
		SUITE_EMPTY(test_reconnect_gains_nothing),
		SUITE_EMPTY(test_one_byte), SUITE_EMPTY(test_throttled),
		SUITE_EMPTY(test_whole), SUITE_EMPTY(test_pieces),
		SUITE_EMPTY(test_many_pieces),
		SUITE_EMPTY(test_larger_than_max), SUITE_TEST(test_unlimited),
		SUITE_TEST(test_never_short) };

	return SUITE_MAIN("limits", tests);
}
