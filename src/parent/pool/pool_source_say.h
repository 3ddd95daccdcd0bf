/*
 * What is said of a source, in the log and to whoever asks.
 */
#ifndef VRNGD_POOL_SOURCE_SAY_H
#define VRNGD_POOL_SOURCE_SAY_H

#include "parent/host/event.h"
#include "parent/pool/pool_source.h"

/*
 * Logs an event of a source, unless there were too many of late.  `reason` is
 * why, in words, or NULL.
 */
void pool_source_say(struct pool_source *, enum event, const char *reason,
    const char *fmt, ...) LOG_FORMAT(4, 5);

/*
 * Remembers that it failed, and why; whatever follows from that before it is
 * opened again is no failure more.
 */
void pool_source_note(struct pool_source *, const char *why);

/* What test it failed, in words.  Returns `why`. */
const char *pool_source_describe(const struct pool_source *,
    char why[SOURCE_WHY_SIZE]);

/* Its reader sees it in another state than before. */
void pool_source_changed(struct pool_source *);

#endif
