/*
 * What health tests cost for each byte of a source, read in pieces of 64 KiB
 * from the kernel's generator, and which part that is of what reading takes.
 */
#include <sys/random.h>

#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"
#include "entropy/health/health.h"

#define PIECE  65536 /* bytes */
#define PIECES 1001

static int
compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* The median, so that it does not matter what else the machine does. */
static double
per_byte(uint64_t *ns)
{
	const size_t middle = PIECES / 2;

	qsort(ns, PIECES, sizeof(*ns), compare);
	return (double)ns[middle] / PIECE;
}

static void
measure(const char *name, const struct proto_source *spec)
{
	static uint64_t reading[PIECES], testing[PIECES];
	static uint8_t piece[PIECE];
	struct health *h = health_new(spec);
	uint64_t start, middle;
	double tested, read;

	for (size_t i = 0; i < PIECES; i++) {
		start = clock_now();
		if (getrandom(piece, PIECE, 0) != PIECE)
			abort();
		middle = clock_now();
		if (health_feed(h, piece, PIECE) != HEALTH_OK)
			abort();
		testing[i] = clock_now() - middle;
		reading[i] = middle - start;
	}
	health_free(h);
	tested = per_byte(testing);
	read = per_byte(reading);
	printf("%s: %.4f ns per byte, %.1f %% of reading at %.0f MB/s\n", name,
	    tested, 100 * tested / read, 1000 / read);
}

int
main(void)
{
	struct proto_source spec = { .noise = NOISE_CONDITIONED };

	measure("conditioned", &spec);
	spec.noise = NOISE_RAW;
	spec.alpha = 40;
	for (uint32_t bits = 8; bits > 0; bits /= 2) {
		char name[32];

		snprintf(name, sizeof(name), "raw, %u bits", bits);
		spec.sample_bits = bits;
		spec.min_entropy = bits * 1000;
		measure(name, &spec);
	}
	return 0;
}
