/*
 * The in-flight record of a packed ring.  Used by rng.c for each request, and
 * by inflight.c's users where the queue is packed.
 */
#include <endian.h>
#include <stddef.h>

#include "common/min.h"
#include "vhost/device/inflight_packed.h"
#include "vhost/device/packed.h"

/* "DescStatePacked" and "QueueRegionPacked" */
struct inflight_packed_desc {
	uint8_t inflight; /* of the first one of a request, as are */
	uint8_t padding;
	uint16_t next;	  /* of the request, or free */
	uint16_t last;	  /* this, */
	uint16_t num;	  /* this, */
	uint64_t counter; /* and this */
	uint16_t id;
	uint16_t flags;
	uint32_t len;
	uint64_t addr;
};

struct inflight_packed_region {
	uint64_t features;
	uint16_t version;
	uint16_t desc_num;
	uint16_t free_head;
	uint16_t old_free_head;
	uint16_t used_idx;
	uint16_t old_used_idx;
	uint8_t used_wrap_counter;
	uint8_t old_used_wrap_counter;
	uint8_t padding[7];
	struct inflight_packed_desc desc[];
};

#define REGION_VERSION 1
#define REGION_ALIGN   64

static uint64_t
bytes(uint16_t num)
{
	return sizeof(struct inflight_packed_region) +
	    sizeof(struct inflight_packed_desc) * num;
}

uint64_t
inflight_packed_size(uint16_t num)
{
	return (bytes(num) + REGION_ALIGN - 1) / REGION_ALIGN * REGION_ALIGN;
}

int
inflight_packed_attach(struct inflight *inf, void *start, uint64_t size,
    uint16_t num)
{
	if (num == 0 || num > VHOST_USER_QUEUE_SIZE_MAX || size < bytes(num) ||
	    (uintptr_t)start % _Alignof(struct inflight_packed_region) != 0)
		return -1;
	*inf = (struct inflight){ .packed = start, .num = num };
	return 0;
}

/* An index that the frontend may change at any time: it is read once. */
static uint16_t
read_once(const uint16_t *index)
{
	return __atomic_load_n(index, __ATOMIC_RELAXED);
}

static uint16_t
position_of(uint16_t idx, uint8_t wrap)
{
	return (uint16_t)((idx & (PACKED_WRAP - 1)) |
	    (wrap != 0 ? PACKED_WRAP : 0));
}

static void
set_used(struct inflight_packed_region *r, uint16_t position)
{
	r->used_idx = position & (PACKED_WRAP - 1);
	r->used_wrap_counter = (position & PACKED_WRAP) != 0;
}

static void
commit(struct inflight_packed_region *r)
{
	r->old_free_head = r->free_head;
	r->old_used_idx = r->used_idx;
	r->old_used_wrap_counter = r->used_wrap_counter;
}

/* Initializes memory that was unused, or used for another queue. */
static void
format(struct inflight *inf, uint16_t position)
{
	struct inflight_packed_region *r = inf->packed;

	for (uint16_t i = 0; i < inf->num; i++)
		r->desc[i] = (struct inflight_packed_desc){
			.next = (uint16_t)(i + 1),
		};
	r->free_head = 0;
	set_used(r, position);
	commit(r);
	r->desc_num = inf->num;
	r->version = REGION_VERSION;
}

/*
 * Takes back what was begun for the last used descriptor, unless that was
 * written.  Returns the position of the next one, or -1 if there is none in
 * this ring.
 */
static int
finish(struct inflight *inf, const struct queue *q)
{
	struct inflight_packed_region *r = inf->packed;
	uint16_t head, from, to;
	int position;

	from = position_of(r->old_used_idx, r->old_used_wrap_counter);
	to = position_of(r->used_idx, r->used_wrap_counter);
	position = packed_settle(q, from | (uint32_t)to << 16);
	if (position == -1)
		return -1;
	/* Also of a request that was not read to its end. */
	if (position == from)
		r->free_head = r->old_free_head;
	set_used(r, (uint16_t)position);
	commit(r);
	head = read_once(&r->free_head);
	for (uint16_t i = 0; i < inf->num && head < inf->num; i++) {
		r->desc[head].inflight = 0;
		head = read_once(&r->desc[head].next);
	}
	return position;
}

/* The descriptors of all requests in flight. */
static uint32_t
count(const struct inflight *inf)
{
	const struct inflight_packed_region *r = inf->packed;
	uint32_t n = 0;

	for (uint16_t i = 0; i < inf->num; i++)
		if (r->desc[i].inflight != 0)
			n += r->desc[i].num;
	return n;
}

uint16_t
inflight_packed_behind(const struct inflight *inf, const struct queue *q)
{
	return packed_advance(q, q->next, min32(count(inf), q->num));
}

/* Prepares to read the requests in flight again. */
static void
begin_again(struct inflight *inf)
{
	const struct inflight_packed_region *r = inf->packed;
	uint64_t counter;

	inf->counter = inf->from_counter = 0;
	inf->resubmit = inf->from_head = 0;
	inf->started = true;
	for (uint16_t i = 0; i < inf->num; i++) {
		if (r->desc[i].inflight == 0)
			continue;
		inf->resubmit++;
		counter = r->desc[i].counter;
		if (counter >= inf->counter)
			inf->counter = counter + 1;
	}
}

void
inflight_packed_start(struct inflight *inf, struct queue *q)
{
	struct inflight_packed_region *r = inf->packed;
	int position = -1;
	uint32_t n = 0;

	if (inf->num == q->num && r->version == REGION_VERSION &&
	    r->desc_num == inf->num)
		position = finish(inf, q);
	if (position != -1)
		n = count(inf);
	if (position == -1 || n > q->num) {
		format(inf, q->next);
		position = q->next;
		n = 0;
	}
	begin_again(inf);
	q->used = q->published = (uint16_t)position;
	q->next = packed_advance(q, q->used, n);
	packed_keep(q);
}

/* The oldest request that was not read again, or -1. */
static int
find(struct inflight *inf)
{
	const struct inflight_packed_desc *desc = inf->packed->desc;
	uint64_t counter, least = UINT64_MAX;
	int head = -1;

	for (uint16_t i = 0; i < inf->num; i++) {
		counter = desc[i].counter;
		if (desc[i].inflight != 0 && counter < least &&
		    (counter > inf->from_counter ||
			(counter == inf->from_counter &&
			    i >= inf->from_head))) {
			least = counter;
			head = i;
		}
	}
	inf->resubmit = head == -1 ? 0 : inf->resubmit - 1;
	inf->from_counter = least;
	inf->from_head = (uint16_t)(head + 1);
	return head;
}

bool
inflight_packed_resubmit(struct inflight *inf, struct memory *mem,
    struct request *req)
{
	const struct inflight_packed_desc *from;
	struct packed_desc d;
	uint32_t i, num;
	int head;

	if (inf->resubmit == 0 || (head = find(inf)) == -1)
		return false;
	i = (uint32_t)head;
	num = min32(read_once(&inf->packed->desc[i].num), inf->num);
	chain_begin(req);
	req->entry = (uint16_t)head;
	req->count = num;
	for (uint32_t n = 0; n < num && i < inf->num; n++) {
		from = &inf->packed->desc[i];
		d = (struct packed_desc){
			.addr = __atomic_load_n(&from->addr, __ATOMIC_RELAXED),
			.len = __atomic_load_n(&from->len, __ATOMIC_RELAXED),
			.id = __atomic_load_n(&from->id, __ATOMIC_RELAXED),
			.flags =
			    __atomic_load_n(&from->flags, __ATOMIC_RELAXED),
		};
		packed_add(mem, req, &d);
		req->head = d.id;
		i = read_once(&from->next);
	}
	if (req->fault == NULL && req->len == 0)
		req->fault = chain_empty;
	return true;
}

void
inflight_packed_stop(struct inflight *inf)
{
	inf->packed->version = 0;
	for (uint16_t i = 0; i < inf->num; i++)
		inf->packed->desc[i].inflight = 0;
}

void
inflight_packed_begin(struct inflight *inf, const struct queue *q,
    uint16_t position, struct request *req)
{
	struct inflight_packed_region *r = inf->packed;
	uint16_t head = read_once(&r->old_free_head), at = head;
	struct inflight_packed_desc *to;
	struct packed_desc d;

	req->entry = head;
	if (head >= inf->num)
		return;
	r->desc[head].num = 0;
	r->desc[head].counter = inf->counter++;
	r->desc[head].inflight = 1;
	for (uint32_t i = 0; i < req->count && at < inf->num; i++) {
		packed_read(q, packed_advance(q, position, i), &d);
		to = &r->desc[at];
		to->addr = d.addr;
		to->len = d.len;
		to->id = d.id;
		to->flags = d.flags;
		r->desc[head].last = at;
		r->desc[head].num++;
		r->free_head = at = read_once(&to->next);
	}
	r->old_free_head = r->free_head;
}

void
inflight_packed_push(struct inflight *inf, const struct queue *q,
    const struct request *req)
{
	struct inflight_packed_region *r = inf->packed;
	uint16_t last;

	set_used(r, packed_advance(q, q->used, req->count));
	if (req->entry >= inf->num ||
	    (last = read_once(&r->desc[req->entry].last)) >= inf->num)
		return;
	r->desc[last].next = r->free_head;
	r->free_head = req->entry;
}

void
inflight_packed_done(struct inflight *inf, const struct request *req)
{
	if (req->entry < inf->num)
		inf->packed->desc[req->entry].inflight = 0;
	commit(inf->packed);
}
