/*
 * A packed virtqueue, the device's side (virtio 1.2, 2.8), behind the functions
 * of queue.h.
 *
 * A place in the ring is a position: the index of a descriptor and, in bit 15,
 * the wrap counter there, as vhost-user and the driver's event index have it.
 *
 * Requests are completed in order, each by one store: its used descriptor takes
 * the place of its first one.  The ring itself does not say where the next
 * request is, so that it stands in a mark, for the next worker: the position of
 * the last used descriptor and, in the upper half, that of the next one.  It is
 * written before that store; whether the store was done is in the ring.
 */
#ifndef VRNGD_PACKED_H
#define VRNGD_PACKED_H

#include <stdbool.h>
#include <stdint.h>

#include "vhost/device/chain.h"
#include "vhost/device/virtqueue.h"

#define PACKED_WRAP 0x8000 /* of a position */

/* Where a ring starts (2.8.1). */
#define PACKED_START PACKED_WRAP

/* Little-endian in the guest's memory (2.8.13). */
struct packed_desc {
	uint64_t addr;
	uint32_t len;
	uint16_t id;
	uint16_t flags;
};

/* Likewise (2.8.14); read and written as one. */
struct packed_event {
	uint16_t position;
	uint16_t flags;
};

/* The position `n` descriptors, at most the ring's size, after another one. */
uint16_t packed_advance(const struct queue *, uint16_t position, uint32_t n);

/* The position of the next used descriptor, by the mark; -1: it is invalid. */
int packed_settle(const struct queue *, uint32_t mark);

/* Keeps the position of the next used descriptor in the mark. */
void packed_keep(struct queue *);

/* A snapshot of a descriptor, in host byte order. */
void packed_read(const struct queue *, uint16_t position, struct packed_desc *);

/* Adds a descriptor to a request, and the table that it may point to. */
void packed_add(struct memory *, struct request *, const struct packed_desc *);

/* As those of queue.h, which see. */
int packed_map(struct queue *, const char **why);
bool packed_is_blank(const struct queue *);
enum queue_state packed_peek(const struct queue *);
enum queue_state packed_pop(struct queue *, struct request *);
void packed_shrink(struct queue *);
bool packed_is_older(const struct queue *, uint16_t next);
void packed_push(struct queue *, const struct request *, uint32_t len);
void packed_dirty(struct queue *);
bool packed_publish(struct queue *);
void packed_arm(struct queue *);
void packed_watch(struct queue *, bool watched);

#endif
