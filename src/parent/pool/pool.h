/*
 * A pool: sources, the entropy process that reads them, and the allocator that
 * shares what they yield among the consumers.
 */
#ifndef VRNGD_POOL_H
#define VRNGD_POOL_H

#include <stdbool.h>
#include <stdint.h>

#include "parent/alloc/alloc.h"
#include "parent/host/backoff.h"
#include "parent/pool/consumer.h"
#include "parent/config/config.h"
#include "parent/pool/pool_setup.h"
#include "parent/host/page.h"
#include "parent/host/process.h"
#include "parent/host/timer.h"

struct pool;

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
	struct consumers consumers;	/* with a worker */
	struct consumers unsent;	/* with pending grants */
	struct timer timer;		/* for the allocator, */
	uint64_t woken;			/* ns, when it last came */
	struct timer entropy_timer;	/* to start it again */
	struct log_limit entropy_limit; /* of what that process says */
	struct deaths entropy_deaths;
	struct backoff entropy_backoff; /* when there were too many */
	uint64_t dry_since; /* ns, that requests wait for stock; 0: none do */
	uint64_t dry_total; /* ns, before that */
	bool active;	    /* something has happened; cleared by others */
	uint64_t told_granted; /* bytes, in statistics */
	bool ready;	       /* has been, once */
	bool replaced;	       /* the process ends: its sources are no more */
};

/* A pool with a share, but without sources and consumers. */
void pool_init(struct pool *, const char *name, struct process_env *,
    const struct alloc_share *, const struct pool_ops *, void *arg);

/*
 * Takes over the sources that were made, which start in another entropy
 * process, at once; the old one is killed if it does not end.
 */
void pool_set_sources(struct pool *, struct pool_setup *);

/*
 * Starts the entropy process.  Returns 0, or -1 after logging why.
 */
int pool_start(struct pool *);

/* Ends the entropy process by the deadline (ns), and frees the sources. */
void pool_stop(struct pool *, uint64_t deadline);

/* Something has happened that statistics are about. */
static inline void
pool_active(struct pool *pool)
{
	if (pool->active)
		return;
	pool->active = true;
	pool->ops->active(pool, pool->arg);
}

/* For consumers: the stock changed; the allocator wants to run at `at` (ns). */
void pool_update_stock(struct pool *);
void pool_wake_at(struct pool *, uint64_t at);

#endif
