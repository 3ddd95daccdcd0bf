/*
 * Token buckets in integer arithmetic; pure.  Used by the allocator.
 */
#include "parent/alloc/bucket.h"

__extension__ typedef unsigned __int128 wide;

/* The numbers are almost always small, and their division is fast. */
static wide
divide(wide a, uint64_t b)
{
	return a <= UINT64_MAX ? (uint64_t)a / b : a / b;
}

void
bucket_init(struct bucket *b, struct bucket_rate rate, int64_t tokens)
{
	*b = (struct bucket){ .rate = rate, .tokens = tokens };
}

void
bucket_refill(struct bucket *b, uint64_t elapsed, int64_t most)
{
	wide gained, whole;
	uint64_t space;

	if (b->rate.bytes == 0 || elapsed == 0)
		return;
	if (b->tokens >= most) {
		b->remainder = 0;
		return;
	}
	space = (uint64_t)(most - b->tokens);
	gained = (wide)elapsed * b->rate.bytes + b->remainder;
	whole = divide(gained, b->rate.period);
	if (whole >= space) {
		b->tokens = most;
		b->remainder = 0;
	} else {
		b->tokens += (int64_t)whole;
		b->remainder = (uint64_t)(gained - whole * b->rate.period);
	}
}

uint64_t
bucket_wait(const struct bucket *b, int64_t wanted)
{
	wide wait;

	if (b->tokens >= wanted)
		return 0;
	if (b->rate.bytes == 0)
		return BUCKET_NEVER;
	wait = (wide)(wanted - b->tokens) * b->rate.period - b->remainder;
	wait = divide(wait + b->rate.bytes - 1, b->rate.bytes);
	return wait >= BUCKET_NEVER ? BUCKET_NEVER - 1 : (uint64_t)wait;
}
