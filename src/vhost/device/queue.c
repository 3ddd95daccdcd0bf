/*
 * The device's side of a virtqueue: of a split one, as packed.c has the other
 * form.  Used by rng.c and ring.c.
 */
#include <endian.h>
#include <stddef.h>

#include "vhost/device/packed.h"
#include "vhost/device/queue.h"

/* Of the flags of virtq_avail and virtq_used. */
#define AVAIL_F_NO_INTERRUPT 1
#define USED_F_NO_NOTIFY     1

const char queue_unreachable[] = "ring is not in the guest's memory";

#define DESC_ALIGN  16
#define AVAIL_ALIGN 2
#define USED_ALIGN  4

void
queue_init(struct queue *q, struct memory *mem)
{
	*q = (struct queue){ .mem = mem };
}

void
queue_set_packed(struct queue *q, bool packed)
{
	queue_unmap(q);
	q->packed = packed;
	q->next = packed ? PACKED_START : 0;
}

int
queue_set_size(struct queue *q, uint32_t num)
{
	if (!queue_size_is_valid(q, num))
		return -1;
	queue_unmap(q);
	q->num = num;
	return 0;
}

/*
 * Of a packed queue: the avail position and, above it, the used one, where it
 * goes on.  The requests between them, which another backend has not completed,
 * are still in the ring.  A frontend that knows 16 bits sends the first.
 */
int
queue_set_base(struct queue *q, uint32_t base)
{
	if (q->packed && base > UINT16_MAX)
		base >>= 16;
	if (base > UINT16_MAX)
		return -1;
	q->next = (uint16_t)base;
	return 0;
}

uint32_t
queue_base(const struct queue *q, uint16_t avail)
{
	return q->packed ? avail | (uint32_t)q->next << 16 : avail;
}

bool
queue_size_is_valid(const struct queue *q, uint32_t num)
{
	return num != 0 && num <= VHOST_USER_QUEUE_SIZE_MAX &&
	    (q->packed || (num & (num - 1)) == 0);
}

/* Bytes of the rings, with the event index after each. */
/*@
 @ requires num <= VHOST_USER_QUEUE_SIZE_MAX;
 @ assigns \nothing;
 @ ensures \result == 4 + 2 * (num + 1);
 @*/
static uint64_t
avail_size(uint32_t num)
{
	return sizeof(struct virtq_avail) + sizeof(uint16_t) * (num + 1);
}

/*@
 @ requires num <= VHOST_USER_QUEUE_SIZE_MAX;
 @ assigns \nothing;
 @ ensures \result == 6 + 8 * num;
 @*/
static uint64_t
used_size(uint32_t num)
{
	return sizeof(struct virtq_used) +
	    sizeof(struct virtq_used_elem) * num + sizeof(uint16_t);
}

/* The parts of a ring, in our memory. */
struct parts {
	uint8_t *desc, *avail, *used;
};

/* Finds all bytes of each part; NULL: it is not in one region. */
/*@
 @ requires \valid_read(q) && 0 < q->num <= VHOST_USER_QUEUE_SIZE_MAX;
 @ requires \valid_read(q->mem) && memory_is_valid(q->mem);
 @ assigns \nothing;
 @ ensures \result.desc != \null ==>
 @   \valid(\result.desc + (0 .. 16 * q->num - 1));
 @ ensures \result.avail != \null ==>
 @   \valid(\result.avail + (0 .. 4 + 2 * (q->num + 1) - 1));
 @ ensures \result.used != \null ==>
 @   \valid(\result.used + (0 .. 6 + 8 * q->num - 1));
 @*/
static struct parts
split_find(const struct queue *q)
{
	struct parts p;

	p.desc = memory_user(q->mem, q->addr.desc,
	    sizeof(struct virtq_desc) * q->num);
	p.avail = memory_user(q->mem, q->addr.avail, avail_size(q->num));
	p.used = memory_user(q->mem, q->addr.used, used_size(q->num));
	return p;
}

static int
split_map(struct queue *q, const char **why)
{
	const struct parts p = split_find(q);

	if (p.desc == NULL || p.avail == NULL || p.used == NULL) {
		*why = queue_unreachable;
		return -1;
	}
	if ((uintptr_t)p.desc % DESC_ALIGN != 0 ||
	    (uintptr_t)p.avail % AVAIL_ALIGN != 0 ||
	    (uintptr_t)p.used % USED_ALIGN != 0) {
		*why = "ring is not aligned";
		return -1;
	}
	q->desc = (struct virtq_desc *)(void *)p.desc;
	q->avail = (struct virtq_avail *)(void *)p.avail;
	q->ring = (struct virtq_used *)(void *)p.used;
	q->used = q->published =
	    le16toh(__atomic_load_n(&q->ring->idx, __ATOMIC_ACQUIRE));
	return 0;
}

int
queue_map(struct queue *q, const char **why)
{
	queue_unmap(q);
	if ((q->packed ? packed_map(q, why) : split_map(q, why)) == -1)
		return -1;
	q->called = q->watched = false;
	q->mapped = q->mem->removals + 1;
	return 0;
}

void
queue_unmap(struct queue *q)
{
	q->mapped = 0;
	q->desc = NULL;
	q->avail = NULL;
	q->ring = NULL;
	q->descs = NULL;
	q->driver = q->device = NULL;
}

bool
queue_is_blank(const struct queue *q)
{
	const struct virtq_desc *desc = q->desc;

	if (q->packed)
		return packed_is_blank(q);
	return __atomic_load_n(&q->avail->idx, __ATOMIC_ACQUIRE) == 0 &&
	    __atomic_load_n(&q->avail->flags, __ATOMIC_RELAXED) == 0 &&
	    __atomic_load_n(&q->ring->idx, __ATOMIC_RELAXED) == 0 &&
	    __atomic_load_n(&desc->addr, __ATOMIC_RELAXED) == 0 &&
	    __atomic_load_n(&desc->len, __ATOMIC_RELAXED) == 0;
}

/* The entry of a split ring that an index is of. */
/*@
 @ requires \valid_read(q) && q->num > 0;
 @ assigns \nothing;
 @ ensures \result < q->num;
 @*/
static uint32_t
entry_of(const struct queue *q, uint16_t idx)
{
	return idx % q->num;
}

/* Checks for a request in a mapped split queue. */
/*@
 @ requires \valid_read(q) && queue_is_split(q);
 @ assigns queue_seen;
 @ ensures \result == QUEUE_EMPTY <==> queue_ahead(q->next) == 0;
 @ ensures \result == QUEUE_REQUEST <==>
 @   0 < queue_ahead(q->next) <= q->num;
 @*/
static enum queue_state
split_peek(const struct queue *q)
{
	uint16_t idx, waiting;

	idx = le16toh(__atomic_load_n(&q->avail->idx, __ATOMIC_ACQUIRE));
	/*@ ghost queue_seen = idx; */
	waiting = (uint16_t)(idx - q->next);
	if (waiting == 0)
		return QUEUE_EMPTY;
	return waiting > q->num ? QUEUE_BROKEN : QUEUE_REQUEST;
}

enum queue_state
queue_peek(const struct queue *q)
{
	if (!queue_is_mapped(q))
		return QUEUE_EMPTY;
	return q->packed ? packed_peek(q) : split_peek(q);
}

enum queue_state
queue_pop(struct queue *q, struct request *req)
{
	enum queue_state state;
	uint32_t i;

	if (!queue_is_mapped(q))
		return QUEUE_EMPTY;
	if (q->packed)
		return packed_pop(q, req);
	if ((state = split_peek(q)) != QUEUE_REQUEST)
		return state;
	i = entry_of(q, q->next++);
	/*@ ghost popped: ; */
	chain_read(q->mem, q->desc, q->num,
	    le16toh(__atomic_load_n(&q->avail->ring[i], __ATOMIC_RELAXED)),
	    req);
	/*@ assert q->packed == \at(q->packed, popped); */
	/*@ assert q->num == \at(q->num, popped); */
	/*@ assert q->mem == \at(q->mem, popped); */
	/*@ assert q->desc == \at(q->desc, popped); */
	/*@ assert q->avail == \at(q->avail, popped); */
	/*@ assert q->ring == \at(q->ring, popped); */
	/*@ assert queue_is_same{popped,Here}(q); */
	/*@ assert q->next == \at(q->next, popped); */
	return QUEUE_REQUEST;
}

uint16_t
queue_before(const struct queue *q, uint32_t n)
{
	if (q->packed)
		return q->descs == NULL ? q->next : q->used;
	return (uint16_t)(q->next - n);
}

void
queue_read(struct queue *q, uint16_t head, struct request *req)
{
	chain_read(q->mem, q->desc, queue_is_mapped(q) ? q->num : 0, head, req);
}

void
queue_shrink(struct queue *q)
{
	if (q->packed)
		packed_shrink(q);
	else
		q->shrunk =
		    le16toh(__atomic_load_n(&q->avail->idx, __ATOMIC_ACQUIRE));
}

bool
queue_is_older(const struct queue *q, uint16_t next)
{
	uint16_t ahead = (uint16_t)(q->shrunk - next);

	if (q->packed)
		return packed_is_older(q, next);
	return ahead > 0 && ahead <= q->num;
}

/* Logs a write to the used ring, if VRING_F_LOG is set. */
/*@
 @ requires \valid_read(q) && \valid_read(q->mem);
 @ requires mapping_is_valid(&q->mem->log);
 @ assigns q->mem->log.start[0 .. q->mem->log.size - 1];
 @*/
static void
dirty_used(struct queue *q, uint64_t offset, uint64_t len)
{
	if ((q->addr.flags & VHOST_VRING_F_LOG) != 0)
		memory_dirty(q->mem, q->addr.log + offset, len);
}

void
queue_dirty(struct queue *q)
{
	if (q->packed)
		packed_dirty(q);
	else
		dirty_used(q, 0, used_size(q->num));
}

void
queue_push(struct queue *q, const struct request *req, uint32_t len)
{
	uint32_t i;

	if (!queue_is_mapped(q))
		return;
	if (q->packed) {
		packed_push(q, req, len);
		return;
	}
	i = entry_of(q, q->used);
	__atomic_store_n(&q->ring->ring[i].id, htole32(req->head),
	    __ATOMIC_RELAXED);
	__atomic_store_n(&q->ring->ring[i].len, htole32(len), __ATOMIC_RELAXED);
	dirty_used(q,
	    offsetof(struct virtq_used, ring) +
		i * sizeof(struct virtq_used_elem),
	    sizeof(struct virtq_used_elem));
	q->used++;
	/*@ assert queue_is_same{Pre,Here}(q); */
	/*@ assert memory_is_same{Pre,Here}(q->mem); */
	/*@ assert memory_is_valid(q->mem); */
}

bool
queue_publish(struct queue *q)
{
	uint16_t old = q->published, event;
	bool called = q->called;

	if (!queue_is_mapped(q))
		return false;
	if (q->packed)
		return packed_publish(q);
	__atomic_store_n(&q->ring->idx, htole16(q->used), __ATOMIC_RELEASE);
	dirty_used(q, offsetof(struct virtq_used, idx), sizeof(q->ring->idx));
	q->published = q->used;
	q->called = true;
	/* The index must be visible before the driver's flags are read. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!q->event_idx)
		return (le16toh(__atomic_load_n(&q->avail->flags,
			    __ATOMIC_RELAXED)) &
			   AVAIL_F_NO_INTERRUPT) == 0;
	event =
	    le16toh(__atomic_load_n(&q->avail->ring[q->num], __ATOMIC_RELAXED));
	return !called ||
	    (uint16_t)(q->used - event - 1) < (uint16_t)(q->used - old);
}

/* Sets the avail index after which the driver kicks (2.7.10). */
static void
set_event(struct queue *q, uint16_t idx)
{
	uint16_t *avail_event = (uint16_t *)(void *)&q->ring->ring[q->num];

	__atomic_store_n(avail_event, htole16(idx), __ATOMIC_RELAXED);
	dirty_used(q,
	    offsetof(struct virtq_used, ring) +
		q->num * sizeof(struct virtq_used_elem),
	    sizeof(*avail_event));
}

/* The same without EVENT_IDX.  Returns whether the flag has changed. */
static bool
set_flags(struct queue *q, uint16_t flags)
{
	if (le16toh(__atomic_load_n(&q->ring->flags, __ATOMIC_RELAXED)) ==
	    flags)
		return false;
	__atomic_store_n(&q->ring->flags, htole16(flags), __ATOMIC_RELAXED);
	dirty_used(q, offsetof(struct virtq_used, flags), sizeof(flags));
	return true;
}

void
queue_arm(struct queue *q)
{
	if (q->packed) {
		packed_arm(q);
		return;
	}
	if (q->watched)
		return;
	if (q->event_idx)
		set_event(q, q->next);
	else if (!set_flags(q, 0))
		return;
	/* The flag must be visible before the index is read again. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

void
queue_watch(struct queue *q, bool watched)
{
	if (q->packed) {
		packed_watch(q, watched);
		return;
	}
	q->watched = watched;
	if (!watched)
		queue_arm(q);
	else if (q->event_idx)
		/* An index that the driver cannot reach soon. */
		set_event(q, (uint16_t)(q->next - q->num - 1));
	else
		set_flags(q, USED_F_NO_NOTIFY);
}
