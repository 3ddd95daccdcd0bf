/*
 * The commands that show the status, and its tables for one that does so again
 * and again.
 */
#ifndef VRNGCTL_STATUS_H
#define VRNGCTL_STATUS_H

#include <stdio.h>

#include "ctl/args.h"
#include "ctl/snapshot.h"

int status_run(const struct args *, struct failure *);
int status_run_names(const struct args *, struct failure *);

/*
 * Prints the tables of each pool behind an empty line, without notes and
 * clients; guests and services that get the most come first.  Lines have at most
 * `limit` columns.  One that begins with an exclamation mark tells that a pool
 * is not supplied as it is meant to be.
 */
void status_print(struct json_object *, FILE *, size_t limit);

#endif
