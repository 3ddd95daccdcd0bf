/*
 * What the fuzz harnesses share.  Each is a file with LLVMFuzzerTestOneInput(),
 * which libFuzzer calls with inputs of its own, and replay.c with those of the
 * corpus.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

/* A property of the code: an input for which it does not hold is a finding. */
#define CHECK(what) \
	do { \
		if (!(what)) { \
			fprintf(stderr, "%s:%d: does not hold: %s\n", \
			    __FILE__, __LINE__, #what); \
			abort(); \
		} \
	} while (0)

/* The input that was not used yet. */
struct input {
	const uint8_t *at;
	size_t left;
};

/* The next `n` bytes; zeros after the end. */
static inline void
input_copy(struct input *in, void *to, size_t n)
{
	size_t have = n < in->left ? n : in->left;

	memset(to, 0, n);
	if (have > 0)
		memcpy(to, in->at, have);
	in->at += have;
	in->left -= have;
}

static inline uint8_t
input_u8(struct input *in)
{
	uint8_t n;

	input_copy(in, &n, sizeof(n));
	return n;
}

static inline uint16_t
input_u16(struct input *in)
{
	uint16_t n;

	input_copy(in, &n, sizeof(n));
	return n;
}

static inline uint32_t
input_u32(struct input *in)
{
	uint32_t n;

	input_copy(in, &n, sizeof(n));
	return n;
}

static inline void
fuzz_no_log(void *arg, const struct log_line *line)
{
	(void)arg;
	CHECK(line->text != NULL);
}

/* Formats the log lines, and drops them. */
static inline void
fuzz_quiet(void)
{
	log_open(fuzz_no_log, NULL);
	log_set_level(LOG_LEVEL_DEBUG);
}

#endif
