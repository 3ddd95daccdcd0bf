/*
 * Division of a product of 128 bits, exactly.  Used by the token buckets.
 */
#ifndef VRNGD_WIDE_H
#define VRNGD_WIDE_H

#include <stdint.h>

/*@
 @ // Not more than 64 bits of a quotient.
 @ predicate wide_fits(integer n, integer d) = n < 0x10000000000000000 * d;
 @*/

/* wide_divide() of any product, slowly: a bit of the smaller factor a time. */
/*@
 @ requires d > 0 && \valid(rest);
 @ assigns *rest;
 @ ensures wide_fits(a * b + c, d) ?
 @   a * b + c == \result * d + *rest && *rest < d :
 @   \result == UINT64_MAX;
 @*/
uint64_t wide_divide_long(uint64_t a, uint64_t b, uint64_t c, uint64_t d,
    uint64_t *rest);

/*
 * (a * b + c) / d and the rest of it; UINT64_MAX, without a rest, if the
 * quotient has more than 64 bits.
 */
/*@
 @ requires d > 0 && \valid(rest);
 @ assigns *rest;
 @ ensures wide_fits(a * b + c, d) ?
 @   a * b + c == \result * d + *rest && *rest < d :
 @   \result == UINT64_MAX;
 @*/
static inline uint64_t
wide_divide(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t *rest)
{
	uint64_t n;

	/* Almost always the product fits. */
	if (__builtin_mul_overflow(a, b, &n) || c > UINT64_MAX - n)
		return wide_divide_long(a, b, c, d, rest);
	n += c;
	*rest = n % d;
	/*@ assert n == (n / d) * d + n % d; */
	return n / d;
}

#endif
