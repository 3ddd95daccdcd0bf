/*
 * Counters: what a worker has done, in one table.  A worker counts in a struct
 * counters; the parent adds them up, reports them in the status (JSON) and in
 * the journal.  A new counter is a row here, the line that counts it, and the
 * manual.
 */
#ifndef VRNGD_COUNTERS_H
#define VRNGD_COUNTERS_H

#include <stdint.h>

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

#define COUNTER_MEMBER(name, json, journal) uint64_t name;
struct counters {
	COUNTERS(COUNTER_MEMBER)
};
#undef COUNTER_MEMBER

/* Adds each counter of `c` to that of `sum`. */
static inline void
counters_add(struct counters *sum, const struct counters *c)
{
#define COUNTER_ADD(name, json, journal) sum->name += c->name;
	COUNTERS(COUNTER_ADD)
#undef COUNTER_ADD
}

/* By how much each counter has grown; 0 if it has not. */
static inline struct counters
counters_grown(const struct counters *c, const struct counters *before)
{
#define COUNTER_GROWN(name, json, journal) \
	.name = c->name > before->name ? c->name - before->name : 0,
	return (struct counters){ COUNTERS(COUNTER_GROWN) };
#undef COUNTER_GROWN
}

#endif
