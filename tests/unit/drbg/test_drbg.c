/*
 * The DRBG of a consumer: when it wants a seed, and what it does without.
 */
#include "unit/drbg/generator.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"

#define GENERATORS 10000 /* as many as there are guests at most */

static void
test_unseeded(void **state)
{
	struct drbg *d = generator_lasting();
	uint8_t out[100], untouched[100];

	(void)state;
	memset(out, 0xa5, sizeof(out));
	memset(untouched, 0xa5, sizeof(untouched));
	assert_true(drbg_needs_seed(d, 0));
	assert_true(drbg_needs_seed(d, UINT64_MAX));
	assert_int_equal(drbg_generate(d, out, sizeof(out), 0), -1);
	assert_int_equal(drbg_generate(d, out, 0, 0), -1);
	assert_memory_equal(out, untouched, sizeof(out));
	generator_seed(d, 1, 0);
	assert_int_equal(drbg_generate(d, out, 0, 0), 0);
	assert_memory_equal(out, untouched, sizeof(out));
	assert_int_equal(drbg_generate(d, out, sizeof(out), 0), 0);
	assert_memory_not_equal(out, untouched, sizeof(out));
	drbg_free(d);
	drbg_free(NULL);
}

/* Output is a function of the seeds: of all of them, and of nothing else. */
static void
test_seeds(void **state)
{
	struct drbg *a = generator_lasting(), *b = generator_lasting();
	uint8_t out[2][1000];

	(void)state;
	for (uint64_t i = 0; i < 100; i++) {
		generator_seed(a, i, i);
		generator_seed(b, i, 1000 + i);
		drbg_generate(a, out[0], sizeof(out[0]), i);
		drbg_generate(b, out[1], sizeof(out[1]), 2000 + i);
		assert_memory_equal(out[0], out[1], sizeof(out[0]));
		drbg_generate(a, out[1], sizeof(out[1]), i);
		assert_memory_not_equal(out[0], out[1], sizeof(out[0]));
		drbg_generate(b, out[0], sizeof(out[0]), i);
		assert_memory_equal(out[0], out[1], sizeof(out[0]));
	}
	/* One bit, once: from there on everything is different. */
	generator_seed(a, 100, 0);
	generator_seed(b, 101, 0);
	for (uint64_t i = 0; i < 10; i++) {
		drbg_generate(a, out[0], sizeof(out[0]), 0);
		drbg_generate(b, out[1], sizeof(out[1]), 0);
		assert_memory_not_equal(out[0], out[1], sizeof(out[0]));
		generator_seed(a, i, 0);
		generator_seed(b, i, 0);
	}
	drbg_free(a);
	drbg_free(b);
}

/* What a new generator says first that is seeded with `n` bytes. */
static void
first(const uint8_t *seed, size_t n, uint8_t out[32])
{
	struct drbg *d = generator_lasting();

	assert_int_equal(drbg_seed(d, seed, n, 0), 0);
	assert_int_equal(drbg_generate(d, out, 32, 0), 0);
	drbg_free(d);
}

/* Each byte of a seed counts, and how many there are. */
static void
test_long_seeds(void **state)
{
	static const size_t sizes[] = { 48, 49, 63, 64, 65, 1000, 4095, 4096 };
	uint8_t seed[DRBG_SEED_MAX], same[DRBG_SEED_MAX], out[2][32];
	uint64_t random = 1;
	size_t n, at;

	(void)state;
	unit_fill(seed, sizeof(seed), 1);
	memcpy(same, seed, sizeof(same));
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		n = sizes[i];
		first(seed, n, out[0]);
		assert_memory_equal(seed, same, sizeof(same));
		for (int k = 0; k < 100; k++) {
			at = k < 2 ? k * (n - 1) : unit_below(&random, n);
			seed[at] ^= (uint8_t)(1 << (k % 8));
			first(seed, n, out[1]);
			assert_memory_not_equal(out[0], out[1], 32);
			seed[at] = same[at];
		}
		if (n < sizeof(seed)) {
			seed[n] = 0;
			first(seed, n + 1, out[1]);
			assert_memory_not_equal(out[0], out[1], 32);
			seed[n] = same[n];
		}
	}
}

/* Never more than reseed_bytes between seeds. */
static void
test_bytes(void **state)
{
	struct drbg *d = generator(DRBG_OUTPUT_MAX + 1000, UINT64_MAX, 0);
	uint8_t out[DRBG_OUTPUT_MAX], untouched[DRBG_OUTPUT_MAX];

	(void)state;
	memset(untouched, 0xa5, sizeof(untouched));
	for (uint64_t i = 0; i < 4; i++) {
		generator_seed(d, i, 0);
		assert_int_equal(drbg_generate(d, out, sizeof(out), 0), 0);
		assert_false(drbg_needs_seed(d, 0));
		assert_int_equal(drbg_generate(d, out, 999, 0), 0);
		assert_false(drbg_needs_seed(d, 0));
		/* Two are too many; then not even the last one is given. */
		memset(out, 0xa5, sizeof(out));
		assert_int_equal(drbg_generate(d, out, 1 + i % 2, 0),
		    i % 2 == 0 ? 0 : -1);
		assert_true(drbg_needs_seed(d, 0));
		out[0] = 0xa5;
		assert_int_equal(drbg_generate(d, out, 1, 0), -1);
		assert_int_equal(drbg_generate(d, out, sizeof(out), 0), -1);
		assert_memory_equal(out, untouched, sizeof(out));
	}
	drbg_free(d);
}

static void
test_time(void **state)
{
	struct drbg *d = generator(UINT64_C(1) << 40, NS_PER_SEC, 0);
	uint64_t now = 5 * NS_PER_SEC;
	uint8_t out[16];

	(void)state;
	generator_seed(d, 1, now);
	now += NS_PER_SEC - 1;
	assert_false(drbg_needs_seed(d, now));
	assert_int_equal(drbg_generate(d, out, sizeof(out), now), 0);
	now++;
	assert_true(drbg_needs_seed(d, now));
	assert_int_equal(drbg_generate(d, out, sizeof(out), now), -1);
	generator_seed(d, 2, now);
	/* A clock that goes back: from there the interval counts. */
	now = NS_PER_SEC;
	assert_false(drbg_needs_seed(d, now));
	assert_int_equal(drbg_generate(d, out, sizeof(out), now), 0);
	now += NS_PER_SEC;
	assert_int_equal(drbg_generate(d, out, sizeof(out), now), -1);
	/* And one that leaps ahead. */
	generator_seed(d, 3, now);
	assert_int_equal(drbg_generate(d, out, sizeof(out), UINT64_MAX), -1);
	assert_true(drbg_needs_seed(d, now));
	drbg_free(d);
}

static void
test_resistance(void **state)
{
	struct drbg *d = generator(UINT64_C(1) << 40, UINT64_MAX, 1);
	uint8_t out[DRBG_OUTPUT_MAX];

	(void)state;
	for (uint64_t i = 0; i < 3; i++) {
		generator_seed(d, i, 0);
		assert_int_equal(drbg_generate(d, out, sizeof(out), 0), 0);
		assert_true(drbg_needs_seed(d, 0));
		assert_int_equal(drbg_generate(d, out, 1, 0), -1);
	}
	drbg_free(d);
}

/* What is changed holds at once, counted from the last seed. */
static void
test_change(void **state)
{
	struct drbg *d = generator(UINT64_C(1) << 40, UINT64_MAX, 0);
	struct proto_delivery delivery = { .reseed_bytes = DRBG_OUTPUT_MAX,
		.reseed_interval = 10 };
	uint8_t out[DRBG_OUTPUT_MAX];

	(void)state;
	generator_seed(d, 1, 0);
	assert_int_equal(drbg_generate(d, out, sizeof(out), 9), 0);
	assert_int_equal(drbg_generate(d, out, 1, 9), 0);
	drbg_change(d, &delivery);
	assert_true(drbg_needs_seed(d, 0));
	assert_int_equal(drbg_generate(d, out, 1, 0), -1);
	generator_seed(d, 2, 0);
	assert_false(drbg_needs_seed(d, 9));
	assert_true(drbg_needs_seed(d, 10));
	assert_int_equal(drbg_generate(d, out, 1, 9), 0);
	delivery.prediction_resistance = 1;
	drbg_change(d, &delivery);
	assert_true(drbg_needs_seed(d, 9));
	delivery.prediction_resistance = 0;
	drbg_change(d, &delivery);
	assert_false(drbg_needs_seed(d, 9));
	drbg_free(d);
}

/* Invalid requests, with a number. */
struct misuse {
	int (*ask)(size_t n);
	size_t n;
	const char *line; /* that the process ends with; NULL: it does not */
};

static int
seed_of(size_t n)
{
	uint8_t seed[DRBG_SEED_MAX + 1] = { 1 };

	return drbg_seed(generator_lasting(), seed, n, 0);
}

static int
output_of(size_t n)
{
	struct drbg *d = generator_lasting();
	uint8_t out[DRBG_OUTPUT_MAX + 1];

	generator_seed(d, 1, 0);
	return drbg_generate(d, out, n, 0);
}

static int
bytes_of(size_t n)
{
	return generator(n, 1, 0) == NULL;
}

static int
interval_of(size_t n)
{
	return generator(DRBG_OUTPUT_MAX, n, 0) == NULL;
}

static void
expect_line(void *arg, const struct log_line *line)
{
	const struct misuse *misuse = arg;

	if (line->level == LOG_LEVEL_ERROR)
		_exit(misuse->line != NULL &&
			    strstr(line->text, misuse->line) != NULL
			? 42
			: 43);
}

static int
ask(void *arg)
{
	const struct misuse *misuse = arg;

	log_open(expect_line, arg);
	return misuse->ask(misuse->n);
}

static void
test_misuse(void **state)
{
	struct misuse cases[] = {
		{ seed_of, SEED_SIZE - 1, "seed: 47 bytes" },
		{ seed_of, 0, "seed: 0 bytes" },
		{ seed_of, SEED_SIZE, NULL },
		{ seed_of, DRBG_SEED_MAX, NULL },
		{ seed_of, DRBG_SEED_MAX + 1, "seed: 4097 bytes" },
		{ output_of, DRBG_OUTPUT_MAX, NULL },
		{ output_of, DRBG_OUTPUT_MAX + 1, "from a DRBG: 65537" },
		{ bytes_of, DRBG_OUTPUT_MAX, NULL },
		{ bytes_of, DRBG_OUTPUT_MAX - 1,
		    "interval of a DRBG: 65535 bytes" },
		{ bytes_of, 0, "interval of a DRBG: 0 bytes" },
		{ interval_of, 0, "65536 bytes, 0 ns" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(generator_apart(ask, &cases[i]),
		    cases[i].line == NULL ? 0 : 42 << 8);
}

static int
compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* As many as there can be, each with its own output; nothing stays behind. */
static void
test_many(void **state)
{
	static struct drbg *all[GENERATORS];
	static uint64_t out[GENERATORS];
	size_t used = CRYPTO_secure_used();

	(void)state;
	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; i < GENERATORS; i++) {
			all[i] = generator_lasting();
			generator_seed(all[i], i, 0);
		}
		for (size_t i = 0; i < GENERATORS; i++)
			assert_int_equal(drbg_generate(all[i],
					     (uint8_t *)&out[i], sizeof(out[i]),
					     0),
			    0);
		qsort(out, GENERATORS, sizeof(out[0]), compare);
		for (size_t i = 1; i < GENERATORS; i++)
			assert_int_not_equal(out[i - 1], out[i]);
		assert_true(CRYPTO_secure_used() > used);
		for (size_t i = 0; i < GENERATORS; i++)
			drbg_free(all[i]);
		assert_int_equal(CRYPTO_secure_used(), used);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unseeded),
		cmocka_unit_test(test_seeds),
		cmocka_unit_test(test_long_seeds),
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_time),
		cmocka_unit_test(test_resistance),
		cmocka_unit_test(test_change),
		cmocka_unit_test(test_misuse),
		cmocka_unit_test(test_many),
	};

	drbg_start();
	return UNIT_MAIN("DRBG", tests);
}
