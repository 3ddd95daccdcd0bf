/*
 * A token bucket with integer arithmetic, without loss of fractions.
 */
#ifndef VRNGD_BUCKET_H
#define VRNGD_BUCKET_H

#include <stdbool.h>
#include <stdint.h>

/* Bytes per period; 0 bytes: no rate. */
struct bucket_rate {
	uint64_t bytes;
	uint64_t period; /* ns, never 0 */
};

#define BUCKET_NEVER UINT64_MAX

struct bucket {
	struct bucket_rate rate;
	int64_t tokens;	    /* bytes; negative if spent in advance */
	uint64_t remainder; /* of a token, in 1 / period */
};

/*@
 @ // As bucket_init() and the others leave it, if its period is not 0.
 @ predicate bucket_is_valid(struct bucket *b) =
 @   b->remainder < b->rate.period;
 @
 @ // What a bucket holds, in 1 / period of a token.
 @ logic integer bucket_holds(struct bucket *b) =
 @   b->tokens * b->rate.period + b->remainder;
 @*/

/* Initializes a bucket with that many tokens. */
/*@
 @ requires \valid(b);
 @ assigns *b;
 @ ensures rate.period > 0 ==> bucket_is_valid(b);
 @ ensures b->rate == rate && b->tokens == tokens;
 @*/
void bucket_init(struct bucket *b, struct bucket_rate rate, int64_t tokens);

/*
 * Changes the rate, and the size to `most`: it keeps its tokens as far as they
 * fit.  One that had no rate is full.
 */
/*@
 @ requires \valid(b);
 @ assigns *b;
 @ ensures \old(bucket_is_valid(b)) && rate.period > 0 ==>
 @   bucket_is_valid(b);
 @ ensures b->rate == rate && b->tokens <= most;
 @*/
void bucket_change(struct bucket *b, struct bucket_rate rate, int64_t most);

/*
 * Adds the tokens for `elapsed` ns, up to `most`.  Tokens above `most` stay.
 */
/*@
 @ requires \valid(b);
 @ assigns b->tokens, b->remainder;
 @ ensures most: b->tokens <= \max(\old(b->tokens), most);
 @ ensures at_least: b->tokens >= \old(b->tokens);
 @ ensures valid: \old(bucket_is_valid(b)) ==> bucket_is_valid(b);
 @ ensures full: \old(bucket_is_valid(b)) ==> bucket_holds(b) <=
 @   \max(\old(bucket_holds(b)), most * b->rate.period);
 @ ensures at_most: \old(bucket_is_valid(b)) ==> bucket_holds(b) <=
 @   \old(bucket_holds(b)) + elapsed * b->rate.bytes;
 @ ensures no_loss: \old(bucket_is_valid(b)) && b->tokens < most ==>
 @   bucket_holds(b) ==
 @   \old(bucket_holds(b)) + elapsed * b->rate.bytes;
 @*/
void bucket_refill(struct bucket *b, uint64_t elapsed, int64_t most);

/* The time in ns until there are `wanted` tokens; 0 if there are. */
/*@
 @ requires \valid_read(b);
 @ assigns \nothing;
 @ ensures now: b->tokens >= wanted ==> \result == 0;
 @ ensures later: bucket_is_valid(b) && b->tokens < wanted ==> \result > 0;
 @ ensures never: \result == BUCKET_NEVER <==>
 @   b->tokens < wanted && b->rate.bytes == 0;
 @ ensures enough: bucket_is_valid(b) && 0 < \result < BUCKET_NEVER - 1 ==>
 @   bucket_holds(b) + \result * b->rate.bytes >= wanted * b->rate.period;
 @ ensures shortest: bucket_is_valid(b) && 0 < \result < BUCKET_NEVER ==>
 @   bucket_holds(b) + (\result - 1) * b->rate.bytes <
 @     wanted * b->rate.period;
 @*/
uint64_t bucket_wait(const struct bucket *b, int64_t wanted);

#endif
