/*
 * The counters of the workers of a guest or service: those in the page of the
 * running worker, plus the sums of ended workers.  They are clamped
 * (counters_clamp()), used for reports only, and do not influence decisions.
 */
#ifndef VRNGD_COUNTED_H
#define VRNGD_COUNTED_H

#include "common/counters.h"
#include "common/log.h"
#include "parent/host/page.h"
#include "parent/pool/consumer.h"

struct counted {
	const struct consumer *consumer; /* of the workers */
	enum proto_role role;
	struct page page;
	uint64_t began;		  /* ns, creation of the page, or an estimate */
	uint64_t since;		  /* ns, time from which all counters count */
	uint64_t granted;	  /* bytes to the consumer at that time */
	struct counters counters; /* of the page, as last read */
	struct counters past;	  /* of closed pages */
	enum fault fault;	  /* of the last closed page */
};

/* The values of statistics, current or last reported. */
struct totals {
	struct counters counters;
	uint64_t granted;   /* bytes */
	uint64_t throttled; /* ns */
};

/* Initializes it without a page.  The arguments must outlive it. */
void counted_init(struct counted *, enum proto_role, const struct consumer *);

/*
 * Creates a page, or (resume) adopts the page of an earlier daemon with its
 * counters; -1 or an invalid fd: creates one.  Returns 0, or -1 with errno.
 */
int counted_begin(struct counted *);
int counted_resume(struct counted *, int fd);

/* Reads the page, if any; the result is valid until the next call. */
const struct counters *counted_read(struct counted *);

/* The sum of that and all pages before. */
struct counters counted_total(struct counted *);

/* Reads the page a last time, and closes it. */
void counted_end(struct counted *);

/* Why the guest of this session, or of the last one, cannot be served. */
enum fault counted_fault(const struct counted *);

/*
 * Logs the counters of the page since that time (ns), in a line with that
 * level, subject and id that begins with `what`.
 */
void counted_log(struct counted *, const struct log_line *, const char *what,
    uint64_t since);

/* The number of clients connected to the worker. */
uint32_t counted_nclients(const struct counted *);

/*
 * The first connected client in the places from `*place` on, or NULL.  Sets
 * `*place` to the next place.
 */
bool counted_client(const struct counted *, uint32_t *place,
    struct counters_client *);

#endif
