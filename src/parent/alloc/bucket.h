/*
 * A token bucket with integer arithmetic: no fraction of a token is lost.
 */
#ifndef VRNGD_BUCKET_H
#define VRNGD_BUCKET_H

#include <stdbool.h>
#include <stdint.h>

/* So many bytes in each period; 0 bytes: no rate at all. */
struct bucket_rate {
	uint64_t bytes;
	uint64_t period; /* ns, never 0 */
};

#define BUCKET_NEVER UINT64_MAX

struct bucket {
	struct bucket_rate rate;
	int64_t tokens;	    /* bytes; what was spent in advance is below 0 */
	uint64_t remainder; /* of a token, in 1 / period */
};

/* A bucket with that many tokens in it. */
void bucket_init(struct bucket *, struct bucket_rate, int64_t tokens);

/*
 * Adds the tokens for `elapsed` ns, as far as they come to no more than `most`;
 * what is above that stays, but is not added to.
 */
void bucket_refill(struct bucket *, uint64_t elapsed, int64_t most);

/* How many ns until there are `wanted` tokens: 0 if there are. */
uint64_t bucket_wait(const struct bucket *, int64_t wanted);

#endif
