/*
 * The allocator of a pool: who gets how many bytes, when.  A pure module: time,
 * stock and demand go in, grants come out; no I/O, no clock, no memory of its
 * own.
 *
 * All guests share one token bucket, max-bytes per period, equally and in
 * turn.  What a guest does not want is lent to those that do.
 *
 * The bound that holds in every window of t: guests are handed at most
 * burst + rate * t bytes.  A grant is charged when it is made, so bytes that
 * are granted but not yet handed to a guest ("outstanding") count against the
 * bucket: tokens + outstanding never exceed the burst.
 */
#ifndef VRNGD_ALLOC_H
#define VRNGD_ALLOC_H

#include <sys/queue.h>

#include <stdbool.h>
#include <stdint.h>

#include "proto.h"

/*
 * No grant is smaller than GRANT_MIN, unless the need or the burst is; nor
 * larger than this: the next guest's turn comes.
 */
#define ALLOC_GRANT_MAX 65536 /* bytes */
/* Without a limit, or where it is high, guests hold this much ready. */
#define ALLOC_WINDOW_MAX 16384 /* bytes */
#define ALLOC_WINDOW_MIN 512   /* bytes; fewer are not worth it */
/* Whoever holds granted bytes for longer while others wait has lost them. */
#define ALLOC_HOARD_MAX UINT64_C(1000000000) /* ns */

/* alloc_deadline(): nothing will change by the passing of time alone. */
#define ALLOC_NEVER UINT64_MAX

enum alloc_queue {
	ALLOC_IDLE,  /* in no queue */
	ALLOC_NEEDS, /* requests wait */
	ALLOC_ROOM,  /* the window could be filled */
};

/* A guest. */
struct alloc_leaf {
	TAILQ_ENTRY(alloc_leaf) entry;
	enum alloc_queue queue;
	uint64_t granted; /* running totals, as in */
	uint64_t need;	  /* struct proto_want */
	uint64_t room;
	uint64_t outstanding; /* bytes, as of `era` */
	uint32_t era;
};

TAILQ_HEAD(alloc_leaves, alloc_leaf);

struct alloc {
	bool limited;
	uint64_t burst;	      /* bytes; also those a period */
	uint64_t period;      /* ns */
	uint64_t tokens;      /* bytes */
	uint64_t remainder;   /* of a token, 1 / period */
	uint64_t refilled;    /* ns, when tokens were right */
	uint64_t outstanding; /* bytes, of all leaves */
	uint64_t hoarded;     /* ns, since when; 0: not */
	uint32_t era;	      /* raised to forget hoards */
	uint64_t stock;	      /* bytes that may be granted */
	uint64_t reserve;     /* stock that windows leave */
	struct alloc_leaves needs;
	struct alloc_leaves rooms;
};

/*
 * A pool with a full bucket and no stock.  `max_bytes` 0: without limit.
 */
void alloc_init(struct alloc *, uint64_t max_bytes, uint64_t period,
    uint64_t now);

/*
 * Bytes a guest may hold ready (0: none); how many are enough to complete a
 * longer request with; and how many are the most that one is given.  A bucket
 * shared by many may never hold a whole request of one, so that waiting for
 * all of it could last for ever.
 */
uint32_t alloc_window(const struct alloc *);
uint32_t alloc_request_min(const struct alloc *);
uint32_t alloc_request_max(const struct alloc *);

/* How much may be granted now, and how much the stock holds when full. */
void alloc_stock(struct alloc *, uint64_t available, uint64_t capacity);

/* A guest without demand. */
void alloc_leaf_init(struct alloc_leaf *);

/*
 * A guest's demand at `now`: wanted in all for requests that wait (`need`) and
 * in all to fill its window (`room`), and the bytes it was granted and has not
 * handed on.  A guest that claims more of these than it was granted gains
 * nothing.
 */
void alloc_want(struct alloc *, struct alloc_leaf *, uint64_t now,
    uint64_t need, uint64_t room, uint64_t outstanding);

/*
 * The guest's worker, or the entropy process, was replaced: its totals start
 * again at 0, of which `outstanding` bytes are still held.
 */
void alloc_restart(struct alloc *, struct alloc_leaf *, uint64_t now,
    uint64_t outstanding);

/*
 * The next grant, charged: returns the guest and how many bytes, or NULL if
 * nobody may have anything now.
 */
struct alloc_leaf *alloc_next(struct alloc *, uint64_t now, uint64_t *bytes);

/*
 * When alloc_next() returned NULL: the earliest time at which it is worth
 * asking again, if nothing but time changes.
 */
uint64_t alloc_deadline(const struct alloc *, uint64_t now);

#endif
