/*
 * The state of the clients, in memory that the parent keeps (CLIENTS in
 * proto.h): the next worker goes on from it when one dies, at whatever
 * instruction.  It has what a client sent, and no byte that one is sent.
 *
 * A client's record has two copies of its state and a counter of commits, whose
 * lowest bit says which copy counts.  How many bytes were received and sent
 * since that commit is known by the kernel (position.h).
 */
#ifndef VRNGD_SAVED_H
#define VRNGD_SAVED_H

#include <stdbool.h>
#include <stdint.h>

#include "common/deposit.h"
#include "common/proto.h"
#include "egd/egd.h"

#define SAVED_INPUT_SIZE 32  /* bytes: as many commands at once, or fewer */
#define SAVED_DEATHS_MAX 20  /* of workers, while they served one client */
#define SAVED_NO_COMMAND 255 /* none is in hand */

enum saved_state {
	SAVED_NONE,    /* no client, or one that was not looked at yet */
	SAVED_OPEN,    /* a client */
	SAVED_CLOSING, /* a client whose connection is being closed */
};

enum saved_flag {
	SAVED_CONNECTED = 1 << 0, /* the service has connected to it */
	SAVED_FRAMED = 1 << 1,	  /* has sent 00, 01 or 04: answers whose place
				   * in the stream counts */
	SAVED_SHIFTED = 1 << 2,	  /* has bytes more than it asked for */
	SAVED_PARTIAL = 1 << 3,	  /* has a part of the answer in hand */
	SAVED_FLAGS = (1 << 4) - 1,
};

/* A client's state at a commit. */
struct saved_client {
	uint32_t received; /* position of the connection, */
	uint32_t sent;	   /* without what is being sent */
	struct egd egd;
	uint8_t in_start; /* of the input: parsed up to here, */
	uint8_t in_end;	  /* read up to here */
	uint8_t state;	  /* enum saved_state */
	uint8_t flags;	  /* enum saved_flag */
	uint8_t command;  /* in hand, 00 to 04, or SAVED_NO_COMMAND */
	uint8_t left;	  /* bytes of 02 that are owed, or wanted by 01 */
	uint16_t sending; /* bytes that are being sent; 0: none */
	uint16_t unused;
};

struct saved_record {
	uint32_t commits;
	struct saved_client copies[2];
	uint32_t died; /* s of the monotonic clock, the last of */
	uint8_t deaths;
	uint8_t unused[7];
};

struct saved {
	uint32_t serving; /* the place that is served just now, + 1; 0: none */
	uint8_t unused[60];
	struct saved_record records[CLIENTS_MAX];
	uint8_t in[CLIENTS_MAX][SAVED_INPUT_SIZE];
};

_Static_assert(sizeof(struct saved_record) == 64, "a cache line");
_Static_assert(sizeof(struct saved) <= CLIENTS_STATE_SIZE, "fits");

/* The state of a client from now on. */
void saved_commit(struct saved *, uint32_t place, const struct saved_client *);

/*
 * Reads the state of a client, which may be anything, since a worker that was
 * taken over may have written it.  Returns false if no worker of ours could
 * have: the state is SAVED_OPEN, and the rest of it undefined.
 */
bool saved_load(const struct saved *, uint32_t place, struct saved_client *);

/* A client is being served, and is not any more. */
static inline void
saved_begin(struct saved *s, uint32_t place)
{
	__atomic_store_n(&s->serving, place + 1, __ATOMIC_RELEASE);
}

static inline void
saved_end(struct saved *s)
{
	__atomic_store_n(&s->serving, 0, __ATOMIC_RELEASE);
}

/* Counts the death of the last worker for the client that it served. */
void saved_count_death(struct saved *, uint64_t now);

/* Whether more than SAVED_DEATHS_MAX workers in a row died of a client. */
bool saved_deadly(const struct saved *, uint32_t place, uint64_t now);

/* Forgets the deaths: another client has the place. */
void saved_forget(struct saved *, uint32_t place);

#endif
