/*
 * The peer of a UDP socket: the only client, without a connection.  Its errors
 * are logged when they begin and end.
 */
#ifndef VRNGD_DATAGRAM_H
#define VRNGD_DATAGRAM_H

#include "egd/worker.h"

/* Raw bytes, in datagrams. */
extern const struct protocol datagram_raw;

/* The time of the next call of datagram_expire() (ns); 0: none. */
uint64_t datagram_deadline(const struct worker *);

/* Sends to an unreachable peer again when it is time. */
void datagram_expire(struct worker *);

/* The socket is readable or writable, or has an error. */
void datagram_event(struct worker *, uint32_t events);

#endif
