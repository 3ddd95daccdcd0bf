/*
 * Deficit round robin: clients that wait for bytes stand in a queue, and the
 * first of them is given a quantum of bytes before the next one is.  What a
 * client has left of its quantum counts for its next turn.
 */
#ifndef VRNGD_DRR_H
#define VRNGD_DRR_H

#include <sys/queue.h>

#include <stdbool.h>
#include <stdint.h>

/* A client's place in the queue; all 0 at first. */
struct drr_entry {
	TAILQ_ENTRY(drr_entry) entry;
	uint32_t missing; /* bytes that the client waits for; 0: none */
	uint32_t deficit; /* bytes that it may have in this turn */
	bool queued;	  /* has a place, waiting or not */
	bool begun;	  /* its turn has begun */
};

TAILQ_HEAD(drr_queue, drr_entry);

struct drr {
	struct drr_queue queue;
	uint32_t quantum; /* bytes of a turn */
	uint64_t missing; /* bytes, of all that wait */
	uint32_t waiting; /* how many wait */
};

/* An empty queue, with turns of `quantum` bytes. */
void drr_init(struct drr *, uint32_t quantum);

/*
 * A client waits for so many bytes, 1 to the quantum.  If it still has a place,
 * it keeps that as long as its turn has so many bytes left; else it is the
 * last.
 */
void drr_wait(struct drr *, struct drr_entry *, uint32_t missing);

/* A client does not wait for the time being: it keeps its place until then. */
void drr_pause(struct drr *, struct drr_entry *);

/* Removes a client. */
void drr_leave(struct drr *, struct drr_entry *);

/* The client whose turn it is; NULL: none waits. */
struct drr_entry *drr_first(struct drr *);

/* The client was given `n` bytes, at most entry->missing. */
void drr_give(struct drr *, struct drr_entry *, uint32_t n);

#endif
