/*
 * A source of a pool, as the parent sees it: opened, and opened again when it
 * was lost or failed, ever more patiently; what is known of it.
 */
#ifndef VRNGD_POOL_SOURCE_H
#define VRNGD_POOL_SOURCE_H

#include <sys/queue.h>

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "parent/host/backoff.h"
#include "common/counters.h"
#include "parent/config/config.h"
#include "parent/host/listener.h"
#include "parent/host/event.h"
#include "common/log.h"
#include "parent/host/process.h"
#include "parent/host/timer.h"
#include "parent/pool/source_open.h"

/* The source in messages: its name, and what it is. */
#define POOL_SOURCE_TEXT_SIZE 192

struct pool_source {
	TAILQ_ENTRY(pool_source) entry;
	struct config_source *config;
	struct log_subject subject; /* its pool and its name */
	char text[POOL_SOURCE_TEXT_SIZE];
	struct process *entropy; /* who reads it */
	struct timer timer;	 /* to open it (again) */
	struct listener kept;	 /* see source_is_kept() */
	sd_event_source *io;	 /* of that, to accept a connection */
	struct backoff backoff;
	struct flap flap;	      /* of its events, */
	char reason[SOURCE_WHY_SIZE]; /* of the last one, or "" */
	bool noted;	/* that it failed, since it was given last */
	bool closed;	/* no reader has it */
	uint32_t given; /* times that the reader was given it */
	bool announced; /* that it does not yield, since it last did */
	bool lost;	/* that it is lost, since anything else */
	struct proto_source_state state; /* the last, of this generation */
	uint64_t since;			 /* ns, that it is in it */
	const struct counters_source *counters; /* its reader's; NULL: none */
	uint64_t bytes; /* in them, as they were read last, */
	struct proto_health health;
	uint64_t past_bytes; /* and of generations that ended */
	struct proto_health past_health;
	uint64_t failures;	       /* times lost or failed */
	uint64_t failed;	       /* ns, the last time; 0: never */
	char failure[SOURCE_WHY_SIZE]; /* what that was */
	struct {
		uint64_t bytes, alarms, failures;
	} reported; /* in the last statistics */
};

TAILQ_HEAD(pool_sources, pool_source);

/*
 * Makes a source that is read by `entropy`, when that runs, and if `keep` opens
 * what is to be kept.  The pool's name must outlive it.  Returns NULL after
 * logging why.
 */
struct pool_source *pool_source_new(const struct config_source *,
    const char *pool, struct process *entropy, struct process_env *, bool keep);
void pool_source_free(struct pool_source *);

/* Takes over what the other keeps; see source_shares_kept(). */
void pool_source_inherit(struct pool_source *, struct pool_source *from);

/* Whether it can be opened now, or need not exist yet; logs why not. */
bool pool_source_try(const struct pool_source *);

/*
 * Its reader runs: sends it what the source is, which counts in one place of
 * the page, and then the source.
 */
void pool_source_send(struct pool_source *, const struct counters_source *);
void pool_source_start(struct pool_source *);

/* Its reader is gone. */
void pool_source_stop(struct pool_source *);

/* Its reader reports its state. */
void pool_source_update(struct pool_source *,
    const struct proto_source_state *);

/* Tests it again, for an operator.  Returns 0, or -1 and why not. */
int pool_source_retest(struct pool_source *, const char **why);

/*
 * Bytes read and the results of its tests, in all generations; and bytes a
 * second of late.
 */
uint64_t pool_source_bytes(struct pool_source *);
struct proto_health pool_source_health(struct pool_source *);
uint64_t pool_source_rate(const struct pool_source *);

#endif
