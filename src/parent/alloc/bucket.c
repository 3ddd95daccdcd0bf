/*
 * Token buckets in integer arithmetic; pure.  Used by the allocator.
 */
#include "parent/alloc/bucket.h"
#include "parent/alloc/wide.h"

void
bucket_init(struct bucket *b, struct bucket_rate rate, int64_t tokens)
{
	*b = (struct bucket){ .rate = rate, .tokens = tokens };
}

void
bucket_change(struct bucket *b, struct bucket_rate rate, int64_t most)
{
	if (b->rate.bytes == 0 || b->tokens > most)
		b->tokens = most;
	if (b->rate.period != rate.period)
		b->remainder = 0;
	b->rate = rate;
}

void
bucket_refill(struct bucket *b, uint64_t elapsed, int64_t most)
{
	uint64_t space, whole, rest;

	if (b->rate.bytes == 0 || b->rate.period == 0 || elapsed == 0)
		return;
	if (b->tokens >= most) {
		b->remainder = 0;
		return;
	}
	/* Of a positive number, and of a sum below `most`: both fit. */
	(void)__builtin_sub_overflow(most, b->tokens, &space);
	whole = wide_divide(elapsed, b->rate.bytes, b->remainder,
	    b->rate.period, &rest);
	/*@ assert whole >= space ==>
	 @   elapsed * b->rate.bytes + b->remainder >= space * b->rate.period;
	 @*/
	/*@ assert whole >= space ==> b->tokens * b->rate.period +
	 @   b->remainder + elapsed * b->rate.bytes >= most * b->rate.period;
	 @*/
	if (whole >= space) {
		b->tokens = most;
		b->remainder = 0;
	} else {
		(void)__builtin_add_overflow(b->tokens, whole, &b->tokens);
		b->remainder = rest;
	}
}

uint64_t
bucket_wait(const struct bucket *b, int64_t wanted)
{
	uint64_t missing, wait, rest;

	if (b->tokens >= wanted)
		return 0;
	if (b->rate.bytes == 0)
		return BUCKET_NEVER;
	(void)__builtin_sub_overflow(wanted, b->tokens, &missing);
	wait = wide_divide(missing - 1, b->rate.period,
	    b->rate.period - b->remainder, b->rate.bytes, &rest);
	if (wait >= BUCKET_NEVER - 1)
		return BUCKET_NEVER - 1;
	return rest > 0 ? wait + 1 : wait;
}
