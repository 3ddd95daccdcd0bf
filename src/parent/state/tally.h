/*
 * Guests that are added or removed, in the log: each has a record in the
 * journal, the first ones with a message, and many are one line with their
 * number.  Used by reload.c and adopt.c.
 */
#ifndef VRNGD_TALLY_H
#define VRNGD_TALLY_H

#include "parent/endpoint/guest.h"
#include "parent/host/event.h"
#include "parent/host/timer.h"

#define TALLY_SHOWN LOG_BURST /* guests with a message, at once */

struct tally {
	enum event event;
	const char *word; /* "added" or "removed" */
	struct log_limit limit;
	uint32_t hidden;    /* guests without a message, not yet counted */
	bool many;	    /* all of them, until tally_end() */
	struct timer timer; /* to log their number */
};

void tally_init(struct tally *, sd_event *, enum event, const char *word);

/* Begins a change of `n` guests, and ends it with a line if they are many. */
void tally_begin(struct tally *, size_t n);
void tally_end(struct tally *);

/* Logs a guest. */
void tally_guest(struct tally *, const struct guest *);

void tally_free(struct tally *);

#endif
