/*
 * A journal of the test's own: a socket where systemd's would be, in a mount
 * namespace, so that it needs root.
 */
#ifndef JOURNAL_H
#define JOURNAL_H

#include "integration/suite.h"

#define JOURNAL_FIELDS 64

struct journal_field {
	char name[64];
	char value[1024]; /* as it came, cut if longer */
};

struct journal_record {
	size_t nfields;
	struct journal_field fields[JOURNAL_FIELDS];
};

/*
 * Makes a /run with nothing but the socket in it, for this process and those
 * that it starts, and returns it; skips the test if that is not allowed.
 */
int journal_open(struct suite *);

/* The next record, within `ms`; false if there is none. */
bool journal_next(int fd, struct journal_record *, int ms);

/* The value of a field that the record has at most once; NULL: it has not. */
const char *journal_value(const struct journal_record *, const char *name);

/* The same, which must be there, as a number, or that text. */
uint64_t journal_number(const struct journal_record *, const char *name);
void journal_is(const struct journal_record *, const char *name,
    const char *value);

/*
 * Waits for a record with that field, whose value begins so, and leaves it in
 * the record; those before it are dropped.
 */
void journal_expect(int fd, const char *name, const char *value,
    struct journal_record *);

#endif
