/*
 * Guest memory on huge pages, as far as the host has any to lend.
 */
#include <sys/mman.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "integration/suite.h"

#define POOL	   "/proc/sys/vm/nr_hugepages"
#define HUGE_PAGE  (UINT64_C(2) << 20)
#define HUGE_PAGES 6

/* Reads the size of the pool of 2 MiB pages, or sets it.  -1: cannot. */
static long
pool_get(void)
{
	FILE *f = fopen(POOL, "re");
	long n = -1;

	if (f != NULL && fscanf(f, "%ld", &n) != 1)
		n = -1;
	if (f != NULL)
		fclose(f);
	return n;
}

static int
pool_set(long n)
{
	FILE *f = fopen(POOL, "we");

	if (f == NULL)
		return -1;
	fprintf(f, "%ld\n", n);
	return fclose(f) == 0 && pool_get() == n ? 0 : -1;
}

/* Two regions in one file each, the second not from its beginning. */
static void
test_hugepages(void **state)
{
	struct suite *s = *state;
	struct fe *fe = &s->fe;
	struct fe_used_elem elem;
	long before = pool_get();

	if (before == -1 || pool_set(before + HUGE_PAGES) == -1) {
		pool_set(before);
		suite_skip(s, "there are no huge pages, or no right to them");
	}
	fe_init(fe);
	fe->memfd_flags = MFD_HUGETLB;
	CHECK(fe_connect(fe, daemon_path(&s->d, "vm0.sock")));
	CHECK(fe_mem_add(fe, 0, HUGE_PAGE, 0));
	CHECK(fe_mem_add(fe, HUGE_PAGE, HUGE_PAGE, HUGE_PAGE));
	CHECK(fe_ring_init(fe, 64, FE_RING_GPA));
	CHECK(fe_handshake(fe, QEMU_FEATURES, QEMU_PFEATURES));
	CHECK(fe_start(fe));
	suite_served(fe);
	/* Across the two. */
	assert_int_not_equal(fe_add_one(fe, HUGE_PAGE - 100, 300), -1);
	fe_kick(fe);
	CHECK(fe_wait(fe, 1, FE_TIMEOUT_MS));
	assert_int_equal(fe_pop(fe, &elem), 1);
	assert_int_equal(elem.len, 300);
	fe_close(fe);
	CHECK(daemon_child_gone(&s->d, ROLE_VHOST, "vm0", FE_TIMEOUT_MS));
	CHECK(pool_set(before));
	suite_pass(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SUITE_TEST(test_hugepages),
	};

	return SUITE_MAIN("hugepages", tests);
}
