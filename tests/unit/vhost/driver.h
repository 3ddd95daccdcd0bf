/*
 * A guest for the tests of the vhost worker's parts: memory in a memfd, and the
 * driver's side of a virtqueue in it.
 */
#ifndef DRIVER_H
#define DRIVER_H

#include <sys/mman.h>

#include <endian.h>
#include <string.h>

#include "vhost/device/queue.h"
#include "unit/unit.h"

/*
 * Two regions, next to each other in the guest's addresses and nowhere else.
 */
#define LOW_GPA	  UINT64_C(0x10000000)
#define LOW_USER  UINT64_C(0x700000000000)
#define LOW_SIZE  UINT64_C(0x400000)
#define HIGH_GPA  (LOW_GPA + LOW_SIZE)
#define HIGH_USER UINT64_C(0x600000000000)
#define HIGH_SIZE UINT64_C(0x100000)
#define HIGH_PART (LOW_SIZE + 0x1000) /* of the file */
#define FILE_SIZE (HIGH_PART + HIGH_SIZE)

/* Where things are in the low region. */
#define DESC_PART  UINT64_C(0)
#define AVAIL_PART UINT64_C(0x80000)
#define USED_PART  UINT64_C(0xa0000)
#define TABLE_GPA  (LOW_GPA + 0x100000)
#define BUF_GPA	   (LOW_GPA + 0x200000)
#define NO_GPA	   (HIGH_GPA + HIGH_SIZE)

#define F_NEXT	   1
#define F_WRITE	   2
#define F_INDIRECT 4

struct desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags;
	uint16_t next;
};

struct driver {
	struct memory mem;
	struct queue q;
	int fd;
	uint8_t *file;
	uint16_t *avail; /* flags, idx, ring, used_event */
	uint16_t *used;	 /* flags, idx, ring, avail_event */
	uint32_t num;
};

static inline void
driver_region(struct driver *d, uint64_t gpa, uint64_t user, uint64_t size,
    uint64_t offset)
{
	const struct vhost_user_region r = { gpa, size, user, offset };
	const char *why;

	assert_int_equal(memory_add(&d->mem, &r, d->fd, 7, &why), 0);
}

/* A mapped queue of `num` entries, all zero.  Not in a fixture: SIGBUS. */
static inline void
driver_init(struct driver *d, uint32_t num)
{
	const char *why;

	memset(d, 0, sizeof(*d));
	d->num = num;
	d->fd = memfd_create("guest", MFD_CLOEXEC);
	assert_int_not_equal(d->fd, -1);
	assert_int_equal(ftruncate(d->fd, FILE_SIZE), 0);
	d->file =
	    mmap(NULL, FILE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, d->fd, 0);
	assert_ptr_not_equal(d->file, MAP_FAILED);
	d->avail = (uint16_t *)(void *)(d->file + AVAIL_PART);
	d->used = (uint16_t *)(void *)(d->file + USED_PART);
	memory_init(&d->mem);
	driver_region(d, HIGH_GPA, HIGH_USER, HIGH_SIZE, HIGH_PART);
	driver_region(d, LOW_GPA, LOW_USER, LOW_SIZE, 0);
	queue_init(&d->q, &d->mem);
	d->q.num = num;
	d->q.addr.desc = LOW_USER + DESC_PART;
	d->q.addr.avail = LOW_USER + AVAIL_PART;
	d->q.addr.used = LOW_USER + USED_PART;
	d->q.addr_set = true;
	assert_int_equal(queue_map(&d->q, &why), 0);
}

static inline void
driver_free(struct driver *d)
{
	queue_unmap(&d->q);
	memory_clear(&d->mem);
	mapping_close(&d->mem.log);
	munmap(d->file, FILE_SIZE);
	close(d->fd);
}

/* Where a guest address is in the file. */
static inline uint8_t *
driver_at(struct driver *d, uint64_t gpa)
{
	return d->file +
	    (gpa < HIGH_GPA ? gpa - LOW_GPA : gpa - HIGH_GPA + HIGH_PART);
}

/* Copies to guest memory, which may span the regions. */
static inline void
driver_write(struct driver *d, uint64_t gpa, const void *from, size_t len)
{
	for (size_t i = 0; i < len; i++)
		*driver_at(d, gpa + i) = ((const uint8_t *)from)[i];
}

/* Sets entry `i` of the descriptor table at `table`. */
static inline void
driver_entry(struct driver *d, uint64_t table, uint32_t i, struct desc desc)
{
	desc.addr = htole64(desc.addr);
	desc.len = htole32(desc.len);
	desc.flags = htole16(desc.flags);
	desc.next = htole16(desc.next);
	driver_write(d, table + i * sizeof(desc), &desc, sizeof(desc));
}

static inline void
driver_desc(struct driver *d, uint32_t i, uint64_t addr, uint32_t len,
    uint16_t flags, uint16_t next)
{
	driver_entry(d, LOW_GPA + DESC_PART, i,
	    (struct desc){ addr, len, flags, next });
}

/* Makes a chain available. */
static inline void
driver_offer(struct driver *d, uint16_t head)
{
	uint16_t idx = le16toh(d->avail[1]);

	d->avail[2 + idx % d->num] = htole16(head);
	d->avail[1] = htole16(idx + 1);
}

static inline uint16_t
driver_used_idx(const struct driver *d)
{
	return le16toh(d->used[1]);
}

/* The used ring's element for index `idx`: its head, and its length. */
static inline uint32_t
driver_used(const struct driver *d, uint16_t idx, uint32_t *len)
{
	uint32_t elem[2];

	memcpy(elem, &d->used[2 + idx % d->num * 4], sizeof(elem));
	*len = le32toh(elem[1]);
	return le32toh(elem[0]);
}

/* The head of the next request. */
static inline uint32_t
driver_pop(struct driver *d)
{
	static struct request req;

	assert_int_equal(queue_pop(&d->q, &req), QUEUE_REQUEST);
	return req.head;
}

/* Completes a request. */
static inline void
driver_push(struct driver *d, uint32_t head, uint32_t len)
{
	static struct request req;

	req.head = head;
	queue_push(&d->q, &req, len);
}

/* Offers the chain at `head` and reads it. */
static inline void
driver_read(struct driver *d, uint16_t head, struct request *req)
{
	driver_offer(d, head);
	assert_int_equal(queue_peek(&d->q), QUEUE_REQUEST);
	assert_int_equal(queue_pop(&d->q, req), QUEUE_REQUEST);
	assert_int_equal(req->head, head);
	assert_int_equal(queue_peek(&d->q), QUEUE_EMPTY);
}

/* Segment `i` of the request is `len` bytes of memory at `gpa`. */
static inline void
driver_expect(struct driver *d, const struct request *req, uint32_t i,
    uint64_t gpa, uint32_t len)
{
	uint8_t *at = driver_at(d, gpa);

	assert_true(i < req->nsegments);
	assert_int_equal(req->segments[i].guest_addr, gpa);
	assert_int_equal(req->segments[i].len, len);
	*at = 0x11;
	assert_int_equal(*req->segments[i].host, 0x11);
	req->segments[i].host[len - 1] = 0x22;
	assert_int_equal(*driver_at(d, gpa + len - 1), 0x22);
}

#endif
