/*
 * The table of counters.  A worker counts in a page of memory that it shares
 * with the parent, which reads it for the status (JSON) and the journal without
 * a message.  A new counter needs a row here, the line that counts it, and a
 * line in the manual.  The entropy process has such a page too, with the meters
 * of its sources.
 */
#ifndef VRNGD_COUNTERS_H
#define VRNGD_COUNTERS_H

#include <stddef.h>
#include <stdint.h>

#include "common/meter.h"
#include "common/min.h"
#include "common/proto.h"

/* clang-format off */
/*
 *	name		JSON key		journal field
 */
/* All workers. */
#define REQUEST_COUNTERS(X) \
	/* bytes delivered to the guest or the clients */ \
	X(bytes,	"bytes",		"VRNGD_BYTES") \
	/* requests completed */ \
	X(requests,	"requests",		"VRNGD_REQUESTS") \
	/* requests completed with fewer bytes than requested */ \
	X(short_answers, "short_answers",	"VRNGD_CUT") \
	/* malformed requests: completed without bytes, or rejected */ \
	X(malformed,	"malformed",		"VRNGD_REFUSED") \
	/* ns during which at least one request waited */ \
	X(wait_ns,	"wait_ns",		"VRNGD_WAIT_NS")

/* ROLE_EGD. */
#define CLIENT_COUNTERS(X) \
	/* accepted clients */ \
	X(connections,	"connections",		"VRNGD_CONNECTIONS") \
	/* rejected clients: not allowed, or above the limit */ \
	X(turned_away,	"turned_away",		"VRNGD_TURNED_AWAY")

/* All workers; in JSON they are in the object "polling". */
#define POLL_COUNTERS(X) \
	/* polls for the next request */ \
	X(polls,	"polls",		"VRNGD_POLLS") \
	/* polls that found a request */ \
	X(poll_hits,	"hits",			"VRNGD_POLL_HITS") \
	/* polls that found none */ \
	X(poll_misses,	"misses",		"VRNGD_POLL_MISSES") \
	/* ns spent polling */ \
	X(poll_ns,	"ns",			"VRNGD_POLL_NS")
/* clang-format on */

#define COUNTERS(X) REQUEST_COUNTERS(X) CLIENT_COUNTERS(X) POLL_COUNTERS(X)

#define COUNTER_INDEX(name, json, journal)  COUNTER_##name,
#define COUNTER_MEMBER(name, json, journal) uint64_t name;
enum counter_index {
	COUNTERS(COUNTER_INDEX) COUNTERS_N
};

/* Counters by name, and by number for sums. */
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

/* Why the requests of a connected guest cannot be served; see names_fault. */
enum fault {
	FAULT_NONE,
	FAULT_MEMORY, /* requests are not visible */
	FAULT_RING,   /* the ring is outside of the memory */
	FAULT_IOMMU,  /* likewise, with addresses of a virtual IOMMU */
	FAULTS,
};

/* A client of an EGD worker.  64-bit values are read and written atomically. */
struct counters_client {
	uint64_t since;	   /* ns, time of its connection; 0: a free place */
	uint64_t bytes;	   /* delivered */
	uint64_t requests; /* completed */
	uint64_t waiting;  /* 1: waits for bytes */
	char peer[CLIENT_TEXT_SIZE]; /* "127.0.0.1:4711", "pid 12, uid 0" */
};

/*
 * The page that a worker shares with the parent; ROLE_VHOST has only the part
 * before the clients.  The parent creates it, zeroed but for `began`, and reads
 * it with counters_load().
 */
struct counters_page {
	struct counters counters;
	uint64_t began; /* ns, its creation by the parent */
	uint64_t fault; /* enum fault: why a guest cannot be served */
	uint64_t
	    waiting_since; /* ns, start of the current wait; 0: no request waits */
	uint64_t nclients; /* connected clients */
	uint64_t nplaces;  /* used places at the beginning of `clients` */
	struct counters_client clients[CLIENTS_MAX];
};

/* A source in the page of the entropy process, which has SOURCES_MAX. */
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
		return offsetof(struct counters_page, waiting_since);
	}
}

/* Counters are clamped to this value, so that sums do not overflow. */
#define COUNTER_MAX (UINT64_C(1) << 60)

/* A value in memory that another process writes to. */
static inline uint64_t
counters_load(const uint64_t *value)
{
	return __atomic_load_n(value, __ATOMIC_ACQUIRE);
}

/* Adds each counter of `c` to that of `sum`. */
static inline void
counters_add(struct counters *sum, const struct counters *c)
{
	for (int i = 0; i < COUNTERS_N; i++)
		sum->each[i] += c->each[i];
}

/* The increase of each counter, at least 0. */
static inline struct counters
counters_grown(const struct counters *c, const struct counters *before)
{
	struct counters d = *c;

	for (int i = 0; i < COUNTERS_N; i++)
		d.each[i] -= min64(c->each[i], before->each[i]);
	return d;
}

/*
 * Clamps counters from a worker's page, which can contain any values: each to
 * at least its value in `before`, bytes to at most `granted`, and the others to
 * at most `most`.
 */
static inline struct counters
counters_clamp(const struct counters *c, const struct counters *before,
    uint64_t granted, uint64_t most)
{
	struct counters d = *c;

	for (int i = 0; i < COUNTERS_N; i++)
		d.each[i] = min64(d.each[i], most);
	d.bytes = min64(c->bytes, granted);
	for (int i = 0; i < COUNTERS_N; i++)
		if (d.each[i] < before->each[i])
			d.each[i] = before->each[i];
	return d;
}

#endif
