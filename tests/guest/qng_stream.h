/*
 * The stream of the emulated generator: known to the one who plays it and to
 * the one who reads it.  Only a stream's first byte has its highest bit set, so
 * that a stream which was stopped and started again can be distinguished from
 * one that lost something.
 */
#ifndef QNG_STREAM_H
#define QNG_STREAM_H

#include <stdint.h>

#define QNG_STREAM_FIRST 0x80

/* The byte after `n` others. */
static inline uint8_t
qng_stream(uint64_t n)
{
	uint64_t z = (n + 1) * UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 32)) * UINT64_C(0xd6e8feb86659fd93);
	return (uint8_t)((z >> 57) | (n == 0 ? QNG_STREAM_FIRST : 0));
}

#endif
