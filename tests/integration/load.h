/*
 * Several guests that keep requests waiting, driven from one loop, with a
 * record of what came when.
 */
#ifndef LOAD_H
#define LOAD_H

#include "integration/suite.h"

struct load {
	struct fe *fe;
	unsigned int depth; /* requests kept waiting */
	uint32_t len;	    /* of each */
	uint8_t *data;	    /* NULL, or what came is kept here */
	size_t size;
	bool stop;	/* no need to go on when data is full */
	uint64_t bytes; /* received, by load_run() in all */
	uint64_t requests;
	uint64_t shorts; /* answered with less than len */
};

struct arrival {
	uint64_t time;
	uint64_t bytes;
};

/* What came, over all guests, in the order of arrival. */
struct record {
	struct arrival *events;
	size_t n;
	size_t max;
};

/*
 * Keep the guests busy for that many milliseconds, or until each guest that
 * may stop is full.  Requests are still waiting afterwards.  The record may
 * be NULL.  Fails the test if something is completed with 0 bytes.
 */
void load_run(struct load *, size_t, int, struct record *);

/* Take one round of completions without waiting; the bytes that came. */
uint64_t load_poll(struct load *, struct record *);

/*
 * In no window did more come than burst + rate * t, where delay is how many
 * milliseconds later than it happened an arrival may have been noticed.
 */
void record_check(const struct record *, uint64_t, uint64_t, uint64_t);

void record_init(struct record *, size_t);
void record_free(struct record *);

#endif
