/*
 * Records of what everybody was given, for monitoring from the journal alone.
 *
 * Nothing wakes up for them while nothing happens: a pool that does something
 * begins a period, at the end of which the counters of those that did something
 * in it are logged.
 */
#ifndef VRNGD_SERVICE_STATISTICS_H
#define VRNGD_SERVICE_STATISTICS_H

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "parent/pool/consumer.h"

struct pool;
struct service;
struct statistics;

void statistics_init(struct statistics *, struct service *);

/* Sets the interval (ns), and that of the period that has begun. */
void statistics_set(struct statistics *, uint64_t interval);

/* A pool has become active. */
void statistics_begin(struct statistics *);

/* Logs what is due before the end, and nothing after that. */
void statistics_finish(struct statistics *);

/* Ends, without more. */
void statistics_end(struct statistics *);

/* Logs that a consumer had to wait because of limits. */
void statistics_throttled(struct pool *, struct consumer *);

#endif
