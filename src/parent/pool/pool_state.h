/*
 * The state of a pool, between pool.c, which has its sources read, and
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

/* What a pool asks of the others. */
struct pool_ops {
	/* The entropy process is set up, for the first time or again. */
	void (*ready)(struct pool *, void *arg);
	/* The entropy process ended before it ever was. */
	void (*failed)(struct pool *, void *arg);
	/* A consumer has to wait because of limits: see throttle.h. */
	void (*throttled)(struct pool *, struct consumer *, void *arg);
	/* It is not idle any more: see pool_active(). */
	void (*active)(struct pool *, void *arg);
};

struct pool {
	char name[CONFIG_NAME_SIZE];
	struct log_subject subject; /* of lines that name it themselves */
	struct process_env *env;
	const struct pool_ops *ops;
	void *arg;
	struct pool_setup setup;
	struct process entropy;
	struct page page; /* that it counts in */
	uint32_t generation;
	struct alloc alloc;
	uint64_t stock;			/* as in struct proto_stock, and */
	uint64_t granted;		/* what was granted of it in all */
	uint64_t capacity;		/* of the stock, bytes */
	uint32_t serving;		/* sources in use, a bit each */
	struct flap flap;		/* of changes of that */
	struct flap restarts;		/* of the entropy process */
	struct consumers consumers;	/* with a worker, by its number */
	struct unsent unsent;		/* those with pending grants */
	struct timer timer;		/* for the allocator, */
	uint64_t woken;			/* ns, when it last came */
	struct timer entropy_timer;	/* to start it again */
	struct log_limit entropy_limit; /* of what that process says */
	struct deaths entropy_deaths;
	struct backoff entropy_backoff; /* when there were too many */
	uint64_t dry_since; /* ns, that requests wait for stock; 0: none do */
	uint64_t dry_total; /* ns, before that */
	bool active;	    /* something has happened; cleared by others */
	uint64_t reported;  /* bytes granted, as of the last statistics */
	bool ready;	    /* has been, once */
	bool replaced;	    /* the process ends: its sources are no more */
};

/* Something has happened that statistics are about. */
static inline void
pool_active(struct pool *pool)
{
	if (pool->active)
		return;
	pool->active = true;
	pool->ops->active(pool, pool->arg);
}

#endif
