/*
 * A UDP socket's peer: the only client, which has no connection of its own.
 */
#ifndef VRNGD_DATAGRAM_H
#define VRNGD_DATAGRAM_H

#include "egd/worker.h"

/* Raw bytes, in datagrams. */
extern const struct protocol datagram_raw;

/* The socket can be read or written, or has an error. */
void datagram_event(struct worker *, uint32_t events);

#endif
