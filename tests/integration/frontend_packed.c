/*
 * The fake frontend's driver of a packed virtqueue (virtio 1.2, section 2.8).
 * What a test asks for is a chain of the driver's own table, as in a split
 * ring, whose descriptors are copied to the ring.
 */
#include <stdlib.h>
#include <string.h>

#include "integration/frontend.h"

#define FLAGS (FE_DESC_NEXT | FE_DESC_WRITE | FE_DESC_INDIRECT)

static uint32_t
index_of(uint16_t position)
{
	return position & (FE_WRAP - 1);
}

static uint16_t
advance(const struct fe_ring *r, uint16_t position, uint32_t n)
{
	uint32_t i = index_of(position) + n, wrap = position & FE_WRAP;

	for (; i >= r->size; i -= r->size)
		wrap ^= FE_WRAP;
	return (uint16_t)(i | wrap);
}

/* Descriptors from one position to a later one, in two rounds. */
static uint32_t
distance(const struct fe_ring *r, uint16_t from, uint16_t to)
{
	int n = (int)index_of(to) - (int)index_of(from);

	if (((from ^ to) & FE_WRAP) != 0)
		n += (int)r->size;
	return (uint32_t)(n < 0 ? n + 2 * (int)r->size : n);
}

int
fe_packed_init(struct fe *fe)
{
	struct fe_ring *r = &fe->ring;
	struct fe_packed *p;

	if ((r->packed = p = calloc(1, sizeof(*p))) == NULL)
		return -1;
	r->desc = calloc(r->size, sizeof(*r->desc));
	p->count = calloc(r->size, sizeof(*p->count));
	p->at = calloc(r->size, sizeof(*p->at));
	if (r->desc == NULL || p->count == NULL || p->at == NULL)
		return -1;
	p->avail = p->kicked = p->used = FE_WRAP;
	r->base = FE_WRAP | (uint32_t)FE_WRAP << 16;
	return 0;
}

void
fe_packed_free(struct fe *fe)
{
	struct fe_packed *p = fe->ring.packed;

	if (p == NULL)
		return;
	free(fe->ring.desc);
	free(p->count);
	free(p->at);
	free(p);
	fe->ring.packed = NULL;
	fe->ring.desc = NULL;
}

/* The position after so many descriptors; the ring is empty there. */
void
fe_packed_set_idx(struct fe *fe, uint16_t idx)
{
	struct fe_ring *r = &fe->ring;
	struct fe_packed *p = r->packed;

	p->avail = p->kicked = p->used = advance(r, FE_WRAP, idx);
	r->base = p->used | (uint32_t)p->used << 16;
}

static void
show(struct fe_packed_desc *d, uint16_t flags, uint16_t position)
{
	flags |= (position & FE_WRAP) != 0 ? FE_DESC_AVAIL : FE_DESC_USED;
	__atomic_store_n(&d->flags, flags, __ATOMIC_RELEASE);
}

/* Copies a descriptor; the first one of a chain is shown later. */
static uint16_t
put(struct fe_ring *r, uint16_t head, uint16_t i, uint32_t n)
{
	uint16_t position = advance(r, r->packed->avail, n);
	struct fe_packed_desc *d = &r->packed->desc[index_of(position)];
	struct fe_desc none = { 0 };
	const struct fe_desc *from = i < r->size ? &r->desc[i] : &none;

	d->addr = from->addr;
	d->len = from->len;
	d->id = head;
	if (n > 0)
		show(d, from->flags & FLAGS, position);
	return from->flags & FLAGS;
}

/*
 * A chain that never ends takes all of the ring, and one in a full ring takes
 * the place of another.
 */
void
fe_packed_publish(struct fe *fe, uint16_t head)
{
	struct fe_ring *r = &fe->ring;
	struct fe_packed *p = r->packed;
	uint32_t used = distance(r, p->used, p->avail), n = 0;
	uint32_t room = used < r->size ? r->size - used : 1;
	uint16_t first = 0, flags, i = head;

	do {
		flags = put(r, head, i, n);
		if (n++ == 0)
			first = flags;
		if (i >= r->size || (flags & FE_DESC_NEXT) == 0)
			break;
		i = r->desc[i].next;
	} while (n < room && i < r->size);
	p->count[index_of(p->avail)] = (uint16_t)n;
	p->at[r->avail_idx % r->size] = p->avail;
	show(&p->desc[index_of(p->avail)], first, p->avail);
	p->avail = advance(r, p->avail, n);
}

/* Descriptors that were never written become available. */
void
fe_packed_jump(struct fe *fe, uint16_t idx)
{
	struct fe_ring *r = &fe->ring;
	uint32_t n = (uint16_t)(idx - r->avail_idx);
	uint16_t position = r->packed->avail;

	for (uint32_t i = 0; i < n && i < 2 * r->size; i++) {
		show(&r->packed->desc[index_of(position)], FE_DESC_WRITE,
		    position);
		position = advance(r, position, 1);
	}
}

static bool
is_used(const struct fe_packed *p, uint16_t position)
{
	uint16_t flags = __atomic_load_n(&p->desc[index_of(position)].flags,
	    __ATOMIC_ACQUIRE);
	uint16_t both = FE_DESC_AVAIL | FE_DESC_USED;

	return (flags & both) == ((position & FE_WRAP) != 0 ? both : 0);
}

/* How many requests were completed, and the position after them. */
uint16_t
fe_packed_used_idx(const struct fe *fe, uint16_t *at)
{
	const struct fe_ring *r = &fe->ring;
	const struct fe_packed *p = r->packed;
	uint16_t idx = r->used_idx;

	*at = p->used;
	while (idx != r->avail_idx && is_used(p, *at)) {
		*at = advance(r, *at, p->count[index_of(*at)]);
		idx++;
	}
	return idx;
}

/* The number of the request after which the backend wants a kick. */
uint16_t
fe_packed_avail_event(const struct fe *fe)
{
	const struct fe_ring *r = &fe->ring;
	uint32_t v = __atomic_load_n(r->packed->device, __ATOMIC_ACQUIRE), n;

	if (v >> 16 != FE_EVENT_DESC)
		return (uint16_t)(r->avail_idx - r->size - 1);
	n = distance(r, (uint16_t)v, r->packed->avail);
	return (uint16_t)(r->avail_idx - (n <= r->size ? n : r->size));
}

void
fe_packed_used_event_set(struct fe *fe, uint16_t idx)
{
	struct fe_ring *r = &fe->ring;
	uint16_t ahead = (uint16_t)(idx - r->avail_idx), at;

	if (ahead < 0x8000)
		at = advance(r, r->packed->avail, ahead);
	else
		at = r->packed->at[idx % r->size];
	__atomic_store_n(r->packed->driver, at | (uint32_t)FE_EVENT_DESC << 16,
	    __ATOMIC_SEQ_CST);
}

bool
fe_packed_wants_kick(struct fe *fe)
{
	struct fe_ring *r = &fe->ring;
	struct fe_packed *p = r->packed;
	uint32_t v = __atomic_load_n(p->device, __ATOMIC_ACQUIRE);
	uint16_t old = p->kicked;

	p->kicked = p->avail;
	if (v >> 16 != FE_EVENT_DESC)
		return v >> 16 != FE_EVENT_DISABLE;
	return distance(r, old, (uint16_t)v) < distance(r, old, p->avail);
}

/* The next completion, which is there. */
void
fe_packed_pop(struct fe *fe, struct fe_used_elem *elem)
{
	struct fe_ring *r = &fe->ring;
	struct fe_packed *p = r->packed;
	const struct fe_packed_desc *d = &p->desc[index_of(p->used)];

	*elem = (struct fe_used_elem){ d->id, d->len };
	p->used = advance(r, p->used, p->count[index_of(p->used)]);
}
