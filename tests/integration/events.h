/*
 * A daemon whose journal a test reads, event by event.
 */
#ifndef EVENTS_H
#define EVENTS_H

#include "parent/host/event.h" /* first, for the sake of names that daemon.h has too */

#include "integration/admin.h"
#include "integration/journal.h"

struct watched {
	struct suite *s;
	struct fifo fifo; /* a source of pool "two" */
	int fd;		  /* the journal */
};

/* Reads the catalog, for all that follows.  Returns 0 or -1. */
int events_init(void);

/*
 * Starts a daemon with statistics so often, guests vm0 (class gold) and vm1
 * (class slow, 1K), and EGD at DIR/egd; until it is ready.  Skips the test if
 * we may not have a journal.
 */
void events_start(struct watched *, struct suite *, const char *statistics);

/* Starts it again, after it has ended; its records are all to come. */
void events_again(struct watched *);

/* The test has passed. */
void events_pass(struct watched *);

/*
 * Waits for an event about something (a field and its value, or NULL), which
 * has its level and all that the catalog mentions.
 */
void events_await(struct watched *, enum event, const char *name,
    const char *value, struct journal_record *);

/* Each field that the catalog mentions is in the record of that event. */
void events_explained(const struct journal_record *, enum event);

#endif
