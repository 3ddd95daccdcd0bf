/*
 * How much longer than usual a test waits before it gives up.
 */
#ifndef PATIENCE_H
#define PATIENCE_H

#include <stdlib.h>

/* VRNGD_TEST_PATIENCE, from 1 (also when it is not set) to 1000. */
static inline int
test_patience(void)
{
	const char *patience = getenv("VRNGD_TEST_PATIENCE");
	int n = patience == NULL ? 1 : atoi(patience);

	return n < 1 ? 1 : n > 1000 ? 1000 : n;
}

#endif
