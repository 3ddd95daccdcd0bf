/*
 * The entropy process of a pool: it reads the sources that the parent opened,
 * holds the stock, and delivers what the parent grants.
 */
#ifndef VRNGD_ENTROPY_H
#define VRNGD_ENTROPY_H

#include "common/loop.h"
#include "entropy/delivery.h"
#include "entropy/source.h"
#include "entropy/supply.h"

struct entropy {
	struct proto_pool pool;
	struct source sources[SOURCES_MAX];
	struct proto_source_state
	    reported[SOURCES_MAX]; /* as last reported to the parent */
	struct supply supply;
	struct delivery delivery;
	struct loop loop;
	int event_fd;		 /* of the sources */
	uint64_t reported_total; /* of stock, as last reported */
};

/* Receives the pool from the parent, and makes its sources and its stock. */
void entropy_init(struct entropy *);

/* Waits for events and handles them, one round. */
void entropy_step(struct entropy *);

#endif
