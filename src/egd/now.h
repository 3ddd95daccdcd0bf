/*
 * What could be had at once: clients ask, all together, and the parent tells
 * (proto.h: NOW_ASK, NOW).  They are answered when what was granted by then has
 * come, or when NOW_TIMEOUT is over.
 */
#ifndef VRNGD_NOW_H
#define VRNGD_NOW_H

#include "common/channel.h"
#include "egd/client.h"
#include "common/clock.h"

#define NOW_TIMEOUT (250 * NS_PER_MS)

/*
 * After the answer that there is nothing, so long until it is asked again: who
 * asks on and on, as some clients do, does not keep anybody busy.
 */
#define NOW_CALM (10 * NS_PER_MS)

enum now_state {
	NOW_QUIET,   /* nothing was asked */
	NOW_ASKED,   /* the parent is to tell */
	NOW_GRANTED, /* it has told; what it granted is to come */
};

struct now {
	enum now_state state;
	bool ever;		   /* it was asked once */
	bool unsent;		   /* NOW_ASK did not fit into the channel */
	uint64_t asked_at;	   /* ns */
	uint64_t calm_until;	   /* ns; not to be asked before; 0: may be */
	uint64_t granted;	   /* running total */
	uint32_t generation;	   /* of that */
	struct client_list asking; /* first who has been for longest; */
	struct client_list asked;  /* these before NOW_ASK was sent */
};

void now_init(struct now *);

/* A client begins to ask, or ends: it is answered, or gone. */
void now_join(struct worker *, struct client *);
void now_leave(struct worker *, struct client *);

/* The parent has told. */
void now_told(struct worker *, const struct frame *);

/* Answers those for whom all has come that will, or whose time is over. */
void now_settle(struct worker *);

/*
 * Asks for those who have come to ask, unless it was asked already; after a
 * WANT that counts them.
 */
void now_ask(struct worker *);

/* When the first of them must have been answered (ns); 0: nobody asks. */
uint64_t now_deadline(const struct worker *);

#endif
