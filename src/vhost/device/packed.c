/*
 * The device's side of a packed virtqueue.  Used by queue.c, and by resume.c
 * for the position that the worker before has left.
 */
#include <endian.h>
#include <stddef.h>

#include "common/proto.h"
#include "vhost/device/packed.h"

#define F_AVAIL (1 << 7)
#define F_USED	(1 << 15)

/* Of the event suppression structures. */
#define EVENT_ENABLE  0
#define EVENT_DISABLE 1
#define EVENT_DESC    2
#define EVENT_MASK    3

#define DESC_ALIGN  16
#define EVENT_ALIGN 4
#define TABLE_MAX   VHOST_USER_QUEUE_SIZE_MAX /* descriptors */

_Static_assert(sizeof(struct packed_desc) == 16 &&
	offsetof(struct packed_desc, len) == 8,
    "what a used descriptor says is one aligned number");
_Static_assert(VHOST_USER_QUEUE_SIZE_MAX <= PACKED_WRAP,
    "an index fits beside its wrap counter");

/*@
 @ predicate packed_is_valid(struct queue *q) =
 @   0 < q->num <= PACKED_WRAP && q->next % PACKED_WRAP < q->num &&
 @   \valid_read(q->descs + (0 .. q->num - 1));
 @*/

/*@
 @ assigns \nothing;
 @ ensures \result == position % PACKED_WRAP;
 @*/
static uint32_t
index_of(uint16_t position)
{
	return position % PACKED_WRAP;
}

/*@
 @ assigns \nothing;
 @*/
static bool
wrap_of(uint16_t position)
{
	return position >= PACKED_WRAP;
}

/*@
 @ requires \valid_read(q) && q->num <= PACKED_WRAP;
 @ requires position % PACKED_WRAP < q->num && n <= q->num;
 @ assigns \nothing;
 @ ensures \result % PACKED_WRAP < q->num;
 @*/
uint16_t
packed_advance(const struct queue *q, uint16_t position, uint32_t n)
{
	uint32_t i = index_of(position) + n;
	bool wrap = wrap_of(position);

	if (i >= q->num) {
		i -= q->num;
		wrap = !wrap;
	}
	return (uint16_t)(wrap ? i + PACKED_WRAP : i);
}

/* Descriptors from one position to a later one, in two rounds of the ring. */
static uint32_t
distance(const struct queue *q, uint16_t from, uint16_t to)
{
	int64_t n = (int64_t)index_of(to) - index_of(from);

	if (wrap_of(from) != wrap_of(to))
		n += q->num;
	return (uint32_t)(n < 0 ? n + 2 * (int64_t)q->num : n);
}

static uint16_t
flags_at(const struct queue *q, uint16_t position)
{
	return le16toh(__atomic_load_n(&q->descs[index_of(position)].flags,
	    __ATOMIC_ACQUIRE));
}

/* 2.8.1: the driver inverts its wrap counter for the used flag. */
/*@
 @ assigns \nothing;
 @*/
static bool
shows_available(uint16_t flags, uint16_t position)
{
	return (flags & (F_AVAIL | F_USED)) ==
	    (wrap_of(position) ? F_AVAIL : F_USED);
}

static bool
is_available(const struct queue *q, uint16_t position)
{
	return shows_available(flags_at(q, position), position);
}

static void
write_mark(struct queue *q, uint16_t from, uint16_t to)
{
	if (q->mark != NULL)
		__atomic_store_n(q->mark, from | (uint32_t)to << 16,
		    __ATOMIC_RELAXED);
}

void
packed_keep(struct queue *q)
{
	write_mark(q, q->used, q->used);
}

/* The parts of a ring, in our memory. */
struct parts {
	uint8_t *descs, *driver, *device;
};

/* Finds all bytes of each part; NULL: it is not in one region. */
/*@
 @ requires \valid_read(q) && 0 < q->num <= PACKED_WRAP;
 @ requires \valid_read(q->mem) && memory_is_valid(q->mem);
 @ assigns \nothing;
 @ ensures \result.descs != \null ==>
 @   \valid(\result.descs + (0 .. 16 * q->num - 1));
 @ ensures \result.driver != \null ==> \valid(\result.driver + (0 .. 3));
 @ ensures \result.device != \null ==> \valid(\result.device + (0 .. 3));
 @*/
static struct parts
packed_find(const struct queue *q)
{
	struct parts p;

	p.descs = memory_user(q->mem, q->addr.desc,
	    sizeof(struct packed_desc) * q->num);
	p.driver =
	    memory_user(q->mem, q->addr.avail, sizeof(struct packed_event));
	p.device =
	    memory_user(q->mem, q->addr.used, sizeof(struct packed_event));
	return p;
}

int
packed_map(struct queue *q, const char **why)
{
	const struct parts p = packed_find(q);

	if (p.descs == NULL || p.driver == NULL || p.device == NULL) {
		*why = queue_unreachable;
		return -1;
	}
	if ((uintptr_t)p.descs % DESC_ALIGN != 0 ||
	    (uintptr_t)p.driver % EVENT_ALIGN != 0 ||
	    (uintptr_t)p.device % EVENT_ALIGN != 0) {
		*why = "ring is not aligned";
		return -1;
	}
	if (index_of(q->next) >= q->num) {
		*why = "ring does not have the index to start from";
		return -1;
	}
	q->descs = (struct packed_desc *)(void *)p.descs;
	q->driver = (uint32_t *)(void *)p.driver;
	q->device = (uint32_t *)(void *)p.device;
	q->used = q->published = q->next;
	packed_keep(q);
	return 0;
}

int
packed_settle(const struct queue *q, uint32_t mark)
{
	uint16_t from = (uint16_t)mark, to = (uint16_t)(mark >> 16);

	if (index_of(from) >= q->num || index_of(to) >= q->num)
		return -1;
	/*
	 * Also true when the driver has used the descriptor again: its own used
	 * flag is the inverse of the next round's wrap counter.
	 */
	return ((flags_at(q, from) & F_USED) != 0) == wrap_of(from) ? to : from;
}

bool
packed_is_blank(const struct queue *q)
{
	const struct packed_desc *d = q->descs;

	return __atomic_load_n(&d->flags, __ATOMIC_ACQUIRE) == 0 &&
	    __atomic_load_n(&d->addr, __ATOMIC_RELAXED) == 0 &&
	    __atomic_load_n(&d->len, __ATOMIC_RELAXED) == 0 &&
	    __atomic_load_n(q->driver, __ATOMIC_RELAXED) == 0;
}

enum queue_state
packed_peek(const struct queue *q)
{
	return is_available(q, q->next) ? QUEUE_REQUEST : QUEUE_EMPTY;
}

/*@
 @ requires \valid_read(q) && packed_is_valid(q);
 @ requires position % PACKED_WRAP < q->num;
 @ requires \valid(d) && \separated(q, d);
 @ assigns *d;
 @*/
void
packed_read(const struct queue *q, uint16_t position, struct packed_desc *d)
{
	const struct packed_desc *from = &q->descs[index_of(position)];

	d->addr = le64toh(__atomic_load_n(&from->addr, __ATOMIC_RELAXED));
	d->len = le32toh(__atomic_load_n(&from->len, __ATOMIC_RELAXED));
	d->id = le16toh(__atomic_load_n(&from->id, __ATOMIC_RELAXED));
	d->flags = le16toh(__atomic_load_n(&from->flags, __ATOMIC_RELAXED));
}

/*
 * Reads an indirect table (2.8.8): all of it, since its descriptors have no
 * other flag than WRITE.  Returns the fault, or NULL.
 */
/*@
 @ requires \valid(mem) && memory_is_valid(mem);
 @ requires \valid(req) && \separated(mem, req);
 @ requires request_is_valid(mem, req);
 @ requires \valid_read(table) && \separated(mem, req, table);
 @ assigns req->segments[0 .. REQUEST_SEGMENTS - 1], req->nsegments, req->len,
 @   mem->recent, chain_ends[0 .. REQUEST_SEGMENTS];
 @ ensures memory_is_valid(mem) && request_is_valid(mem, req);
 @*/
static const char *
read_table(struct memory *mem, struct request *req,
    const struct packed_desc *table)
{
	uint32_t n = table->len / sizeof(*table);
	uint64_t addr = table->addr;
	struct virtq_desc d;
	const char *fault;

	if ((table->flags & DESC_F_NEXT) != 0)
		return "indirect table with a next descriptor";
	if (n == 0 || table->len % sizeof(*table) != 0)
		return "indirect table with a partial descriptor";
	/*@
	 @ loop invariant memory_is_valid(mem) && request_is_valid(mem, req);
	 @ loop invariant i <= n;
	 @ loop assigns i, d, fault,
	 @   req->segments[0 .. REQUEST_SEGMENTS - 1], req->nsegments, req->len,
	 @   mem->recent, chain_ends[0 .. REQUEST_SEGMENTS];
	 @ loop variant n - i;
	 @*/
	for (uint32_t i = 0; i < n && !chain_is_full(req); i++) {
		if (i == TABLE_MAX)
			return "chain longer than its table";
		if (!chain_entry(mem, addr + i * sizeof(d), &d))
			return "indirect table outside memory";
		/* The flags are where those of another ring have `next`. */
		if ((d.next & DESC_F_WRITE) != 0 &&
		    (fault = chain_add(mem, req, d.addr, d.len)) != NULL)
			return fault;
	}
	return NULL;
}

/*@
 @ requires \valid(mem) && memory_is_valid(mem);
 @ requires \valid(req) && \separated(mem, req, d);
 @ requires request_is_valid(mem, req) && \valid_read(d);
 @ assigns req->segments[0 .. REQUEST_SEGMENTS - 1], req->nsegments, req->len,
 @   mem->recent, chain_ends[0 .. REQUEST_SEGMENTS], req->fault;
 @ ensures memory_is_valid(mem) && request_is_valid(mem, req);
 @*/
void
packed_add(struct memory *mem, struct request *req, const struct packed_desc *d)
{
	const char *fault = NULL;

	if (req->fault != NULL || chain_is_full(req))
		return;
	if ((d->flags & DESC_F_INDIRECT) != 0)
		fault = read_table(mem, req, d);
	else if ((d->flags & DESC_F_WRITE) != 0)
		fault = chain_add(mem, req, d->addr, d->len);
	/*@ ghost added: ; */
	req->fault = fault;
	/*@ assert memory_is_same{added,Here}(mem); */
	/*@ assert segments_are_same{added,Here}(req, req->nsegments); */
	/*@ assert segments_are_valid(mem, req, req->nsegments); */
}

/*
 * Follows a chain of at most `left` descriptors from `at`, to its end: only
 * there does the next one begin.  Returns the position behind it.
 */
/*@
 @ requires \valid_read(q) && packed_is_valid(q);
 @ requires \valid(q->mem) && memory_is_valid(q->mem);
 @ requires \valid(req) && \separated(q, q->mem, req);
 @ requires request_is_valid(q->mem, req);
 @ requires at % PACKED_WRAP < q->num && 0 < left <= q->num;
 @ requires req->count == 0;
 @ assigns req->segments[0 .. REQUEST_SEGMENTS - 1], req->nsegments, req->len,
 @   req->head, req->count, req->fault, q->mem->recent,
 @   chain_ends[0 .. REQUEST_SEGMENTS];
 @ ensures memory_is_valid(q->mem);
 @ ensures request_is_valid(q->mem, req);
 @ ensures \result % PACKED_WRAP < q->num && req->count <= left;
 @*/
static uint16_t
walk_chain(const struct queue *q, struct request *req, uint16_t at,
    uint32_t left)
{
	struct packed_desc d;

	/*@
	 @ loop invariant memory_is_valid(q->mem);
	 @ loop invariant request_is_valid(q->mem, req);
	 @ loop invariant at % PACKED_WRAP < q->num && req->count < left;
	 @ loop assigns d, at, req->segments[0 .. REQUEST_SEGMENTS - 1],
	 @   req->nsegments, req->len, req->head, req->count, req->fault,
	 @   q->mem->recent, chain_ends[0 .. REQUEST_SEGMENTS];
	 @ loop variant left - req->count;
	 @*/
	do {
		packed_read(q, at, &d);
		/* The first one was available when its flags were read. */
		if (req->count > 0 && !shows_available(d.flags, at)) {
			/*@ ghost before: ; */
			req->fault = "next descriptor is not available";
			/*@ assert memory_is_same{before,Here}(q->mem); */
			/*@ assert segments_are_same{before,Here}(req,
			 @   req->nsegments); */
			/*@ assert segments_are_valid(q->mem, req,
			 @   req->nsegments); */
			/*@ assert memory_is_valid(q->mem); */
			/*@ assert request_is_valid(q->mem, req); */
			return at;
		}
		at = packed_advance(q, at, 1);
		packed_add(q->mem, req, &d);
		/*@ ghost added: ; */
		req->head = d.id;
		req->count++;
		/*@ assert memory_is_same{added,Here}(q->mem); */
		/*@ assert segments_are_same{added,Here}(req, req->nsegments); */
		/*@ assert segments_are_valid(q->mem, req, req->nsegments); */
		/*@ assert request_is_valid(q->mem, req); */
		/*@ assert memory_is_valid(q->mem); */
	} while ((d.flags & DESC_F_NEXT) != 0 && req->count < left);
	/*@ assert memory_is_valid(q->mem); */
	/*@ ghost walked: ; */
	if (req->fault == NULL && (d.flags & DESC_F_NEXT) != 0)
		req->fault = "chain longer than its ring";
	/*@ assert memory_is_same{walked,Here}(q->mem); */
	/*@ assert segments_are_same{walked,Here}(req, req->nsegments); */
	/*@ assert segments_are_valid(q->mem, req, req->nsegments); */
	/*@ assert memory_is_valid(q->mem); */
	/*@ assert request_is_valid(q->mem, req); */
	return at;
}

/*
 * The driver cannot have made more descriptors available than there are: a
 * chain ends where those of the requests before begin.
 */
enum queue_state
packed_pop(struct queue *q, struct request *req)
{
	uint32_t left = q->num - distance(q, q->used, q->next);

	if (packed_peek(q) != QUEUE_REQUEST)
		return QUEUE_EMPTY;
	if (left == 0 || left > q->num)
		return QUEUE_BROKEN;
	chain_begin(req);
	q->next = walk_chain(q, req, q->next, left);
	if (req->fault == NULL && req->len == 0)
		req->fault = chain_empty;
	return QUEUE_REQUEST;
}

void
packed_shrink(struct queue *q)
{
	uint16_t p = q->next;

	for (uint32_t n = distance(q, q->used, p);
	     n < q->num && is_available(q, p); n++)
		p = packed_advance(q, p, 1);
	q->shrunk = p;
}

bool
packed_is_older(const struct queue *q, uint16_t next)
{
	uint32_t ahead = distance(q, next, q->shrunk);

	return ahead > 0 && ahead <= q->num;
}

/*
 * Logs a write.  The address for logging is not that of the descriptors with
 * every frontend: so it is looked up.
 */
static void
dirty(struct queue *q, uint64_t user_addr, uint64_t len)
{
	uint64_t guest_addr;

	if ((q->addr.flags & VHOST_VRING_F_LOG) != 0 &&
	    memory_user_to_guest(q->mem, user_addr, &guest_addr))
		memory_dirty(q->mem, guest_addr, len);
}

void
packed_dirty(struct queue *q)
{
	dirty(q, q->addr.desc, sizeof(struct packed_desc) * q->num);
	dirty(q, q->addr.used, sizeof(struct packed_event));
}

void
packed_push(struct queue *q, const struct request *req, uint32_t len)
{
	uint32_t i = index_of(q->used);
	uint64_t *out = (uint64_t *)(void *)&q->descs[i].len;
	union {
		struct {
			uint32_t len;
			uint16_t id;
			uint16_t flags;
		} used;
		uint64_t u64;
	} v = {
		.used.len = htole32(len),
		.used.id = htole16((uint16_t)req->head),
		.used.flags =
		    htole16((wrap_of(q->used) ? F_AVAIL | F_USED : 0) |
			(len > 0 ? DESC_F_WRITE : 0)),
	};
	uint16_t to = packed_advance(q, q->used, req->count);

	write_mark(q, q->used, to);
	__atomic_store_n(out, v.u64, __ATOMIC_RELEASE);
	dirty(q, q->addr.desc + i * sizeof(struct packed_desc),
	    sizeof(struct packed_desc));
	q->used = to;
}

bool
packed_publish(struct queue *q)
{
	uint16_t old = q->published, flags;
	bool called = q->called;
	uint32_t event;

	q->published = q->used;
	q->called = true;
	/* The descriptors must be visible before the driver's flags are read.
	 */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	event = le32toh(__atomic_load_n(q->driver, __ATOMIC_RELAXED));
	flags = event >> 16 & EVENT_MASK;
	if (!q->event_idx || flags != EVENT_DESC)
		return flags != EVENT_DISABLE;
	return !called ||
	    distance(q, old, (uint16_t)event) < distance(q, old, q->used);
}

/* Says which kicks are wanted.  Returns whether that has changed. */
static bool
set_event(struct queue *q, uint16_t position, uint16_t flags)
{
	uint32_t v = htole32(position | (uint32_t)flags << 16);

	if (__atomic_load_n(q->device, __ATOMIC_RELAXED) == v)
		return false;
	__atomic_store_n(q->device, v, __ATOMIC_RELAXED);
	dirty(q, q->addr.used, sizeof(struct packed_event));
	return true;
}

void
packed_arm(struct queue *q)
{
	bool changed;

	if (q->watched)
		return;
	changed = q->event_idx ? set_event(q, q->next, EVENT_DESC)
			       : set_event(q, 0, EVENT_ENABLE);
	/* It must be visible before the ring is read again. */
	if (changed)
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

void
packed_watch(struct queue *q, bool watched)
{
	q->watched = watched;
	if (watched)
		set_event(q, 0, EVENT_DISABLE);
	else
		packed_arm(q);
}
