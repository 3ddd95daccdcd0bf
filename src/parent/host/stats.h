/*
 * Figures of workers, of several together.
 */
#ifndef VRNGD_STATS_H
#define VRNGD_STATS_H

#include "common/proto.h"

/* Adds what was done, not who is there: clients and connections stay. */
static inline void
stats_add(struct proto_stats *sum, const struct proto_stats *s)
{
	sum->bytes += s->bytes;
	sum->requests += s->requests;
	sum->cut += s->cut;
	sum->refused += s->refused;
	sum->wait_ns += s->wait_ns;
	sum->polls += s->polls;
	sum->poll_hits += s->poll_hits;
	sum->poll_misses += s->poll_misses;
	sum->poll_ns += s->poll_ns;
}

#endif
