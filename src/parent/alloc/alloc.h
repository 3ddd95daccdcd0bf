/*
 * The allocator of a pool: who gets how many bytes, when.  A pure module: time,
 * stock and demand go in, grants come out; no I/O, no clock, no memory of its
 * own.
 *
 * It is a hierarchical token bucket: the pool at the root, classes below it,
 * guests as leaves.  A node with a `rate` is guaranteed that much; what others
 * do not use is lent to whoever wants it, by priority and weight, first within
 * its class, then within the class above; no node ever gets more than its
 * `ceil`.  When the source yields less than is guaranteed, all get less, in
 * proportion to their rates.
 *
 * A leaf is served from the stock of what the source yielded or, as its share
 * says, with bytes that are generated, which no stock limits.  In all else the
 * two kinds of leaves are treated alike.  While there is too little stock for
 * the first kind, the second is served alone: whoever waits for stock keeps its
 * turn among those who do, and does not catch up on what it could not have.
 *
 * The bound that holds at every node with a ceil, in every window of t: guests
 * are handed at most burst + ceil * t bytes.  A grant is charged when it is
 * made, so bytes that are granted but not yet handed to a guest
 * ("outstanding") count against the bucket: tokens + outstanding never exceed
 * the burst.  If outstanding bytes keep others waiting for ALLOC_HOARD_MAX they
 * count as handed on from then on, whatever becomes of them: whoever holds them
 * has hung.
 *
 * A grant costs O(depth * log siblings).
 */
#ifndef VRNGD_ALLOC_H
#define VRNGD_ALLOC_H

#include <sys/queue.h>

#include <bsd/sys/tree.h>
#include <stdbool.h>
#include <stdint.h>

#include "parent/alloc/bucket.h"
#include "common/meter.h"
#include "common/proto.h"

/*
 * No grant is smaller than GRANT_MIN, unless the need or the burst is; nor
 * larger than this: the next guest's turn comes.
 */
#define ALLOC_GRANT_MAX 65536 /* bytes */
/* Without a limit, or where it is high, guests hold this much ready. */
#define ALLOC_WINDOW_MAX 65536 /* bytes */
#define ALLOC_WINDOW_MIN 512   /* bytes; fewer are not worth it */
#define ALLOC_HOARD_MAX	 UINT64_C(1000000000) /* ns */
#define ALLOC_SLACK_MAX	 UINT64_C(1000000)    /* ns */

/* alloc_deadline(): nothing will change by the passing of time alone. */
#define ALLOC_NEVER UINT64_MAX

/* What a node may have. */
struct alloc_share {
	struct bucket_rate rate; /* guaranteed */
	struct bucket_rate ceil; /* the most; 0 bytes: no limit */
	uint64_t burst;		 /* bytes, with a rate or a ceil at least 1 */
	uint32_t weight;	 /* in borrowing, at least 1 */
	uint32_t priority;	 /* in borrowing, 0 comes first */
	bool generated;		 /* of a leaf: it does not draw on stock */
};

/* Of what is above it: nothing guaranteed, and no limit of its own. */
static inline struct alloc_share
alloc_no_share(bool generated)
{
	return (struct alloc_share){
		.rate.period = 1,
		.ceil.period = 1,
		.weight = 1,
		.generated = generated,
	};
}

/* What leaves are served from. */
enum alloc_kind {
	ALLOC_STOCKED,
	ALLOC_GENERATED,
	ALLOC_KINDS,
};

__extension__ typedef __int128 alloc_vtime;

/* Virtual times, each with a clock of its own. */
enum alloc_clock {
	ALLOC_BY_RATE,	 /* bytes / rate */
	ALLOC_BY_WEIGHT, /* bytes / weight */
	ALLOC_CLOCKS,
};

struct alloc_node;
struct alloc_turn;
RB_HEAD(alloc_ready, alloc_turn);
RB_HEAD(alloc_events, alloc_node);
TAILQ_HEAD(alloc_nodes, alloc_node);

/* A node's place among its siblings, for the sake of leaves of one kind. */
struct alloc_turn {
	RB_ENTRY(alloc_turn) entry;
	struct alloc_node *node;
	uint64_t rank; /* 0: by its own rate or one below; 1: borrows, ... */
	alloc_vtime served[ALLOC_CLOCKS];
};

/* The turns of a node's children, for the sake of leaves of one kind. */
struct alloc_line {
	struct alloc_ready ready;
	alloc_vtime now[ALLOC_CLOCKS]; /* where the children are */
};

/* A class or a guest, or the pool itself.  All fields are the allocator's. */
struct alloc_node {
	struct alloc_node *parent;
	struct alloc_nodes children;	  /* all; none: a leaf */
	TAILQ_ENTRY(alloc_node) siblings; /* in parent->children */
	struct alloc_share share;
	struct bucket own;    /* towards the rate */
	struct bucket cap;    /* towards the ceil */
	uint64_t refilled;    /* ns, when both were right */
	uint64_t threshold;   /* bytes without which it gets no grant */
	uint64_t outstanding; /* bytes, of all leaves below */
	uint64_t hoarded;     /* ns, since when; 0: not */
	uint32_t waiting;     /* leaves below with requests that wait */
	uint32_t generating;  /* of these, for bytes that are generated */
	unsigned int ready; /* kinds, in whose lines of its parent it stands */
	struct meter meter; /* of what was granted */

	/* When it will be another matter, by the passing of time alone. */
	RB_ENTRY(alloc_node) event_entry;
	uint64_t event; /* ns; ALLOC_NEVER: not in the tree */
	enum alloc_kind event_kind;

	/* Of a leaf: running totals, as in struct proto_want. */
	uint64_t granted;
	uint64_t need;
	uint64_t room;
	TAILQ_ENTRY(alloc_node) room_entry;
	bool has_room;
	TAILQ_ENTRY(alloc_node) hoarder_entry;
	bool is_hoarder;

	struct alloc_turn turns[ALLOC_KINDS]; /* in lines of its parent */
	struct alloc_line lines[ALLOC_KINDS]; /* of its children */
};

struct alloc {
	struct alloc_node root;
	uint64_t stock;	  /* bytes that may be granted from it */
	uint64_t reserve; /* stock that windows leave */
	uint64_t slack;	  /* ns; see alloc_slack() */
	/* Of nodes below which only stock is wanted, and of the others. */
	struct alloc_events events[ALLOC_KINDS];
	/* Leaves whose windows could be filled. */
	struct alloc_nodes rooms[ALLOC_KINDS];
	enum alloc_kind next_room;   /* of which list one is filled next */
	struct alloc_nodes hoarders; /* leaves to be told of */
};

/* A pool with full buckets and no stock.  A pool's rate is its ceil. */
void alloc_init(struct alloc *, const struct alloc_share *, uint64_t now);

/*
 * Adds a node with full buckets and no demand below a parent that is not a
 * leaf with demand; removes one without children, and what it is owed.
 */
void alloc_add(struct alloc *, struct alloc_node *, struct alloc_node *parent,
    const struct alloc_share *, uint64_t now);
void alloc_remove(struct alloc *, struct alloc_node *, uint64_t now);

/*
 * Gives a node another share, and another parent if that is not its own.  Its
 * buckets keep their fill, as far as that fits; a leaf, its demand and what it
 * was granted, whatever it is served from.  The root keeps its parent.
 */
void alloc_change(struct alloc *, struct alloc_node *,
    struct alloc_node *parent, const struct alloc_share *, uint64_t now);

/*
 * Inserts a node above a leaf, with the leaf's share, so that other leaves can
 * be added below it; extracts the node above a leaf that is alone below it.
 * The buckets and the meter of the one are those of the other from then on.
 */
void alloc_insert(struct alloc *, struct alloc_node *, struct alloc_node *leaf,
    uint64_t now);
void alloc_extract(struct alloc *, struct alloc_node *leaf, uint64_t now);

/*
 * Of a leaf: bytes it may hold ready (0: none), where the stock holds
 * `capacity`, of which no guest is to take much away; how many are enough to
 * complete a longer request with; and how many are the most that one is given.
 * A bucket shared by many may never hold a whole request of one, so that
 * waiting for all of it could last for ever.
 */
uint32_t alloc_window(const struct alloc_node *, uint64_t capacity);
uint32_t alloc_request_min(const struct alloc_node *);
uint32_t alloc_request_max(const struct alloc_node *);

/*
 * How much may be granted from stock now, and how much it holds when full.
 * Windows that are filled from it leave half of that.
 */
void alloc_stock(struct alloc *, uint64_t available, uint64_t capacity);

/*
 * A leaf's demand at `now`: wanted in all for requests that wait (`need`) and
 * in all to fill its window (`room`), and the bytes it was granted and has not
 * handed on.  A guest that claims more of these than it was granted gains
 * nothing.
 */
void alloc_want(struct alloc *, struct alloc_node *, uint64_t now,
    uint64_t need, uint64_t room, uint64_t outstanding);

/*
 * The guest's worker, or the entropy process, was replaced: its totals start
 * again at 0, of which `outstanding` bytes are still held.
 */
void alloc_restart(struct alloc *, struct alloc_node *, uint64_t now,
    uint64_t outstanding);

/*
 * Bytes that a leaf was granted and could not be given: they are wanted still,
 * and spent all the same.
 */
void alloc_void(struct alloc *, struct alloc_node *, uint64_t now,
    uint64_t bytes);

/*
 * The node at or above a leaf whose ceil has the leaf's requests wait, as of
 * the last call that was about it; NULL if it is not that.
 */
const struct alloc_node *alloc_limit(const struct alloc_node *);

/*
 * A leaf that was found to hoard, and whose demand counts no more until
 * alloc_want() is called for it; NULL if there is none (any more).
 */
struct alloc_node *alloc_hoarder(struct alloc *);

/*
 * The next grant, charged: returns the leaf and how many bytes, or NULL if
 * nobody may have anything now.  They were taken from stock unless the leaf's
 * share says that they are generated.
 */
struct alloc_node *alloc_next(struct alloc *, uint64_t now, uint64_t *bytes);

/*
 * When alloc_next() returned NULL: the earliest time at which it is worth
 * asking again, if nothing but time changes.  It is later than the time that
 * alloc_next() was called with.  While there is no stock, time is of use only
 * to leaves that do without.
 */
uint64_t alloc_deadline(const struct alloc *);

/*
 * How long (ns, at most ALLOC_SLACK_MAX) alloc_next() may be left alone without
 * a bucket running over that could have been drawn on: so that whoever has to
 * wait is given more at once, less often.
 */
uint64_t alloc_slack(const struct alloc *);

#endif
