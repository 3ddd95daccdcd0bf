/*
 * What all test programs share: how they are run, and what a developer can ask
 * of them by the environment (CONTRIBUTING.md):
 *
 *	VRNGD_TEST=NAME        run only the tests whose names match; * is any text
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
#include <unistd.h>

#include "patience.h"

/* Run the tests as one TAP group; end the program after `seconds`. */
static inline int
program_run(const char *name, const struct CMUnitTest *tests, size_t n,
    unsigned int seconds)
{
	signal(SIGPIPE, SIG_IGN);
	alarm(seconds * test_patience());
	cmocka_set_message_output(CM_OUTPUT_TAP);
	if (getenv("VRNGD_TEST") != NULL)
		cmocka_set_test_filter(getenv("VRNGD_TEST"));
	return _cmocka_run_group_tests(name, tests, n, NULL, NULL);
}

#endif
