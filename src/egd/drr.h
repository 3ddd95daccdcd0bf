/*
 * Deficit round robin: clients that wait for bytes are in a queue.  The first
 * one receives a quantum of bytes before the next one.  The rest of its quantum
 * is added to its next turn.
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
	uint32_t deficit; /* bytes left in this turn */
	bool queued;	  /* has a place, waiting or not */
	bool begun;	  /* its turn has begun */
};

TAILQ_HEAD(drr_queue, drr_entry);

struct drr {
	struct drr_queue queue;
	uint32_t quantum; /* bytes of a turn */
	uint64_t missing; /* bytes for all waiting clients */
	uint32_t waiting; /* number of waiting clients */
};

/* Initializes an empty queue, with turns of `quantum` bytes. */
void drr_init(struct drr *, uint32_t quantum);

/*
 * A client waits for bytes, 1 to the quantum.  It keeps its place, if it has
 * one and its turn has that many bytes left; otherwise it is appended.
 */
void drr_wait(struct drr *, struct drr_entry *, uint32_t missing);

/* A client stops waiting for a while, and keeps its place. */
void drr_pause(struct drr *, struct drr_entry *);

/* Removes a client. */
void drr_leave(struct drr *, struct drr_entry *);

/* The client whose turn it is; NULL: none waits. */
struct drr_entry *drr_first(struct drr *);

/* The client received `n` bytes, at most entry->missing. */
void drr_give(struct drr *, struct drr_entry *, uint32_t n);

#endif
