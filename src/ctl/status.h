/*
 * vrngctl status, guest list and names, and the tables for vrngctl top.
 */
#ifndef VRNGCTL_STATUS_H
#define VRNGCTL_STATUS_H

#include <stdio.h>

#include "ctl/args.h"
#include "ctl/snapshot.h"

int status_run(const struct args *, struct failure *);
int status_run_guests(const struct args *, struct failure *);
int status_run_names(const struct args *, struct failure *);

/*
 * Prints the tables of each pool after an empty line, without notes and
 * clients; guests and services with the highest rate come first.  Lines have at
 * most `limit` columns.  A line that begins with an exclamation mark reports a
 * pool without its intended sources.
 */
void status_print(struct json_object *, FILE *, size_t limit);

#endif
