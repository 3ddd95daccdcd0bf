/*
 * A client with a connection: the EGD protocol, and raw streams.
 */
#ifndef VRNGD_CLIENT_H
#define VRNGD_CLIENT_H

#include "egd/worker.h"

/* Commands, answered in their order. */
extern const struct protocol client_egd;

/* Raw bytes, as long as the client reads. */
extern const struct protocol client_stream;

/* The demand of a raw client: up to a burst. */
uint32_t client_chunk(const struct worker *);

#define CLIENT_CHUNK_MAX 4096 /* bytes per turn of a raw client */

#endif
