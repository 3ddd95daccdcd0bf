/*
 * The supply of several sources, which are pipes: the first healthy
 * one, or all of them XORed.
 */
#include "unit/entropy/pipes.h"

#include "entropy/drbg/drbg.h"
#include "entropy/supply.h"

#define STOCK 16384

static struct source sources[26];

/* A supply of sources that no other test has. */
static struct counters_source counters[sizeof(sources) / sizeof(*sources)];

static struct source *
supply_new(struct supply *s, uint32_t n, uint32_t combine, uint32_t min)
{
	static uint32_t next;
	struct source *first = &sources[next];
	const struct proto_pool pool = {
		.nsources = n,
		.combine = combine,
		.min_sources = min,
		.stock = STOCK,
	};
	struct proto_source spec;

	assert_true(next + n <= sizeof(sources) / sizeof(*sources));
	for (uint32_t i = 0; i < n; i++) {
		spec = pipe_spec(i);
		source_start(&first[i], &spec, kind_find(SOURCE_DEVICE),
		    &counters[next + i], STOCK,
		    eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
	}
	next += n;
	supply_init(s, &pool, first);
	return first;
}

/* Waits until those sources serve. */
static void
await_serving(struct supply *s, uint32_t serving)
{
	uint64_t deadline = clock_now() + PIPE_TIMEOUT_MS * NS_PER_MS;

	do {
		assert_true(clock_now() < deadline);
		usleep(1000);
		supply_update(s, clock_now());
	} while (s->serving != serving);
}

static void
await_held(struct supply *s, size_t held)
{
	uint64_t deadline = clock_now() + PIPE_TIMEOUT_MS * NS_PER_MS;

	do {
		assert_true(clock_now() < deadline);
		usleep(1000);
		supply_update(s, clock_now());
	} while (supply_held(s) != held);
}

/* The next bytes are those, and are taken. */
static void
expect(struct supply *s, const uint8_t *bytes, size_t len)
{
	struct iovec iov[2];

	assert_int_equal(supply_peek(s, len, iov), len);
	assert_memory_equal(iov[0].iov_base, bytes, iov[0].iov_len);
	assert_memory_equal(iov[1].iov_base, bytes + iov[0].iov_len,
	    iov[1].iov_len);
	supply_remove(s, len);
}

/* The first healthy one serves; another does when it fails; then it again. */
static void
test_first(void **state)
{
	const uint8_t zero[64] = { 0 };
	struct supply s;
	struct source *src = supply_new(&s, 2, COMBINE_FIRST, 1);
	uint8_t bytes[2000];
	int one, two;

	(void)state;
	supply_update(&s, clock_now());
	assert_int_equal(supply_held(&s), 0);
	two = pipe_open(&src[1]);
	pipe_feed(two, 2000, 2);
	await_serving(&s, 2);
	await_held(&s, 2000);
	one = pipe_open(&src[0]);
	pipe_feed(one, 1000, 1);
	await_serving(&s, 1);
	await_held(&s, 1000);
	unit_fill(bytes, 1000, 1);
	expect(&s, bytes, 500);
	/* It fails: what is left of it is not served. */
	assert_int_equal(write(one, zero, sizeof(zero)), sizeof(zero));
	await_serving(&s, 2);
	await_held(&s, 2000);
	assert_int_equal(stock_held(&src[0].stock), 0);
	unit_fill(bytes, 2000, 2);
	expect(&s, bytes, 100);
	close(one);
	one = pipe_open(&src[0]);
	pipe_feed(one, PIPE_START_UP, 3);
	await_serving(&s, 1);
	await_held(&s, PIPE_START_UP);
	close(one);
	/* It is lost: the other one serves, then what is left of it. */
	await_serving(&s, 2);
	expect(&s, bytes + 100, 1900);
	close(two);
	await_serving(&s, 1);
	unit_fill(bytes, PIPE_START_UP, 3);
	expect(&s, bytes, PIPE_START_UP);
	await_serving(&s, 0);
	assert_int_equal(supply_held(&s), 0);
}

/* A remainder that is too small for a grant waits until the source is back. */
static void
test_remainder(void **state)
{
	struct supply s;
	struct source *src = supply_new(&s, 1, COMBINE_FIRST, 1);
	uint8_t bytes[PIPE_START_UP];
	int one;

	(void)state;
	unit_fill(bytes, sizeof(bytes), 1);
	one = pipe_open(&src[0]);
	pipe_feed(one, PIPE_START_UP, 1);
	await_held(&s, PIPE_START_UP);
	close(one);
	expect(&s, bytes, PIPE_START_UP - 63);
	await_serving(&s, 0);
	assert_int_equal(supply_held(&s), 0);
	assert_int_equal(stock_held(&src[0].stock), 63);
}

/* A source that stalls is passed over. */
static void
test_stalled(void **state)
{
	struct supply s;
	struct source *src = supply_new(&s, 2, COMBINE_FIRST, 1);
	uint64_t now = clock_now();
	int one, two;

	(void)state;
	one = pipe_open(&src[0]);
	two = pipe_open(&src[1]);
	assert_true(supply_deadline(&s, now) <= clock_now() + PIPE_STALL_NS);
	pipe_feed(one, 1000, 1);
	await_serving(&s, 1);
	for (uint64_t i = 0; i < 30; i++) {
		pipe_feed(two, 600, i);
		usleep(PIPE_STALL_NS / 1000 / 10);
		supply_update(&s, clock_now());
	}
	await_serving(&s, 2);
	pipe_feed(one, 600, 3);
	await_serving(&s, 1);
	close(one);
	close(two);
}

/* All serve together, as fast as the slowest; without one of them, none. */
static void
test_xor(void **state)
{
	struct supply s;
	struct source *src = supply_new(&s, 3, COMBINE_XOR, 3);
	uint8_t a[6000], b[6000];
	int fds[3];

	(void)state;
	for (uint64_t i = 0; i < 3; i++) {
		fds[i] = pipe_open(&src[i]);
		pipe_feed(fds[i], i == 1 ? 700 : 6000, i);
	}
	await_serving(&s, 7);
	await_held(&s, 700);
	unit_fill(a, sizeof(a), 0);
	for (uint64_t i = 1; i < 3; i++) {
		unit_fill(b, sizeof(b), i);
		for (size_t j = 0; j < sizeof(a); j++)
			a[j] ^= b[j];
	}
	expect(&s, a, 700);
	pipe_feed(fds[1], 300, 10);
	await_held(&s, 300);
	/* One is lost: no more. */
	close(fds[0]);
	await_serving(&s, 0);
	pipe_feed(fds[1], 2000, 11);
	usleep(20000);
	await_held(&s, 300);
	fds[0] = pipe_open(&src[0]);
	pipe_feed(fds[0], 2000, 12);
	await_serving(&s, 7);
	await_held(&s, 2300);
	for (int i = 0; i < 3; i++)
		close(fds[i]);
}

/* With fewer than all of them allowed, the rest goes on. */
static void
test_min(void **state)
{
	struct supply s;
	struct source *src = supply_new(&s, 3, COMBINE_XOR, 2);
	int fds[3];

	(void)state;
	fds[0] = pipe_open(&src[0]);
	pipe_feed(fds[0], 4000, 1);
	pipe_await_stock(&src[0].stock, 4000);
	supply_update(&s, clock_now());
	assert_int_equal(s.serving, 0);
	assert_int_equal(supply_held(&s), 0);
	fds[2] = pipe_open(&src[2]);
	pipe_feed(fds[2], 4000, 2);
	await_serving(&s, 5);
	await_held(&s, 4000);
	fds[1] = pipe_open(&src[1]);
	pipe_feed(fds[1], 1000, 3);
	await_serving(&s, 7);
	close(fds[0]);
	await_serving(&s, 6);
	for (int i = 1; i < 3; i++)
		close(fds[i]);
}

/* A source in use fails a test: what it was part of is gone. */
static void
test_xor_fails(void **state)
{
	const uint8_t zero[64] = { 0 };
	struct supply s;
	struct source *src = supply_new(&s, 2, COMBINE_XOR, 1);
	int fds[2];

	(void)state;
	for (uint64_t i = 0; i < 2; i++) {
		fds[i] = pipe_open(&src[i]);
		pipe_feed(fds[i], 1000, i);
	}
	await_serving(&s, 3);
	await_held(&s, 1000);
	assert_int_equal(write(fds[0], zero, sizeof(zero)), sizeof(zero));
	await_held(&s, 0);
	assert_int_equal(s.serving, 2);
	pipe_feed(fds[1], 800, 5);
	await_held(&s, 800);
	for (int i = 0; i < 2; i++)
		close(fds[i]);
}

/* A source that stalls, and so is not in use, before it fails a test. */
static void
test_xor_stalls_and_fails(void **state)
{
	const uint8_t zero[64] = { 0 };
	struct supply s;
	struct source *src = supply_new(&s, 2, COMBINE_XOR, 2);
	uint64_t seed = 0;
	int fds[2];

	(void)state;
	for (int i = 0; i < 2; i++)
		fds[i] = pipe_open(&src[i]);
	/* On a busy host one may stall before the other serves. */
	do {
		assert_true(seed < 100);
		for (int i = 0; i < 2; i++)
			pipe_feed(fds[i], 1000, seed++);
		usleep(10000);
		supply_update(&s, clock_now());
	} while (supply_held(&s) == 0);
	await_serving(&s, 0);
	assert_true(supply_held(&s) > 0);
	assert_int_equal(write(fds[0], zero, sizeof(zero)), sizeof(zero));
	await_held(&s, 0);
	for (int i = 0; i < 2; i++)
		close(fds[i]);
}

/* Two that are the same come to nothing: both begin again. */
static void
test_xor_same(void **state)
{
	struct supply s;
	struct source *src = supply_new(&s, 2, COMBINE_XOR, 2);
	struct proto_source_state seen;
	int fds[2];

	(void)state;
	for (int i = 0; i < 2; i++) {
		fds[i] = pipe_open(&src[i]);
		pipe_feed(fds[i], 1000, 1);
		pipe_await_stock(&src[i].stock, 1000);
	}
	supply_update(&s, clock_now());
	assert_int_equal(s.serving, 0);
	assert_int_equal(supply_held(&s), 0);
	for (int i = 0; i < 2; i++) {
		pipe_feed(fds[i], 1, 2);
		pipe_await(&src[i], SOURCE_FAILED, 1, &seen);
		assert_int_equal(seen.test, TEST_COMBINED);
		close(fds[i]);
	}
}

/* A seed is as long as the entropy in the bytes makes it. */
static void
test_seed(void **state)
{
	struct supply s;
	struct source *src = supply_new(&s, 1, COMBINE_FIRST, 1);
	uint8_t seed[DRBG_SEED_MAX], bytes[3000];
	int fd;

	(void)state;
	supply_update(&s, clock_now());
	assert_int_equal(supply_seed(&s, seed, sizeof(seed)), 0);
	fd = pipe_open(&src[0]);
	pipe_feed(fd, 3000, 1);
	await_held(&s, 3000);
	unit_fill(bytes, sizeof(bytes), 1);
	assert_int_equal(supply_seed(&s, seed, 47), 0);
	assert_int_equal(supply_seed(&s, seed, sizeof(seed)), 48);
	assert_memory_equal(seed, bytes, 48);
	assert_int_equal(supply_held(&s), 2952);
	src[0].dev.spec.noise = NOISE_RAW;
	src[0].dev.spec.min_entropy = 1500;
	assert_int_equal(supply_seed(&s, seed, sizeof(seed)), 256);
	assert_memory_equal(seed, bytes + 48, 256);
	src[0].dev.spec.sample_bits = 2;
	assert_int_equal(supply_seed(&s, seed, sizeof(seed)), 64);
	src[0].dev.spec.min_entropy = 20;
	assert_int_equal(supply_seed(&s, seed, sizeof(seed)), 0);
	close(fd);
}

/* Combined bytes have the entropy of the sources that were combined then. */
static void
test_xor_seed(void **state)
{
	struct supply s;
	struct source *src = supply_new(&s, 2, COMBINE_XOR, 1);
	uint8_t seed[DRBG_SEED_MAX];
	int fds[2];

	(void)state;
	s.serving = 1; /* before anything was combined */
	assert_int_equal(supply_seed(&s, seed, sizeof(seed)), 0);
	src[1].dev.spec.noise = NOISE_RAW;
	src[1].dev.spec.min_entropy = 1000;
	src[1].dev.spec.sample_bits = 8;
	fds[1] = pipe_open(&src[1]);
	pipe_feed(fds[1], 3000, 1);
	await_serving(&s, 2);
	await_held(&s, 3000);
	assert_int_equal(supply_seed(&s, seed, sizeof(seed)), 384);
	fds[0] = pipe_open(&src[0]);
	pipe_feed(fds[0], 1000, 2);
	await_serving(&s, 3);
	assert_int_equal(supply_seed(&s, seed, sizeof(seed)), 384);
	/* Some of these bytes are left. */
	pipe_feed(fds[1], 500, 3);
	await_held(&s, 3000 - 2 * 384 + 500);
	assert_int_equal(supply_seed(&s, seed, sizeof(seed)), 384);
	supply_remove(&s, supply_held(&s));
	pipe_feed(fds[1], 500, 4);
	await_held(&s, 500);
	assert_int_equal(supply_seed(&s, seed, sizeof(seed)), 48);
	for (int i = 0; i < 2; i++)
		close(fds[i]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_first),
		cmocka_unit_test(test_remainder),
		cmocka_unit_test(test_stalled),
		cmocka_unit_test(test_xor),
		cmocka_unit_test(test_min),
		cmocka_unit_test(test_xor_fails),
		cmocka_unit_test(test_xor_stalls_and_fails),
		cmocka_unit_test(test_xor_same),
		cmocka_unit_test(test_seed),
		cmocka_unit_test(test_xor_seed),
	};

	return UNIT_MAIN("supply", tests);
}
