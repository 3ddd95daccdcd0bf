/*
 * The peer of a UDP socket: the only client, without a connection.
 */
#ifndef VRNGD_DATAGRAM_H
#define VRNGD_DATAGRAM_H

#include "egd/worker.h"

/* Raw bytes, in datagrams. */
extern const struct protocol datagram_raw;

/* The socket is readable or writable, or has an error. */
void datagram_event(struct worker *, uint32_t events);

#endif
