/*
 * The record of requests in flight of a packed virtqueue (vhost-user, "Inflight
 * I/O tracking"): as inflight.h, which see.  Besides the requests it has a copy
 * of their descriptors, since used ones take their place, and the position of
 * the next used descriptor.
 */
#ifndef VRNGD_INFLIGHT_PACKED_H
#define VRNGD_INFLIGHT_PACKED_H

#include <stdbool.h>
#include <stdint.h>

#include "vhost/device/chain.h"
#include "vhost/device/inflight.h"
#include "vhost/device/virtqueue.h"

/* As inflight_size() and inflight_attach(). */
uint64_t inflight_packed_size(uint16_t num);
int inflight_packed_attach(struct inflight *, void *start, uint64_t size,
    uint16_t num);

/*
 * Finds the requests in flight when the mapped queue starts, and where it goes
 * on: behind them.  An unused record goes on where the queue is.
 */
void inflight_packed_start(struct inflight *, struct queue *);

/*
 * Reads the next request that was in flight at the start.  Returns whether
 * there was one.
 */
bool inflight_packed_resubmit(struct inflight *, struct memory *,
    struct request *);

/* The position behind the requests in flight of a stopped queue. */
uint16_t inflight_packed_behind(const struct inflight *, const struct queue *);

/* The ring was stopped permanently; its base is what counts from now on. */
void inflight_packed_stop(struct inflight *);

/* A request was read from the ring at `position`. */
void inflight_packed_begin(struct inflight *, const struct queue *,
    uint16_t position, struct request *);

/* The next used descriptor is about to be written; it was written. */
void inflight_packed_push(struct inflight *, const struct queue *,
    const struct request *);
void inflight_packed_done(struct inflight *, const struct request *);

#endif
