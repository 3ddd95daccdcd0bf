/*
 * The state of a pool, shared by pool.c, which starts its entropy process, and
 * consumer.c, which makes grants.
 */
#ifndef VRNGD_POOL_STATE_H
#define VRNGD_POOL_STATE_H

#include <sys/queue.h>

#include <bsd/sys/tree.h>
#include <stdbool.h>
#include <stdint.h>

#include "parent/alloc/alloc.h"
#include "parent/config/config.h"
#include "parent/host/backoff.h"
#include "parent/host/page.h"
#include "parent/host/process.h"
#include "parent/host/timer.h"
#include "parent/pool/pool_setup.h"

struct consumer;
struct pool;

RB_HEAD(consumers, consumer);
TAILQ_HEAD(unsent, consumer);

/* Callbacks of a pool. */
struct pool_ops {
	/* The entropy process is ready, for the first time or again. */
	void (*ready)(struct pool *, void *arg);
	/* The entropy process ended before it was ready. */
	void (*failed)(struct pool *, void *arg);
	/* A consumer is throttled by its limits: see throttle.h. */
	void (*throttled)(struct pool *, struct consumer *, void *arg);
	/* It has become active: see pool_active(). */
	void (*active)(struct pool *, void *arg);
};

struct pool {
	char name[CONFIG_NAME_SIZE];
	struct log_subject subject; /* of log lines that contain its name */
	struct process_env *env;
	const struct pool_ops *ops;
	void *arg;
	struct pool_setup setup;
	uint64_t created; /* ns */
	struct process entropy;
	struct page page; /* with its counters */
	uint32_t generation;
	struct alloc alloc;
	uint64_t stock;			/* as in struct proto_stock, and */
	uint64_t granted;		/* total granted bytes of it */
	uint64_t capacity;		/* of the stock, bytes */
	uint32_t serving;		/* sources in use, one bit each */
	uint64_t unserved;		/* ns, since there are none; 0: some */
	struct flap flap;		/* of changed sources */
	bool starved;			/* reported: no source serves */
	struct timer starts;		/* until sources should serve */
	struct flap restarts;		/* of the entropy process */
	struct consumers consumers;	/* with a worker, by number */
	struct unsent unsent;		/* those with pending grants */
	struct timer timer;		/* for the allocator, */
	uint64_t woken;			/* ns, its last run */
	struct timer entropy_timer;	/* to start it again */
	struct log_limit entropy_limit; /* of log lines of that process */
	struct deaths entropy_deaths;
	struct backoff entropy_backoff; /* after too many restarts */
	uint64_t dry_since; /* ns, since requests wait for stock; 0: none */
	uint64_t dry_total; /* ns, before that */
	bool active;	    /* since the last statistics, which clear it */
	uint64_t reported;  /* bytes granted, as of the last statistics */
	bool ready;	    /* has been ready once */
	bool replaced;	    /* the process ends, its sources were replaced */
};

/* Records activity for statistics. */
static inline void
pool_active(struct pool *pool)
{
	if (pool->active)
		return;
	pool->active = true;
	pool->ops->active(pool, pool->arg);
}

#endif
