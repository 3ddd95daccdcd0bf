/*
 * Division of products that have more than 64 bits; pure.  Used by wide.h.
 */
#include <stdbool.h>

#include "parent/alloc/wide.h"

/* A number with more than 64 bits, as a quotient and a rest below `d`. */
struct wide {
	uint64_t quotient, rest;
};

/*@
 @ logic integer times(integer a, integer b) = a * b;
 @
 @ lemma times_sum: \forall integer a, b, c;
 @   times(a + b, c) == times(a, c) + times(b, c);
 @
 @ lemma times_grows: \forall integer a, b, c;
 @   a <= b && 0 <= c ==> times(a, c) <= times(b, c);
 @
 @ lemma times_one: \forall integer a; times(1, a) == a;
 @
 @ lemma times_double: \forall integer a, b;
 @   times(2 * a, b) == times(a, b + b);
 @
 @ lemma times_same: \forall integer a, b; times(a, b) == times(b, a);
 @
 @ logic integer number(integer quotient, integer rest, integer d) =
 @   times(quotient, d) + rest;
 @*/

/* Adds a number.  Returns false if the quotient has too many bits. */
/*@
 @ requires d > 0 && \valid(n) && n->rest < d && more.rest < d;
 @ assigns *n;
 @ ensures n->rest < d;
 @ ensures \result ==> number(n->quotient, n->rest, d) ==
 @   number(\old(n->quotient), \old(n->rest), d) +
 @   number(more.quotient, more.rest, d);
 @ ensures !\result ==> times(0x10000000000000000, d) <=
 @   number(\old(n->quotient), \old(n->rest), d) +
 @   number(more.quotient, more.rest, d);
 @*/
static bool
add(struct wide *n, struct wide more, uint64_t d)
{
	uint64_t carry = more.rest >= d - n->rest;

	if (carry)
		n->rest -= d - more.rest;
	else
		n->rest += more.rest;
	if (more.quotient > UINT64_MAX - n->quotient ||
	    n->quotient + more.quotient > UINT64_MAX - carry)
		return false;
	n->quotient += more.quotient + carry;
	return true;
}

/*@
 @ requires d > 0;
 @ assigns \nothing;
 @ ensures \result.rest < d;
 @ ensures number(\result.quotient, \result.rest, d) == n;
 @*/
static struct wide
divide(uint64_t n, uint64_t d)
{
	struct wide result = { n / d, n % d };

	/*@ assert n == (n / d) * d + n % d && n % d < d; */
	/*@ assert result.rest == n % d; */
	/*@ assert times(result.quotient, d) == (n / d) * d; */
	return result;
}

/*
 * Adds the larger factor for each bit of the smaller one, of which each counts
 * for twice as much as the one before.
 */
uint64_t
wide_divide_long(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t *rest)
{
	uint64_t left = a < b ? a : b;
	struct wide sum = divide(c, d), bit = divide(a < b ? b : a, d);

	/*@
	 @ loop invariant sum.rest < d && bit.rest < d;
	 @ loop invariant number(sum.quotient, sum.rest, d) +
	 @   times(left, number(bit.quotient, bit.rest, d)) == times(a, b) + c;
	 @ loop assigns left, sum, bit;
	 @ loop variant left;
	 @*/
	while (left > 0) {
		if (left % 2 == 1) {
			/*@ assert times(1, number(bit.quotient, bit.rest,
			 @   d)) == number(bit.quotient, bit.rest, d); */
			/*@ assert times(left, number(bit.quotient, bit.rest,
			 @   d)) == times(left - 1, number(bit.quotient,
			 @   bit.rest, d)) + number(bit.quotient, bit.rest,
			 @   d); */
			if (!add(&sum, bit, d)) {
				/*@ assert !wide_fits(a * b + c, d); */
				return UINT64_MAX;
			}
			/*@ assert number(sum.quotient, sum.rest, d) +
			 @   times(left - 1, number(bit.quotient, bit.rest,
			 @   d)) == times(a, b) + c; */
			left--;
			/*@ assert number(sum.quotient, sum.rest, d) +
			 @   times(left, number(bit.quotient, bit.rest,
			 @   d)) == times(a, b) + c; */
		}
		/*@ assert number(sum.quotient, sum.rest, d) +
		 @   times(left, number(bit.quotient, bit.rest, d)) ==
		 @   times(a, b) + c; */
		/*@ assert left == 2 * (left / 2); */
		left /= 2;
		/*@ assert number(sum.quotient, sum.rest, d) +
		 @   times(left, number(bit.quotient, bit.rest, d) +
		 @     number(bit.quotient, bit.rest, d)) == times(a, b) + c; */
		if (left > 0 && !add(&bit, bit, d)) {
			/*@ assert !wide_fits(a * b + c, d); */
			return UINT64_MAX;
		}
	}
	/*@ assert number(sum.quotient, sum.rest, d) == times(a, b) + c; */
	/*@ assert a * b + c == sum.quotient * d + sum.rest; */
	/*@ assert wide_fits(a * b + c, d); */
	*rest = sum.rest;
	return sum.quotient;
}
