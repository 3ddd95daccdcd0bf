/*
 * A small test program, for runner.test: its argument names the ways in which
 * it goes wrong, which tests/run must not lose.
 */
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "unit/unit.h"

static const char *way = "";

static bool
is_way(const char *what)
{
	return strstr(way, what) != NULL;
}

static void
crash(void)
{
	fflush(NULL);
	raise(SIGKILL);
}

/* Not seen by cmocka, which has signal handlers of its own. */
static int
teardown(void **state)
{
	(void)state;
	if (is_way("teardown"))
		crash();
	return is_way("unclean") ? -1 : 0;
}

static void
test_good(void **state)
{
	(void)state;
}

static void
test_other(void **state)
{
	(void)state;
	if (is_way("skip"))
		program_skip("the reason");
	if (is_way("fail"))
		fail_msg("as it should");
	if (is_way("killed"))
		crash();
}

/* Whatever the compiler knows, the memory was in use, and is not any more. */
static void
leak(void)
{
	static char *volatile kept;

	kept = malloc(100);
	if (kept != NULL)
		kept[0] = 'x';
	kept = NULL;
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test_teardown(test_other, teardown),
	};
	int status;

	if (argc == 2)
		way = argv[1];
	if (is_way("atexit") && atexit(crash) != 0)
		return 1;
	if (is_way("leak"))
		leak();
	status = UNIT_MAIN("sample", tests);
	return is_way("23") ? 23 : status;
}
