/*
 * The status for people.
 */
#ifndef VRNGCTL_STATUS_H
#define VRNGCTL_STATUS_H

#include <stdbool.h>
#include <stdio.h>

#include "ctl/snapshot.h"

/*
 * As tables; names are cut for lines of `columns` (0: any length).  Of the
 * clients of each service a few are shown, or all of them.
 */
void status_print(struct json_object *, FILE *, size_t columns,
    bool all_clients);

/*
 * The names of "guests", "classes", "pools", "sources" or "services", a line
 * each.
 */
void status_print_names(struct json_object *, const char *what, FILE *);

#endif
