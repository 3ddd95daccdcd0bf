/*
 * What the unit tests share.
 */
#ifndef UNIT_H
#define UNIT_H

#include "program.h"

#include <dirent.h>

#define UNIT_TIMEOUT 60 /* s, for all tests of a program */

/* SplitMix64: the same numbers for the same seed. */
static inline uint64_t
unit_random(uint64_t *seed)
{
	uint64_t z = *seed += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

/* A number below `n`; 0 if that is 0. */
static inline uint64_t
unit_below(uint64_t *seed, uint64_t n)
{
	return n == 0 ? 0 : unit_random(seed) % n;
}

/* Bytes to be known again: the same for the same seed. */
static inline void
unit_fill(uint8_t *buf, size_t len, uint64_t seed)
{
	for (size_t i = 0; i < len; i++)
		buf[i] = (uint8_t)unit_random(&seed);
}

/* How many file descriptors this process has. */
static inline size_t
unit_count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	size_t n = 0;

	assert_non_null(dir);
	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n;
}

/* Runs the tests as one TAP group, within a time limit for all of them. */
static inline int
unit_main(const char *name, const struct CMUnitTest *tests, size_t n)
{
	return program_run(name, tests, n, UNIT_TIMEOUT);
}

#define UNIT_MAIN(name, tests) \
	unit_main(name, tests, sizeof(tests) / sizeof((tests)[0]))

#endif
