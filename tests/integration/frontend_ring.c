/*
 * The fake frontend's driver: the driver's side of a split virtqueue (virtio
 * 1.2, section 2.7), with raw access for tests that break its rules.
 */
#include <sys/eventfd.h>

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "integration/frontend.h"

bool fe_packed;

#define ALIGN(n, a) (((n) + (a)-1) & ~(uint64_t)((a)-1))

static uint64_t
avail_off(uint32_t size)
{
	return (uint64_t)size * sizeof(struct fe_desc);
}

/* The used ring has pages of its own, so that its logging can be checked. */
static uint64_t
used_off(uint32_t size)
{
	return ALIGN(avail_off(size) + 6 + 2 * (uint64_t)size, FE_PAGE);
}

size_t
fe_ring_bytes(uint32_t size)
{
	return (size_t)ALIGN(used_off(size) + 6 +
		(uint64_t)size * sizeof(struct fe_used_elem),
	    FE_PAGE);
}

/* Point the ring at guest memory without touching what is there. */
static int
ring_place(struct fe *fe, uint32_t size, uint64_t gpa)
{
	struct fe_ring *r = &fe->ring;
	uint8_t *p;

	if ((p = fe_ptr(fe, gpa, fe_ring_bytes(size))) == NULL) {
		errno = EFAULT;
		return -1;
	}
	r->size = size;
	r->desc_gpa = gpa;
	r->avail_gpa = gpa + avail_off(size);
	r->used_gpa = gpa + used_off(size);
	if (r->packed != NULL)
		r->packed->desc = (struct fe_packed_desc *)(void *)p;
	else
		r->desc = (struct fe_desc *)(void *)p;
	r->avail = (uint16_t *)(void *)(p + avail_off(size));
	r->used = p + used_off(size);
	if (r->packed != NULL) {
		r->packed->driver = (uint32_t *)(void *)r->avail;
		r->packed->device = (uint32_t *)(void *)r->used;
	}
	return 0;
}

int
fe_ring_init(struct fe *fe, uint32_t size, uint64_t gpa)
{
	struct fe_ring *r = &fe->ring;
	uint32_t i;

	fe_ring_free(fe);
	memset(r, 0, sizeof(*r));
	r->size = size;
	if (fe_packed && fe_packed_init(fe) == -1)
		return -1;
	if (ring_place(fe, size, gpa) == -1)
		return -1;
	memset(fe_ptr(fe, gpa, fe_ring_bytes(size)), 0, fe_ring_bytes(size));
	r->next = calloc(size, sizeof(*r->next));
	r->count = calloc(size, sizeof(*r->count));
	if (r->next == NULL || r->count == NULL)
		return -1;
	for (i = 0; i < size; i++)
		r->next[i] = (uint16_t)(i + 1);
	r->nfree = size;
	return 0;
}

int
fe_ring_move(struct fe *fe, uint64_t gpa)
{
	void *old = fe_ptr(fe, fe->ring.desc_gpa, 1);

	if (ring_place(fe, fe->ring.size, gpa) == -1)
		return -1;
	memcpy(fe_ptr(fe, gpa, 1), old, fe_ring_bytes(fe->ring.size));
	return 0;
}

void
fe_ring_free(struct fe *fe)
{
	fe_packed_free(fe);
	free(fe->ring.next);
	free(fe->ring.count);
	fe->ring.next = fe->ring.count = NULL;
}

static uint16_t *
used_word(const struct fe *fe, size_t off)
{
	return (uint16_t *)(void *)(fe->ring.used + off);
}

void
fe_ring_set_idx(struct fe *fe, uint16_t idx)
{
	struct fe_ring *r = &fe->ring;

	r->avail_idx = r->kicked_idx = r->used_idx = idx;
	r->base = idx;
	if (r->packed != NULL) {
		fe_packed_set_idx(fe, idx);
		return;
	}
	fe_avail_idx_set(fe, idx);
	__atomic_store_n(used_word(fe, 2), idx, __ATOMIC_RELEASE);
}

void
fe_desc_set(struct fe *fe, uint32_t i, uint64_t addr, uint32_t len,
    uint16_t flags, uint16_t next)
{
	fe->ring.desc[i] = (struct fe_desc){ addr, len, flags, next };
}

void
fe_avail_idx_set(struct fe *fe, uint16_t idx)
{
	if (fe->ring.packed != NULL)
		fe_packed_jump(fe, idx);
	else
		__atomic_store_n(&fe->ring.avail[1], idx, __ATOMIC_RELEASE);
}

void
fe_avail_flags_set(struct fe *fe, uint16_t flags)
{
	if (fe->ring.packed != NULL)
		__atomic_store_n(fe->ring.packed->driver,
		    (flags & FE_AVAIL_NO_INTERRUPT) ? FE_EVENT_DISABLE << 16
						    : 0,
		    __ATOMIC_SEQ_CST);
	else
		__atomic_store_n(&fe->ring.avail[0], flags, __ATOMIC_SEQ_CST);
}

void
fe_used_event_set(struct fe *fe, uint16_t idx)
{
	if (fe->ring.packed != NULL)
		fe_packed_used_event_set(fe, idx);
	else
		__atomic_store_n(&fe->ring.avail[2 + fe->ring.size], idx,
		    __ATOMIC_SEQ_CST);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

uint16_t
fe_used_flags(const struct fe *fe)
{
	if (fe->ring.packed != NULL)
		return __atomic_load_n(used_word(fe, 2), __ATOMIC_ACQUIRE) ==
			FE_EVENT_DISABLE
		    ? FE_USED_NO_NOTIFY
		    : 0;
	return __atomic_load_n(used_word(fe, 0), __ATOMIC_ACQUIRE);
}

uint16_t
fe_used_idx(const struct fe *fe)
{
	uint16_t position;

	if (fe->ring.packed != NULL)
		return fe_packed_used_idx(fe, &position);
	return __atomic_load_n(used_word(fe, 2), __ATOMIC_ACQUIRE);
}

uint16_t
fe_avail_event(const struct fe *fe)
{
	if (fe->ring.packed != NULL)
		return fe_packed_avail_event(fe);
	return __atomic_load_n(
	    used_word(fe, 4 + fe->ring.size * sizeof(struct fe_used_elem)),
	    __ATOMIC_ACQUIRE);
}

void
fe_publish(struct fe *fe, uint16_t head)
{
	struct fe_ring *r = &fe->ring;

	if (r->packed != NULL) {
		fe_packed_publish(fe, head);
		r->avail_idx++;
		return;
	}
	r->avail[2 + (r->avail_idx & (r->size - 1))] = head;
	fe_avail_idx_set(fe, ++r->avail_idx);
}

/* Take n descriptors off the free list; they stay linked in r->next. */
static int
take(struct fe_ring *r, size_t n)
{
	uint32_t head = r->free_head;
	size_t i;

	if (n == 0 || n > r->nfree) {
		errno = ENOSPC;
		return -1;
	}
	for (i = 0; i < n; i++)
		r->free_head = r->next[r->free_head % r->size];
	r->nfree -= (uint32_t)n;
	r->count[head] = (uint16_t)n;
	return (int)head;
}

static void
give_back(struct fe_ring *r, uint32_t head)
{
	uint32_t i, tail = head;

	if (head >= r->size || r->count[head] == 0)
		return;
	for (i = 1; i < r->count[head]; i++)
		tail = r->next[tail];
	r->next[tail] = (uint16_t)r->free_head;
	r->free_head = head;
	r->nfree += r->count[head];
	r->count[head] = 0;
}

int
fe_add(struct fe *fe, const struct fe_seg *segs, size_t n)
{
	struct fe_ring *r = &fe->ring;
	uint32_t d;
	size_t i;
	int head;

	if ((head = take(r, n)) == -1)
		return -1;
	for (i = 0, d = (uint32_t)head; i < n; i++, d = r->next[d]) {
		if (i + 1 < n)
			fe_desc_set(fe, d, segs[i].gpa, segs[i].len,
			    FE_DESC_WRITE | FE_DESC_NEXT, r->next[d]);
		else
			fe_desc_set(fe, d, segs[i].gpa, segs[i].len,
			    FE_DESC_WRITE, 0);
	}
	fe_publish(fe, (uint16_t)head);
	return head;
}

/* A packed one has an id, which is ignored here, before the flags. */
struct fe_desc
fe_entry(const struct fe *fe, uint64_t addr, uint32_t len, uint16_t flags,
    uint16_t next)
{
	if (fe->ring.packed != NULL)
		return (struct fe_desc){ addr, len, next, flags };
	return (struct fe_desc){ addr, len, flags, next };
}

int
fe_add_one(struct fe *fe, uint64_t gpa, uint32_t len)
{
	struct fe_seg seg = { gpa, len };

	return fe_add(fe, &seg, 1);
}

int
fe_add_indirect(struct fe *fe, uint64_t gpa, const struct fe_seg *segs,
    size_t n)
{
	struct fe_desc *table;
	size_t i;
	int head;

	if ((table = fe_ptr(fe, gpa, n * sizeof(*table))) == NULL) {
		errno = EFAULT;
		return -1;
	}
	if ((head = take(&fe->ring, 1)) == -1)
		return -1;
	for (i = 0; i < n; i++)
		table[i] = fe_entry(fe, segs[i].gpa, segs[i].len,
		    FE_DESC_WRITE | (i + 1 < n ? FE_DESC_NEXT : 0),
		    (uint16_t)(i + 1 < n ? i + 1 : 0));
	fe_desc_set(fe, (uint32_t)head, gpa, (uint32_t)(n * sizeof(*table)),
	    FE_DESC_INDIRECT, 0);
	fe_publish(fe, (uint16_t)head);
	return head;
}

void
fe_kick_always(struct fe *fe)
{
	uint64_t one = 1;

	fe->ring.kicked_idx = fe->ring.avail_idx;
	if (fe->ring.packed != NULL)
		fe->ring.packed->kicked = fe->ring.packed->avail;
	fe->ring.kicks++;
	if (write(fe->kick, &one, sizeof(one)) == -1)
		return;
}

int
fe_kick(struct fe *fe)
{
	struct fe_ring *r = &fe->ring;
	uint16_t new = r->avail_idx, old = r->kicked_idx;
	bool wanted;

	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (r->packed != NULL)
		wanted = fe_packed_wants_kick(fe);
	else if (fe->features & FE_F_EVENT_IDX)
		wanted = (uint16_t)(new - fe_avail_event(fe) - 1) <
		    (uint16_t)(new - old);
	else
		wanted = (fe_used_flags(fe) & FE_USED_NO_NOTIFY) == 0;
	r->kicked_idx = new;
	if (wanted)
		fe_kick_always(fe);
	return wanted;
}

unsigned int
fe_pending(const struct fe *fe)
{
	return (uint16_t)(fe_used_idx(fe) - fe->ring.used_idx);
}

uint64_t
fe_drain_call(struct fe *fe)
{
	uint64_t n;

	if (read(fe->call, &n, sizeof(n)) != sizeof(n))
		return 0;
	fe->ring.calls += n;
	return n;
}

int
fe_wait(struct fe *fe, unsigned int n, int timeout)
{
	struct pollfd pfd = { .fd = fe->call, .events = POLLIN };
	uint64_t now, deadline = fe_now() + (uint64_t)timeout;

	if (fe->features & FE_F_EVENT_IDX)
		fe_used_event_set(fe, (uint16_t)(fe->ring.used_idx + n - 1));
	while (fe_pending(fe) < n) {
		now = fe_now();
		if (now >= deadline ||
		    poll(&pfd, 1, (int)(deadline - now)) == 0) {
			errno = ETIMEDOUT;
			return -1;
		}
		fe_drain_call(fe);
	}
	return 0;
}

int
fe_wait_polling(struct fe *fe, unsigned int n, int timeout)
{
	uint64_t deadline = fe_now() + (uint64_t)timeout;

	while (fe_pending(fe) < n) {
		if (fe_now() >= deadline) {
			errno = ETIMEDOUT;
			return -1;
		}
		poll(NULL, 0, 1);
	}
	return 0;
}

int
fe_pop(struct fe *fe, struct fe_used_elem *elem)
{
	struct fe_ring *r = &fe->ring;

	if (fe_pending(fe) == 0)
		return 0;
	if (r->packed != NULL)
		fe_packed_pop(fe, elem);
	else
		memcpy(elem,
		    r->used + 4 + (r->used_idx & (r->size - 1)) * sizeof(*elem),
		    sizeof(*elem));
	r->used_idx++;
	give_back(r, elem->id);
	return 1;
}

int
fe_read(struct fe *fe, void *buf, uint32_t len, int timeout)
{
	struct fe_used_elem elem;
	int head;

	if ((head = fe_add_one(fe, FE_BUF_GPA, len)) == -1)
		return -1;
	fe_kick(fe);
	if (fe_wait(fe, 1, timeout) == -1)
		return -1;
	if (fe_pop(fe, &elem) != 1 || elem.id != (uint32_t)head ||
	    elem.len > len) {
		errno = EPROTO;
		return -1;
	}
	if (buf != NULL && fe_mem_read(fe, FE_BUF_GPA, buf, elem.len) == -1)
		return -1;
	return (int)elem.len;
}
