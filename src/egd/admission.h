/*
 * Who may be a client, from when clients are served, and when a worker without
 * clients ends.
 */
#ifndef VRNGD_ADMISSION_H
#define VRNGD_ADMISSION_H

#include <stdbool.h>
#include <stdint.h>

#include "egd/peer.h"
#include "egd/worker.h"

/*
 * All is given.  Clients are served when the first bytes of the window come, so
 * that there are some for the first command, or soon after if none come.
 */
void admission_hold(struct worker *);

/* Adds a connection for a place as a client, or closes it. */
void admission_take(struct worker *, uint32_t place, int fd);

/* Whether the service allows an address. */
bool admission_permits(const struct worker *, const struct peer *);

/* The same; counts and logs a rejected peer. */
bool admission_allows(struct worker *, const struct peer *);

/*
 * Begins to serve when it is time, and ends the worker when there has been no
 * client for long.
 */
void admission_expire(struct worker *);

/* The time of the next call of admission_expire() (ns); 0: none. */
uint64_t admission_deadline(const struct worker *);

#endif
