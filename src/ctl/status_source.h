/*
 * A pool's sources, for people.
 */
#ifndef VRNGCTL_STATUS_SOURCE_H
#define VRNGCTL_STATUS_SOURCE_H

#include <stdio.h>

#include "ctl/snapshot.h"

/* How the pool's sources are combined, and how many serve: a line. */
void status_print_combine(const struct snapshot *, const struct control_pool *,
    FILE *);

/*
 * A table of the pool's sources, those that serve marked with an asterisk;
 * below each what its tests have found and how it failed last.  Lines have
 * `columns` at most (0: any length).
 */
void status_print_sources(const struct snapshot *, const char *pool, FILE *,
    size_t columns);

#endif
