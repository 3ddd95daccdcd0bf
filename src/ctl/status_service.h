/*
 * A pool's services and guests' EGD sockets, and their clients, for people.
 */
#ifndef VRNGCTL_STATUS_SERVICE_H
#define VRNGCTL_STATUS_SERVICE_H

#include <stdbool.h>
#include <stdio.h>

#include "ctl/snapshot.h"

/*
 * A table of the pool's services; below each where it is and who has come.
 * Lines have `columns` at most (0: any length).
 */
void status_print_services(const struct snapshot *, const char *pool, FILE *,
    size_t columns);

/*
 * A table of their clients: all of them, or the first of each service and how
 * many more there are.  Likewise.
 */
void status_print_clients(const struct snapshot *, const char *pool, FILE *,
    size_t columns, bool all);

#endif
