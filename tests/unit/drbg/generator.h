/*
 * Generators for the tests of the DRBG.
 */
#ifndef GENERATOR_H
#define GENERATOR_H

#include "unit/unit.h"

#include <sys/wait.h>

#include <unistd.h>

#include "entropy/drbg/drbg.h"

#define SEED_SIZE DRBG_SEED_MIN

static inline struct drbg *
generator(uint64_t bytes, uint64_t interval, uint32_t resistance)
{
	struct proto_delivery delivery = { .mode = DELIVERY_DRBG,
		.prediction_resistance = resistance,
		.reseed_bytes = bytes,
		.reseed_interval = interval };

	return drbg_new(&delivery);
}

/* One that wants no seed for long. */
static inline struct drbg *
generator_lasting(void)
{
	return generator(UINT64_C(1) << 40, UINT64_MAX, 0);
}

/* Seeds it with the bytes that a number stands for. */
static inline void
generator_seed(struct drbg *d, uint64_t number, uint64_t now)
{
	uint8_t seed[SEED_SIZE];

	unit_fill(seed, sizeof(seed), number);
	assert_int_equal(drbg_seed(d, seed, sizeof(seed), now), 0);
	assert_false(drbg_needs_seed(d, now));
}

/* Runs in a process of its own.  Returns its status of wait(2). */
static inline int
generator_apart(int (*function)(void *), void *arg)
{
	int status;
	pid_t pid = fork();

	assert_int_not_equal(pid, -1);
	if (pid == 0)
		_exit(function(arg));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

#endif
