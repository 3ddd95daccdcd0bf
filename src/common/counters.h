/*
 * Counters: what a worker has done, in one table.  A worker counts in a page
 * of memory that it shares with the parent; the parent reads it when it
 * reports, in the status (JSON) and in the journal, and asks nobody.  A new
 * counter is a row here, the line that counts it, and the manual.  The entropy
 * process has such a page too, with the meters of its sources.
 */
#ifndef VRNGD_COUNTERS_H
#define VRNGD_COUNTERS_H

#include <stdint.h>

#include "common/meter.h"
#include "common/proto.h"

/* clang-format off */
/*
 *	name		JSON key		journal field
 */
/* Of every worker. */
#define REQUEST_COUNTERS(X) \
	/* bytes handed to the guest, or clients */ \
	X(bytes,	"bytes",		"VRNGD_BYTES") \
	/* requests completed */ \
	X(requests,	"requests",		"VRNGD_REQUESTS") \
	/* of these, with fewer bytes than were asked for */ \
	X(short_answers, "short_answers",	"VRNGD_CUT") \
	/* requests that are malformed: completed with nothing, or refused */ \
	X(malformed,	"malformed",		"VRNGD_REFUSED") \
	/* ns during which a request waited */ \
	X(wait_ns,	"wait_ns",		"VRNGD_WAIT_NS")

/* Of ROLE_EGD. */
#define CLIENT_COUNTERS(X) \
	/* clients that have connected */ \
	X(connections,	"connections",		"VRNGD_CONNECTIONS") \
	/* clients that were not let in: not allowed, or too many */ \
	X(turned_away,	"turned_away",		"VRNGD_TURNED_AWAY")

/* Of ROLE_VHOST; in JSON they are in the object "polling". */
#define POLL_COUNTERS(X) \
	/* times that the ring was polled for the next request, */ \
	X(polls,	"polls",		"VRNGD_POLLS") \
	/* that it came meanwhile, */ \
	X(poll_hits,	"hits",			"VRNGD_POLL_HITS") \
	/* that it did not, */ \
	X(poll_misses,	"misses",		"VRNGD_POLL_MISSES") \
	/* and ns spent so */ \
	X(poll_ns,	"ns",			"VRNGD_POLL_NS")
/* clang-format on */

#define COUNTERS(X) REQUEST_COUNTERS(X) CLIENT_COUNTERS(X) POLL_COUNTERS(X)

#define COUNTER_INDEX(name, json, journal)  COUNTER_##name,
#define COUNTER_MEMBER(name, json, journal) uint64_t name;
enum counter_index {
	COUNTERS(COUNTER_INDEX) COUNTERS_N
};

/* By name, and by number for sums. */
struct counters {
	union {
		struct {
			COUNTERS(COUNTER_MEMBER)
		};
		uint64_t each[COUNTERS_N];
	};
};
#undef COUNTER_INDEX
#undef COUNTER_MEMBER

/* A client of an EGD worker.  What is 64 bits wide is never seen in part. */
struct counters_client {
	uint64_t since;	   /* ns, when it connected; 0: a free place */
	uint64_t bytes;	   /* handed to it */
	uint64_t requests; /* answered */
	uint64_t waiting;  /* 1: for bytes */
	char peer[CLIENT_TEXT_SIZE]; /* "127.0.0.1:4711", "pid 12, uid 0" */
};

/*
 * What a worker shares with the parent: of ROLE_VHOST the counters alone.  The
 * parent makes it, all 0, and reads it with counters_load().
 */
struct counters_page {
	struct counters counters;
	uint64_t waiting_since; /* ns: adds to wait_ns; 0: no request waits */
	uint64_t nclients;	/* connected now, */
	uint64_t nplaces;	/* in the first of these places */
	struct counters_client clients[CLIENTS_MAX];
};

/* A source, in the page of the entropy process, which has SOURCES_MAX. */
struct counters_source {
	struct meter meter; /* of bytes read */
	struct proto_health health;
};

/* The bytes of its page. */
static inline uint64_t
counters_size(enum proto_role role)
{
	switch (role) {
	case ROLE_EGD:
		return sizeof(struct counters_page);
	case ROLE_ENTROPY:
		return SOURCES_MAX * sizeof(struct counters_source);
	default:
		return sizeof(struct counters);
	}
}

/* More is not believed of any counter, so that sums do not overflow. */
#define COUNTER_MAX (UINT64_C(1) << 60)

/* A value in memory that another process writes to. */
static inline uint64_t
counters_load(const uint64_t *value)
{
	return __atomic_load_n(value, __ATOMIC_ACQUIRE);
}

static inline uint64_t
counters_min(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Adds each counter of `c` to that of `sum`. */
static inline void
counters_add(struct counters *sum, const struct counters *c)
{
	for (int i = 0; i < COUNTERS_N; i++)
		sum->each[i] += c->each[i];
}

/* By how much each counter has grown; 0 if it has not. */
static inline struct counters
counters_grown(const struct counters *c, const struct counters *before)
{
	struct counters d = *c;

	for (int i = 0; i < COUNTERS_N; i++)
		d.each[i] -= counters_min(c->each[i], before->each[i]);
	return d;
}

/*
 * What is believed of counters that were read in a worker's page, which may
 * have anything in it: none of them less than it was `before`, bytes at most
 * `granted`, and none of the others more than `most`.
 */
static inline struct counters
counters_clamp(const struct counters *c, const struct counters *before,
    uint64_t granted, uint64_t most)
{
	struct counters d = *c;

	for (int i = 0; i < COUNTERS_N; i++)
		d.each[i] = counters_min(d.each[i], most);
	d.bytes = counters_min(c->bytes, granted);
	for (int i = 0; i < COUNTERS_N; i++)
		if (d.each[i] < before->each[i])
			d.each[i] = before->each[i];
	return d;
}

#endif
