/*
 * What a grant costs in trees of 10 to 1,000,000 guests: all of them
 * backlogged, in classes of ten, under a limit that makes them wait.  Then with
 * every other guest's bytes generated, while there is stock and there is none.
 *
 * usage: bench_alloc [-m] [guests]
 *
 * With -m it prints metrics of one size for the work `alloc` of the benchmark.
 */
#include <bsd/stdlib.h>
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "parent/alloc/alloc.h"
#include "common/clock.h"

#define GRANTS	   2000000
#define IN_A_CLASS 10
#define GUESTS_MAX 10000000
#define PLENTY	   (UINT64_MAX / 4)
#define RATE	   (UINT64_C(100) << 20) /* bytes per second, of the pool */

static struct alloc_share
share(uint64_t rate, uint64_t ceil)
{
	return (struct alloc_share){
		.rate = { rate, NS_PER_SEC },
		.ceil = { ceil, NS_PER_SEC },
		.burst = 65536,
		.weight = 1,
	};
}

static void
want_more(struct alloc *a, struct alloc_node *leaf, uint64_t now)
{
	alloc_want(a, leaf, now, leaf->granted + 64, leaf->granted + 64, 0);
}

/* CPU time (ns), which does not count what other processes do. */
static uint64_t
cpu_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_SEC + (uint64_t)ts.tv_nsec;
}

/* ns for each grant and the demand that follows it. */
static double
measure(size_t n, bool mixed, uint64_t stock)
{
	size_t nclasses = (n + IN_A_CLASS - 1) / IN_A_CLASS;
	struct alloc a;
	struct alloc_share pool = share(0, RATE);
	struct alloc_share class = share(RATE * IN_A_CLASS / n / 2, RATE);
	struct alloc_share guest = share(RATE / n / 4, RATE);
	struct alloc_class *classes;
	struct alloc_node *guests, *leaf;
	uint64_t now = NS_PER_SEC, bytes, start, grants = 0;

	classes = calloc(nclasses, sizeof(*classes));
	guests = calloc(n, sizeof(*guests));
	if (classes == NULL || guests == NULL)
		abort();
	alloc_init(&a, &pool, now);
	alloc_stock(&a, stock, 0);
	for (size_t i = 0; i < nclasses; i++)
		alloc_add_class(&a, &classes[i], &a.root.node, &class, now);
	for (size_t i = 0; i < n; i++) {
		guest.generated = mixed && i % 2 == 0;
		alloc_add(&a, &guests[i], &classes[i / IN_A_CLASS].node, &guest,
		    now);
		want_more(&a, &guests[i], now);
	}
	start = cpu_now();
	while (grants < GRANTS) {
		while ((leaf = alloc_next(&a, now, &bytes)) != NULL) {
			want_more(&a, leaf, now);
			grants++;
		}
		now = alloc_deadline(&a);
	}
	start = cpu_now() - start;
	free(classes);
	free(guests);
	return (double)start / (double)grants;
}

static void
print_all(size_t n)
{
	printf("%7zu guests: %.0f ns per grant; half generated: %.0f, "
	       "%.0f without stock\n",
	    n, measure(n, false, PLENTY), measure(n, true, PLENTY),
	    measure(n, true, 0));
}

int
main(int argc, char **argv)
{
	const size_t sizes[] = { 10, 1000, 10000, 100000, 1000000 };
	bool metrics = false;
	const char *error = NULL;
	size_t n = 0;
	int option;

	while ((option = getopt(argc, argv, "m")) != -1) {
		if (option != 'm')
			return 2;
		metrics = true;
	}
	if (optind < argc)
		n = (size_t)strtonum(argv[optind], 1, GUESTS_MAX, &error);
	if (error != NULL)
		errx(2, "guests: %s", error);
	if (metrics)
		printf("ns_per_grant %.0f\nbytes_per_leaf %zu\n",
		    measure(n == 0 ? 100000 : n, false, PLENTY),
		    sizeof(struct alloc_node));
	else if (n != 0)
		print_all(n);
	else
		for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
			print_all(sizes[i]);
	return 0;
}
