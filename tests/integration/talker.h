/*
 * Clients of EGD and of raw bytes that ask on and on, and are not to notice
 * what happens to vrngd meanwhile.
 */
#ifndef TALKER_H
#define TALKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TALKER_ANSWER 255 /* bytes of a raw stream that count as an answer */

enum talker_kind {
	TALKER_WAIT,   /* sends 02 alone */
	TALKER_MIXED,  /* sends all commands */
	TALKER_STREAM, /* sends nothing */
};

struct talker {
	int fd;
	enum talker_kind kind;
	bool may_end; /* and sets `ended` if the connection is closed */
	bool ended;
	unsigned int sent; /* commands, */
	unsigned int answered;
	unsigned int total; /* of so many */
	size_t have;	    /* bytes of the next answer */
	uint8_t answer[256];
	uint8_t *got; /* random bytes */
	size_t ngot;
};

/* A talker on a connection, which is its own, that wants so many answers. */
struct talker *talker_new(int fd, enum talker_kind, unsigned int total);
void talker_free(struct talker *);

/* It wants more answers. */
void talker_more(struct talker *, unsigned int);

/*
 * Sends and reads what it can at once.  Returns whether it has all of its
 * answers.  Fails the test if an answer is not what it has to be.
 */
bool talker_run(struct talker *);

/*
 * No eight bytes were had twice by any of them, wherever they begin; of many
 * bytes, a sixteenth is looked at.
 */
void talkers_unique(struct talker *const *, size_t);

#endif
