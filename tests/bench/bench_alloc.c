/*
 * What a grant costs, in trees of 10, 1,000 and 10,000 guests: all of them
 * backlogged, in classes of ten, under a limit that makes them wait.  Then with
 * every other guest's bytes generated, while there is stock and there is none.
 */
#include <stdio.h>
#include <stdlib.h>

#include "parent/alloc/alloc.h"
#include "common/clock.h"

#define GRANTS	   2000000
#define IN_A_CLASS 10
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

/* ns for each grant and the demand that follows it. */
static double
measure(size_t n, bool mixed, uint64_t stock)
{
	struct alloc a;
	struct alloc_share pool = share(0, RATE);
	struct alloc_share class = share(RATE * IN_A_CLASS / n / 2, RATE);
	struct alloc_share guest = share(RATE / n / 4, RATE);
	struct alloc_node *classes, *guests, *leaf;
	uint64_t now = NS_PER_SEC, bytes, start, grants = 0;

	classes = calloc(n / IN_A_CLASS, sizeof(*classes));
	guests = calloc(n, sizeof(*guests));
	if (classes == NULL || guests == NULL)
		abort();
	alloc_init(&a, &pool, now);
	alloc_stock(&a, stock, 0);
	for (size_t i = 0; i < n / IN_A_CLASS; i++)
		alloc_add(&a, &classes[i], &a.root, &class, now);
	for (size_t i = 0; i < n; i++) {
		guest.generated = mixed && i % 2 == 0;
		alloc_add(&a, &guests[i], &classes[i / IN_A_CLASS], &guest,
		    now);
		want_more(&a, &guests[i], now);
	}
	start = clock_now();
	while (grants < GRANTS) {
		while ((leaf = alloc_next(&a, now, &bytes)) != NULL) {
			want_more(&a, leaf, now);
			grants++;
		}
		now = alloc_deadline(&a);
	}
	start = clock_now() - start;
	free(classes);
	free(guests);
	return (double)start / (double)grants;
}

int
main(void)
{
	const size_t sizes[] = { 10, 1000, 10000 };

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		printf("%6zu guests: %.0f ns per grant\n", sizes[i],
		    measure(sizes[i], false, PLENTY));
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		printf("%6zu guests, half generated: %.0f ns per grant, "
		       "%.0f without stock\n",
		    sizes[i], measure(sizes[i], true, PLENTY),
		    measure(sizes[i], true, 0));
	return 0;
}
