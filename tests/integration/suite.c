/*
 * What the integration tests share.
 */
#include <sys/wait.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "integration/suite.h"

#define BLOCK	      64
#define SUITE_TIMEOUT 180 /* s, for all tests of a program */

int
suite_setup_empty(void **state)
{
	struct suite *s;

	if ((s = calloc(1, sizeof(*s))) == NULL)
		return -1;
	fe_init(&s->fe);
	fe_init(&s->other);
	if (daemon_init(&s->d) == -1) {
		free(s);
		return -1;
	}
	*state = s;
	return 0;
}

int
suite_setup(void **state)
{
	const char *const args[] = { "-s", "@vm%d.sock", "-c", "2", NULL };
	struct suite *s;

	if (suite_setup_empty(state) == -1)
		return -1;
	s = *state;
	if (daemon_start(&s->d, args) == -1) {
		daemon_free(&s->d);
		free(s);
		return -1;
	}
	return 0;
}

int
suite_setup_packed(void **state)
{
	fe_packed = true;
	return suite_setup(state);
}

int
suite_setup_empty_packed(void **state)
{
	fe_packed = true;
	return suite_setup_empty(state);
}

int
suite_teardown(void **state)
{
	struct suite *s = *state;
	int rc = 0, status;

	fe_packed = false;
	fe_close(&s->fe);
	fe_close(&s->other);
	if (s->d.pid != 0 && (status = daemon_stop(&s->d, SIGTERM)) != 0) {
		print_error("# SIGTERM: status %#x instead of 0\n",
		    (unsigned int)status);
		rc = -1;
	}
	if (rc != 0 || !s->passed)
		daemon_dump(&s->d);
	daemon_free(&s->d);
	free(s);
	return rc;
}

void
suite_pass(struct suite *s)
{
	s->passed = true;
}

void
suite_start(struct suite *s, const char *const *args)
{
	CHECK(daemon_start(&s->d, args));
}

void
suite_up(struct suite *s, struct fe *fe, const char *guest, uint32_t size,
    uint64_t features, uint64_t pfeatures)
{
	char name[64];

	snprintf(name, sizeof(name), "%s.sock", guest);
	CHECK(fe_up(fe, daemon_path(&s->d, name), size, features, pfeatures));
}

void
suite_up_qemu(struct suite *s, struct fe *fe, const char *guest)
{
	suite_up(s, fe, guest, 64, QEMU_FEATURES, QEMU_PFEATURES);
}

void
suite_random(const uint8_t *buf, size_t len)
{
	size_t i, run = 1, seen = 0;
	uint8_t present[256] = { 0 };

	for (i = 0; i < len; i++) {
		seen += present[buf[i]]++ == 0;
		run = i > 0 && buf[i] == buf[i - 1] ? run + 1 : 1;
		assert_true(run < 8);
	}
	if (len >= 64)
		assert_true(seen > 32);
}

void
suite_served(struct fe *fe)
{
	uint8_t buf[BLOCK];
	int n;

	fe_mem_fill(fe, FE_BUF_GPA, 0, sizeof(buf));
	errno = 0;
	n = fe_read(fe, buf, sizeof(buf), FE_TIMEOUT_MS);
	if (n == -1)
		print_error("# not served: %s (used idx %u, seen %u)\n",
		    strerror(errno), fe_used_idx(fe), fe->ring.used_idx);
	assert_int_equal(n, BLOCK);
	suite_random(buf, sizeof(buf));
}

static int
compare(const void *a, const void *b)
{
	return memcmp(a, b, BLOCK);
}

void
suite_unique(const uint8_t *buf, size_t len)
{
	size_t i, n = len / BLOCK;
	uint8_t *copy = malloc(len);
	bool twice = false;

	assert_non_null(copy);
	memcpy(copy, buf, len);
	qsort(copy, n, BLOCK, compare);
	for (i = 1; i < n && !twice; i++)
		twice = compare(copy + (i - 1) * BLOCK, copy + i * BLOCK) == 0;
	free(copy);
	if (twice)
		fail_msg("a block came twice");
}

int
suite_main(const char *name, const struct CMUnitTest *tests, size_t n)
{
	return program_run(name, tests, n, SUITE_TIMEOUT);
}
