/*
 * The test for stuck words of conditioned sources; pure.  Used by health.c.
 */
#include <string.h>

#include "entropy/health/stuck.h"

#define WORD sizeof(uint64_t)

void
stuck_restart(struct stuck *stuck)
{
	explicit_bzero(stuck, sizeof(*stuck));
}

/* Adds whole words. */
static bool
stuck_words(struct stuck *stuck, const uint8_t *bytes, size_t words)
{
	uint64_t word, last = stuck->last;
	bool same = false;
	size_t i;

	if (words == 0)
		return false;
	/* The first word is compared with a different one. */
	if (!stuck->any) {
		memcpy(&word, bytes, WORD);
		last = ~word;
	}
	for (i = 0; i < words; i++) {
		memcpy(&word, bytes + i * WORD, WORD);
		same |= word == last;
		last = word;
	}
	stuck->last = last;
	stuck->any = true;
	return same;
}

bool
stuck_feed(struct stuck *stuck, const uint8_t *bytes, size_t n)
{
	size_t part = 0, words;
	bool same = false;

	if (stuck->have > 0) {
		part = WORD - stuck->have < n ? WORD - stuck->have : n;
		memcpy(stuck->part + stuck->have, bytes, part);
		stuck->have += part;
		if (stuck->have < WORD)
			return false;
		same = stuck_words(stuck, stuck->part, 1);
		explicit_bzero(stuck->part, WORD);
	}
	words = (n - part) / WORD;
	same |= stuck_words(stuck, bytes + part, words);
	part += words * WORD;
	stuck->have = n - part;
	memcpy(stuck->part, bytes + part, stuck->have);
	return same;
}
