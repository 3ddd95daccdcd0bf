/*
 * What the daemon told, for people and for programs.
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
void status_print(const struct snapshot *, FILE *, size_t columns,
    bool all_clients);

/* As one JSON object. */
void status_print_json(const struct snapshot *, FILE *);

/* What a guest is doing, in a word: by EGD, if that is its only way. */
const char *status_guest_state(const struct snapshot *,
    const struct control_guest *);

/* The names of guests, classes, pools, sources or services, a line each. */
void status_print_guests(const struct snapshot *, FILE *);
void status_print_classes(const struct snapshot *, FILE *);
void status_print_pools(const struct snapshot *, FILE *);
void status_print_source_names(const struct snapshot *, FILE *);
void status_print_service_names(const struct snapshot *, FILE *);

#endif
