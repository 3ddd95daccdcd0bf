/*
 * What becomes of a guest's session, as the log tells it.
 */
#ifndef VRNGD_GUEST_EVENT_H
#define VRNGD_GUEST_EVENT_H

#include <stdbool.h>
#include <stdint.h>

#include "parent/endpoint/guest.h"

/* Somebody has connected, if there were not too many such lines of late. */
void guest_event_connected(struct guest *, int conn);

/* The figures of its session, which has ended or goes on. */
void guest_event_stats(struct guest *, bool ended);

/* A session of another vrngd goes on; one does with another worker. */
void guest_event_resumed(const struct guest *);
void guest_event_restarted(const struct guest *);

/* It does not; the next may come in `pause` ns. */
void guest_event_cut_off(const struct guest *, const char *why, uint64_t pause);

#endif
