/*
 * What the workers of a guest or a service have done, as the parent reports
 * it: read in the page of the worker that runs, added up over those that have
 * ended.  What is read is clamped (counters_clamp()), and nothing is decided by
 * it.
 */
#ifndef VRNGD_COUNTED_H
#define VRNGD_COUNTED_H

#include "common/counters.h"
#include "common/log.h"
#include "parent/host/page.h"
#include "parent/pool/consumer.h"

struct counted {
	const struct consumer *consumer; /* that the workers are */
	enum proto_role role;
	struct page page;
	uint64_t began;		  /* ns, when it was made, or seems to be */
	uint64_t granted;	  /* bytes to the consumer, by then */
	struct counters counters; /* of the page, when it was read last */
	struct counters past;	  /* of those that were closed */
};

/* What statistics report, now or as of the last report. */
struct totals {
	struct counters counters;
	uint64_t granted;   /* bytes */
	uint64_t throttled; /* ns */
};

/* No page.  What is passed must outlive it. */
void counted_init(struct counted *, enum proto_role, const struct consumer *);

/*
 * Begins with a new page, or (resume) with one of an earlier daemon, whose
 * counters are believed; -1 or another fd: with a new one.  Returns 0, or -1
 * with errno.
 */
int counted_begin(struct counted *);
int counted_resume(struct counted *, int fd);

/* Reads the page, if there is one; the result is valid until the next call. */
const struct counters *counted_read(struct counted *);

/* That, and of all pages before. */
struct counters counted_total(struct counted *);

/* Reads the page for the last time, and closes it. */
void counted_end(struct counted *);

/*
 * Logs the counters of the page, as a line of that level, subject and id, which
 * begins with `what`; they were counted since then (ns).
 */
void counted_log(struct counted *, const struct log_line *, const char *what,
    uint64_t since);

/* How many clients are connected to the worker. */
uint32_t counted_nclients(const struct counted *);

/*
 * The first client that is connected, in the places from `*place` on; NULL
 * there is none.  `*place` is the next then.
 */
bool counted_client(const struct counted *, uint32_t *place,
    struct counters_client *);

#endif
