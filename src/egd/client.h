/*
 * A client with a connection: the EGD protocol, and raw streams.
 */
#ifndef VRNGD_CLIENT_H
#define VRNGD_CLIENT_H

#include "egd/worker.h"

/* Commands, answered in their order. */
extern const struct protocol client_egd;

/* Raw bytes, for as long as the client takes them. */
extern const struct protocol client_stream;

/* The bytes that a raw client waits for: what a burst allows, if not more. */
uint32_t client_chunk(const struct worker *);

#define CLIENT_CHUNK_MAX 4096 /* bytes that raw clients are given at once */

#endif
