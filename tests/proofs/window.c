/*
 * What a bucket yields in any window of time, for scripts/prove: it is proved
 * of any sequence of refills and takes, and never run.
 */
#include <stddef.h>

#include "parent/alloc/bucket.h"

/* A refill after a time in ns (its halves), and the bytes taken then. */
struct step {
	uint32_t high, low;
	uint32_t bytes;
};

/*@
 @ logic integer times(integer a, integer b) = a * b;
 @
 @ lemma times_sum: \forall integer a, b, c;
 @   times(a + b, c) == times(a, c) + times(b, c);
 @
 @ logic integer step_time(struct step *s) = s->high * 0x100000000 + s->low;
 @
 @ logic integer steps_time(struct step *s, integer n) =
 @   n <= 0 ? 0 : steps_time(s, n - 1) + step_time(s + (n - 1));
 @
 @ logic integer steps_bytes(struct step *s, integer n) =
 @   n <= 0 ? 0 : steps_bytes(s, n - 1) + s[n - 1].bytes;
 @*/

/*
 * One step.  Returns whether the bucket held as much as is taken; sets *full if
 * it was full.
 */
/*@
 @ requires \valid(b) && bucket_is_valid(b) && \valid_read(s);
 @ requires 0 <= burst && bucket_holds(b) <= burst * b->rate.period;
 @ requires \valid(full) && \separated(b, full, s);
 @ assigns b->tokens, b->remainder, *full;
 @ ensures *full == \old(*full) || *full == true;
 @ ensures bucket_is_valid(b);
 @ ensures bucket_holds(b) <= burst * b->rate.period;
 @ ensures \result ==> b->tokens >= 0;
 @ ensures \result ==> bucket_holds(b) + times(s->bytes, b->rate.period) <=
 @   \old(bucket_holds(b)) + times(step_time(s), b->rate.bytes);
 @ ensures \result && !*full ==> !\old(*full) &&
 @   bucket_holds(b) + times(s->bytes, b->rate.period) ==
 @   \old(bucket_holds(b)) + times(step_time(s), b->rate.bytes);
 @*/
static bool
take(struct bucket *b, int64_t burst, const struct step *s, bool *full)
{
	bucket_refill(b, s->high * (UINT64_C(1) << 32) + s->low, burst);
	if (b->tokens >= burst)
		*full = true;
	if (b->tokens < s->bytes)
		return false;
	b->tokens -= s->bytes;
	return true;
}

/*
 * Takes in any window are at most burst + rate x time, and as long as the
 * bucket is not full, no fraction of a token is lost.
 */
/*@
 @ requires \valid(b) && bucket_is_valid(b) && \valid_read(s + (0 .. n - 1));
 @ requires 0 <= burst && 0 <= b->tokens;
 @ requires bucket_holds(b) <= burst * b->rate.period;
 @ requires \valid(full) && \separated(b, full, s + (0 .. n - 1));
 @ assigns b->tokens, b->remainder, *full;
 @ ensures bound: \result ==> times(steps_bytes(s, n), b->rate.period) <=
 @   burst * b->rate.period + times(steps_time(s, n), b->rate.bytes);
 @ ensures no_loss: \result && !*full ==>
 @   bucket_holds(b) + times(steps_bytes(s, n), b->rate.period) ==
 @   \old(bucket_holds(b)) + times(steps_time(s, n), b->rate.bytes);
 @*/
bool
window(struct bucket *b, int64_t burst, const struct step *s, size_t n,
    bool *full)
{
	*full = false;
	/*@
	 @ loop invariant i <= n && bucket_is_valid(b) && 0 <= b->tokens;
	 @ loop invariant bucket_holds(b) <= burst * b->rate.period;
	 @ loop invariant bucket_holds(b) + times(steps_bytes(s, i), b->rate.period) <=
	 @   \at(bucket_holds(b), Pre) + times(steps_time(s, i), b->rate.bytes);
	 @ loop invariant !*full ==>
	 @   bucket_holds(b) + times(steps_bytes(s, i), b->rate.period) ==
	 @   \at(bucket_holds(b), Pre) + times(steps_time(s, i), b->rate.bytes);
	 @ loop assigns i, b->tokens, b->remainder, *full;
	 @ loop variant n - i;
	 @*/
	for (size_t i = 0; i < n; i++) {
		if (!take(b, burst, &s[i], full))
			return false;
		/*@ assert (size_t)(i + 1) == i + 1; */
		/*@ assert steps_bytes(s, (size_t)(i + 1)) ==
		 @   steps_bytes(s, i) + s[i].bytes; */
		/*@ assert steps_time(s, (size_t)(i + 1)) ==
		 @   steps_time(s, i) + step_time(s + i); */
		/*@ assert times(steps_bytes(s, (size_t)(i + 1)),
		 @   b->rate.period) == times(steps_bytes(s, i),
		 @   b->rate.period) + times(s[i].bytes, b->rate.period); */
		/*@ assert times(steps_time(s, (size_t)(i + 1)),
		 @   b->rate.bytes) == times(steps_time(s, i), b->rate.bytes) +
		 @   times(step_time(s + i), b->rate.bytes); */
	}
	return true;
}
