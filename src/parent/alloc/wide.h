/*
 * Division of a product of 128 bits, exactly.  Used by the token buckets.
 */
#ifndef VRNGD_WIDE_H
#define VRNGD_WIDE_H

#include <stdint.h>

/*
 * (a * b + c) / d and the rest of it; UINT64_MAX, without a rest, if the
 * quotient has more than 64 bits.
 */
/*@
 @ requires d > 0 && \valid(rest);
 @ assigns *rest, \result \from a, b, c, d;
 @ ensures a * b + c >= 0x10000000000000000 * d ?
 @   \result == UINT64_MAX :
 @   a * b + c == \result * d + *rest && *rest < d;
 @*/
#ifdef __FRAMAC__ /* which knows no numbers of 128 bits */
uint64_t wide_divide(uint64_t a, uint64_t b, uint64_t c, uint64_t d,
    uint64_t *rest);
#else
static inline uint64_t
wide_divide(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t *rest)
{
	__extension__ typedef unsigned __int128 wide;
	wide n = (wide)a * b + c, quotient;

	/* Almost always; its division is fast. */
	quotient = n <= UINT64_MAX ? (uint64_t)n / d : n / d;
	*rest = (uint64_t)(n - quotient * d);
	return quotient <= UINT64_MAX ? (uint64_t)quotient : UINT64_MAX;
}
#endif

#endif
