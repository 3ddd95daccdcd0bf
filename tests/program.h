/*
 * What all test programs share: how they are run, and what a developer can ask
 * of them by the environment (CONTRIBUTING.md):
 *
 *	VRNGD_TEST=NAME        run only the tests whose names match; * is any text
 *	VRNGD_TEST_SEED=N      the seed of random data, as printed
 *	VRNGD_TEST_PATIENCE=N  wait N times as long, for debuggers and valgrind
 */
#ifndef PROGRAM_H
#define PROGRAM_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "patience.h"

/*
 * Skips the test; tests/run reports the reason, and fails it where CI is set.
 */
#define program_skip(reason) \
	do { \
		print_message("# SKIP %s\n", reason); \
		skip(); \
	} while (0)

static inline uint64_t
program_clock(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* A seed for a test whose input is random: another one each time. */
static inline uint64_t
program_seed(void)
{
	const char *given = getenv("VRNGD_TEST_SEED");
	const uint64_t seed =
	    given != NULL ? strtoull(given, NULL, 0) : program_clock();

	print_message("# seed %ju (VRNGD_TEST_SEED=%ju gives it again)\n",
	    (uintmax_t)seed, (uintmax_t)seed);
	return seed;
}

/*
 * Run the tests as one TAP group; end the program after `seconds`.  Signals
 * that nohup(1) and the like ignore have their meaning for the tests.
 */
static inline int
program_run(const char *name, const struct CMUnitTest *tests, size_t n,
    unsigned int seconds)
{
	signal(SIGHUP, SIG_DFL);
	signal(SIGINT, SIG_DFL);
	signal(SIGQUIT, SIG_DFL);
	signal(SIGPIPE, SIG_IGN);
	alarm(seconds * test_patience());
	cmocka_set_message_output(CM_OUTPUT_TAP);
	if (getenv("VRNGD_TEST") != NULL)
		cmocka_set_test_filter(getenv("VRNGD_TEST"));
	return _cmocka_run_group_tests(name, tests, n, NULL, NULL);
}

#endif
