/*
 * The state of the clients, in memory of the parent (CLIENTS in proto.h): if a
 * worker dies at any instruction, the next one resumes from it.  It contains
 * the input of clients, but no random bytes.
 *
 * The record of a client has two copies of its state and a counter of commits,
 * whose lowest bit selects the valid copy.  The kernel has the numbers of bytes
 * received and sent since that commit (position.h).
 */
#ifndef VRNGD_SAVED_H
#define VRNGD_SAVED_H

#include <stdbool.h>
#include <stdint.h>

#include "common/deposit.h"
#include "common/proto.h"
#include "egd/egd.h"

#define SAVED_INPUT_SIZE 32  /* bytes, at least one for each command */
#define SAVED_DEATHS_MAX 20  /* of workers, while serving one client */
#define SAVED_NO_COMMAND 255 /* no current command */

enum saved_state {
	SAVED_NONE,    /* no client, or one not checked yet */
	SAVED_OPEN,    /* a client */
	SAVED_CLOSING, /* a client whose connection is being closed */
};

enum saved_flag {
	SAVED_CONNECTED = 1 << 0, /* connected by the service */
	SAVED_FRAMED = 1 << 1,	  /* has sent 00, 01 or 04: answers whose place
				   * in the stream counts */
	SAVED_SHIFTED = 1 << 2,	  /* has received more bytes than requested */
	SAVED_PARTIAL = 1 << 3, /* has received a part of the current answer */
	SAVED_READING = 1 << 4, /* of vsock: input is being received */
	SAVED_FLAGS = (1 << 5) - 1,
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
	uint8_t command;  /* the current one, 00 to 04, or SAVED_NO_COMMAND */
	uint8_t left;	  /* bytes due for 02, or requested by 01 */
	uint16_t sending; /* bytes being sent; 0: none */
	uint16_t unused;
};

struct saved_record {
	uint32_t commits;
	struct saved_client copies[2];
	uint32_t died;	/* s of the monotonic clock, the last death */
	uint8_t deaths; /* of workers */
	uint8_t unused[7];
};

struct saved {
	uint32_t serving; /* the place being served, + 1; 0: none */
	uint8_t unused[60];
	struct saved_record records[CLIENTS_MAX];
	uint8_t in[CLIENTS_MAX][SAVED_INPUT_SIZE];
};

_Static_assert(sizeof(struct saved_record) == 64, "a cache line");
_Static_assert(sizeof(struct saved) <= CLIENTS_STATE_SIZE, "fits");

/*@
 @ // What is sent is within an answer, or within what 02 waits for.
 @ predicate command_is_valid(struct saved_client *c) =
 @   c->command == SAVED_NO_COMMAND ?
 @     c->sending == 0 && (c->flags & SAVED_PARTIAL) == 0 :
 @   c->command == EGD_WAIT ?
 @     0 < c->left && c->sending <= c->left &&
 @       (c->flags & SAVED_PARTIAL) == 0 :
 @   (c->command == EGD_AVAILABLE || c->command == EGD_NOW ||
 @     c->command == EGD_PID) && c->sending <= EGD_ANSWER_MAX &&
 @     (c->flags & SAVED_FRAMED) != 0;
 @
 @ // Its input can be parsed.
 @ predicate input_is_valid(struct saved_client *c) =
 @   c->in_start <= c->in_end <= SAVED_INPUT_SIZE && egd_is_valid(&c->egd);
 @
 @ // A client that can be gone on with.
 @ predicate saved_is_valid(struct saved_client *c) =
 @   input_is_valid(c) && command_is_valid(c);
 @*/

/* Commits the state of a client; of a place that there is not, nothing. */
/*@
 @ requires \valid(s) && \valid_read(c) && \separated(s, c);
 @ assigns s->records[place];
 @*/
void saved_commit(struct saved *s, uint32_t place,
    const struct saved_client *c);

/*
 * Reads and checks the state of a client, which a compromised worker may have
 * written.  Returns false if it is invalid: the state is SAVED_OPEN, and the
 * rest is undefined.
 */
/*@
 @ requires \valid_read(s) && \valid(c) && \separated(s, c);
 @ assigns *c;
 @ ensures place >= CLIENTS_MAX ==> !\result;
 @ ensures \result && c->state == SAVED_OPEN ==> saved_is_valid(c);
 @ ensures \result ==> c->state == SAVED_OPEN || c->state == SAVED_NONE ||
 @   c->state == SAVED_CLOSING;
 @ ensures !\result ==> c->state == SAVED_OPEN;
 @*/
bool saved_load(const struct saved *s, uint32_t place, struct saved_client *c);

/*
 * Parses the input of a client from where it was parsed up to; like egd_parse().
 * A state that saved_load() does not accept counts as an unknown command.
 */
/*@
 @ requires \valid(c) && \valid(said);
 @ requires \valid_read(in + (0 .. SAVED_INPUT_SIZE - 1));
 @ requires \separated(c, said, in + (0 .. SAVED_INPUT_SIZE - 1));
 @ assigns c->egd, c->in_start, *said;
 @ ensures \old(input_is_valid(c)) ==> input_is_valid(c);
 @ ensures \result != EGD_UNKNOWN ==> input_is_valid(c);
 @ ensures \result == EGD_MORE ==> c->in_start == c->in_end;
 @ ensures \result == EGD_COMMAND || \result == EGD_DATA ==>
 @   \old(c->in_start) < c->in_start;
 @ ensures \result != EGD_UNKNOWN && said->size > 0 ==>
 @   \valid_read(said->data + (0 .. said->size - 1));
 @ ensures \result == EGD_COMMAND ==> said->command <= EGD_PID;
 @*/
enum egd_result saved_parse(struct saved_client *c, const uint8_t *in,
    struct egd_parsed *said);

/* Records that a client is being served, and no longer. */
/*@
 @ requires \valid(s);
 @ assigns s->serving;
 @*/
static inline void
saved_begin(struct saved *s, uint32_t place)
{
	__atomic_store_n(&s->serving, place + 1, __ATOMIC_RELEASE);
}

/*@
 @ requires \valid(s);
 @ assigns s->serving;
 @*/
static inline void
saved_end(struct saved *s)
{
	__atomic_store_n(&s->serving, 0, __ATOMIC_RELEASE);
}

/* Counts the death of the last worker for the client it was serving. */
/*@
 @ requires \valid(s);
 @ assigns s->serving, s->records[0 .. CLIENTS_MAX - 1];
 @ ensures s->serving == 0;
 @*/
void saved_count_death(struct saved *s, uint64_t now);

/* Whether more than SAVED_DEATHS_MAX workers in a row died serving a client. */
/*@
 @ requires \valid_read(s);
 @ assigns \nothing;
 @*/
bool saved_deadly(const struct saved *s, uint32_t place, uint64_t now);

/* Forgets the deaths: another client has the place. */
/*@
 @ requires \valid(s);
 @ assigns s->records[place].deaths;
 @*/
void saved_forget(struct saved *s, uint32_t place);

#endif
