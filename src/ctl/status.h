/*
 * vrngctl status, guest list and names, and the tables for vrngctl top.
 */
#ifndef VRNGCTL_STATUS_H
#define VRNGCTL_STATUS_H

#include <stdbool.h>
#include <stdio.h>

#include "ctl/args.h"
#include "ctl/snapshot.h"

int status_run(const struct args *, struct failure *);
int status_run_guests(const struct args *, struct failure *);
int status_run_names(const struct args *, struct failure *);

/* What the live tables show of guests and services, and in which order. */
struct status_view {
	bool by_rate;	 /* not: those that wait first, then by rate */
	char filter[64]; /* part of the name or class; "": all */
};

/*
 * Prints the tables of each pool after an empty line, without notes and
 * clients.  Lines have at most `limit` columns.  A line that begins with an exclamation mark reports a
 * pool without its intended sources.
 */
void status_print(struct json_object *, FILE *, size_t limit,
    const struct status_view *);

#endif
