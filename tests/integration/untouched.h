/*
 * Guest memory that a request must not change: all but the buffers that the
 * device may write, and what is the device's own in the ring.
 */
#ifndef UNTOUCHED_H
#define UNTOUCHED_H

#include "integration/suite.h"

struct untouched {
	uint8_t *was;
	bool *may; /* be written, byte by byte */
};

/* Note the memory of fe_mem_default(), before a chain is published. */
void untouched_begin(struct untouched *, const struct fe *, uint16_t head);

/* The chain is answered: fails the test if anything else has changed. */
void untouched_end(struct untouched *, const struct fe *);

#endif
