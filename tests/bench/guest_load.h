/*
 * A guest that keeps requests waiting, and checks every one that is completed:
 * that it was waiting, that its length is right, that its bytes were written
 * and have never been seen before.  A check that fails ends the program.
 */
#ifndef GUEST_LOAD_H
#define GUEST_LOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "integration/frontend.h"
#include "bench/latency.h"

/* What each guest does. */
struct work {
	uint32_t len;	/* bytes of a request */
	uint32_t depth; /* requests kept waiting */
	uint32_t segments;
	bool indirect;
	bool event_idx;
	bool polls; /* looks at the used index, and wants no calls */
};

struct slot {
	uint64_t since; /* ns, 0: nothing waits here */
};

struct guest {
	struct fe fe;
	const struct work *work;
	struct slot *slots; /* by the head of the chain */
	uint32_t waiting;
	uint64_t requests; /* completed, in all */
	uint64_t bytes;
	uint64_t shorts; /* completed with less than was asked for */
	uint64_t made;
	uint16_t deaf_until; /* the used index that brings a call */
};

/*
 * Makes a guest's memory and its ring; then connects to the socket and starts
 * the ring, as QEMU does.  Both return -1 with errno.  guest_close() frees what
 * there is in any case.
 */
int guest_prepare(struct guest *, const struct work *);
int guest_connect(struct guest *, const char *path);
void guest_close(struct guest *);

/* Makes as many requests as are missing, at most `depth`, and kicks. */
void guest_submit(struct guest *, uint32_t depth);

/* Takes what has been completed; returns how many requests that are. */
uint32_t guest_reap(struct guest *, struct latency *);

/* From now on completions bring a call.  Some may have come meanwhile. */
void guest_listen(struct guest *);

#endif
