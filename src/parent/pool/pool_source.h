/*
 * A source of a pool in the parent: opened, and opened again after a loss or
 * failure, with growing delays; its state and statistics.
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
#include "parent/pool/usb_reader.h"

/* The source in messages: its name and kind. */
#define POOL_SOURCE_TEXT_SIZE 192

struct pool_source {
	TAILQ_ENTRY(pool_source) entry;
	struct config_source *config;
	struct log_subject subject; /* its pool and its name */
	char text[POOL_SOURCE_TEXT_SIZE];
	struct process *entropy; /* its reader */
	struct process_env *env;
	struct usb_reader usb; /* of qng: reads it for the entropy process */
	struct timer timer;    /* to open it (again) */
	struct listener kept;  /* see source_is_kept() */
	sd_event_source *io;   /* of the kept socket, to accept a connection */
	struct backoff backoff;
	struct flap flap;	      /* of its events, */
	char reason[SOURCE_WHY_SIZE]; /* of the last event, or "" */
	bool noted;	/* a failure since it was sent last was counted */
	bool closed;	/* no reader has it */
	uint32_t given; /* times that it was sent to the reader */
	bool announced; /* the lack of bytes was logged */
	bool lost;	/* its loss was logged */
	struct proto_source_state
	    state;	  /* the last state, of this generation */
	uint64_t since;	  /* ns, start of the state */
	uint64_t created; /* ns */
	const struct counters_source *counters; /* its reader's; NULL: none */
	uint64_t bytes;				/* of the page, as last read */
	struct proto_health health;
	uint64_t past_bytes; /* of ended generations */
	struct proto_health past_health;
	uint64_t failures;	       /* times lost or failed */
	uint64_t failed;	       /* ns, the last failure; 0: none */
	char failure[SOURCE_WHY_SIZE]; /* its cause */
	struct {
		uint64_t bytes, alarms, failures;
	} reported; /* in the last statistics */
};

TAILQ_HEAD(pool_sources, pool_source);

/*
 * Creates a source, read by `entropy` when that runs; with `keep`, opens its
 * kept socket or file.  The pool's name must outlive it.  Returns NULL after
 * logging the error.
 */
struct pool_source *pool_source_new(const struct config_source *,
    const char *pool, struct process *entropy, struct process_env *, bool keep);
void pool_source_free(struct pool_source *);

/* Takes the kept socket or file of another; see source_shares_kept(). */
void pool_source_inherit(struct pool_source *, struct pool_source *from);

/*
 * Whether it can be opened now; or later, if it `may_wait` or is a connection.
 * Logs the error.
 */
bool pool_source_try(const struct pool_source *, bool may_wait);

/*
 * Its reader runs: sends it the source's configuration, with its place in the
 * page of counters, and then the source.
 */
void pool_source_send(struct pool_source *, const struct counters_source *);
void pool_source_start(struct pool_source *);

/* Its reader has ended. */
void pool_source_stop(struct pool_source *);

/* Its reader reports its state. */
void pool_source_update(struct pool_source *,
    const struct proto_source_state *);

/* Tests it again for an operator.  Returns 0, or -1 with the reason. */
int pool_source_retest(struct pool_source *, const char **why);

/*
 * Bytes read and the results of its tests, in all generations; and the current
 * bytes per second.
 */
uint64_t pool_source_bytes(struct pool_source *);
struct proto_health pool_source_health(struct pool_source *);
uint64_t pool_source_rate(const struct pool_source *);

#endif
