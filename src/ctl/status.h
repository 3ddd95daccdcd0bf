/*
 * What the daemon told, for people and for programs.
 */
#ifndef VRNGCTL_STATUS_H
#define VRNGCTL_STATUS_H

#include <stdio.h>

#include "snapshot.h"

/* As tables; names are cut for lines of `columns` (0: any length). */
void status_print(const struct snapshot *, FILE *, size_t columns);

/* As one JSON object. */
void status_print_json(const struct snapshot *, FILE *);

/* The names of guests, classes, pools or sources, a line each. */
void status_print_guests(const struct snapshot *, FILE *);
void status_print_classes(const struct snapshot *, FILE *);
void status_print_pools(const struct snapshot *, FILE *);
void status_print_source_names(const struct snapshot *, FILE *);

#endif
