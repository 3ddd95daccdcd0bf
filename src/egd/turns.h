/*
 * Whose turn it is to be given bytes: those who wait for some stand in a queue,
 * and the first of them is given as many as make a turn before the next is
 * (deficit round robin).  What a turn has left over counts for the next one.
 *
 * Somebody who stops waiting without having been served keeps the place until
 * it is the first, and may have bytes put by when it is: so nobody is starved
 * who never waits for long but asks again.
 */
#ifndef VRNGD_TURNS_H
#define VRNGD_TURNS_H

#include <sys/queue.h>

#include <stdbool.h>
#include <stdint.h>

/* One who may wait; all 0 at first. */
struct turn {
	TAILQ_ENTRY(turn) entry;
	uint32_t missing; /* bytes that are waited for; 0: does not wait, */
	uint32_t due;	  /* but is to have so many */
	uint32_t left;	  /* bytes of this turn */
	bool queued;	  /* has a place, waiting or not */
	bool begun;	  /* it is, or was, the first */
};

TAILQ_HEAD(turn_queue, turn);

struct turns {
	struct turn_queue queue;
	uint32_t quantum; /* bytes of a turn */
	uint64_t missing; /* bytes, of all who wait, */
	uint64_t due;	  /* and of those who are due some */
	uint32_t waiting; /* how many do */
};

/* A queue of nobody, with turns of `quantum` bytes. */
void turns_init(struct turns *, uint32_t quantum);

/*
 * One waits for so many bytes, 1 to the quantum; if it had a place still, there
 * if its turn has so many left, or else as the last.
 */
void turns_wait(struct turns *, struct turn *, uint32_t missing);

/*
 * One does not wait, for the time being; or does not, but is due what is still
 * missing.
 */
void turns_pause(struct turns *, struct turn *);
void turns_defer(struct turns *, struct turn *);

/* One goes, for good. */
void turns_leave(struct turns *, struct turn *);

/* Whose turn it is; NULL: nobody waits. */
struct turn *turns_first(struct turns *);

/* What that one is to be given. */
uint32_t turns_missing(const struct turn *);

/* It was given `n` bytes, at most so many. */
void turns_give(struct turns *, struct turn *, uint32_t n);

#endif
