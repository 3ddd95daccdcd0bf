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

/* Initializes a bucket with that many tokens. */
void bucket_init(struct bucket *, struct bucket_rate, int64_t tokens);

/*
 * Adds the tokens for `elapsed` ns, up to `most`.  Tokens above `most` stay.
 */
void bucket_refill(struct bucket *, uint64_t elapsed, int64_t most);

/* The time in ns until there are `wanted` tokens; 0 if there are. */
uint64_t bucket_wait(const struct bucket *, int64_t wanted);

#endif
