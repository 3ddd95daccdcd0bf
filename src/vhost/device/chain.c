/*
 * Follows descriptor chains.  Used by queue.c.
 */
#include <endian.h>
#include <stddef.h>
#include <string.h>

#include "common/proto.h"
#include "vhost/device/chain.h"

const char chain_outside[] = "buffer outside memory";

/* A table of descriptors: the queue's own or an indirect one. */
struct table {
	const struct virtq_desc *desc; /* NULL: read by address */
	uint64_t guest_addr;
	uint32_t entries;
	bool indirect;
};

/* Copies `len` bytes of guest memory, which may span regions. */
static bool
read_guest(struct memory *mem, void *to, uint64_t addr, uint64_t len)
{
	uint8_t *out = to, *from;
	uint64_t n;

	while (len > 0) {
		n = len;
		if ((from = memory_guest(mem, addr, &n)) == NULL)
			return false;
		memcpy(out, from, n);
		out += n;
		addr += n;
		len -= n;
	}
	return true;
}

/* Reads one descriptor.  Returns the fault, or NULL. */
static const char *
read_desc(struct memory *mem, const struct table *t, uint32_t i,
    struct virtq_desc *d)
{
	if (i >= t->entries)
		return "next descriptor out of range";
	if (t->desc != NULL)
		memcpy(d, (const void *)&t->desc[i], sizeof(*d));
	else if (!read_guest(mem, d, t->guest_addr + i * sizeof(*d),
		     sizeof(*d)))
		return "indirect table outside memory";
	/* A snapshot: no field is fetched from the guest again. */
	__asm__ volatile("" : : : "memory");
	d->addr = le64toh(d->addr);
	d->len = le32toh(d->len);
	d->flags = le16toh(d->flags);
	d->next = le16toh(d->next);
	return NULL;
}

/* Adds a buffer to a request, a segment for each region that it lies in. */
static const char *
add_buffer(struct memory *mem, struct request *req, uint64_t addr, uint64_t len)
{
	struct segment *s;
	uint64_t n;

	if (len > REQUEST_MAX - req->len)
		len = REQUEST_MAX - req->len;
	while (len > 0 && req->nsegments < REQUEST_SEGMENTS) {
		s = &req->segments[req->nsegments];
		n = len;
		if ((s->host = memory_guest(mem, addr, &n)) == NULL)
			return chain_outside;
		s->guest_addr = addr;
		s->len = (uint32_t)n;
		req->nsegments++;
		req->len += (uint32_t)n;
		addr += n;
		len -= n;
	}
	return NULL;
}

/* Whether a request has all the segments that can be used. */
static bool
is_full(const struct request *req)
{
	return req->len == REQUEST_MAX || req->nsegments == REQUEST_SEGMENTS;
}

/*
 * The indirect table that a descriptor points to (2.7.5.3).  Returns the
 * fault, or NULL.
 */
static const char *
enter_indirect(struct table *t, const struct virtq_desc *d)
{
	if (t->indirect)
		return "nested indirect table";
	if ((d->flags & DESC_F_NEXT) != 0)
		return "indirect table with a next descriptor";
	if (d->len == 0 || d->len % sizeof(*d) != 0)
		return "indirect table with a partial descriptor";
	*t = (struct table){
		.guest_addr = d->addr,
		.entries = d->len / sizeof(*d),
		.indirect = true,
	};
	return NULL;
}

/* The maximum length of a chain: a longer one has a loop. */
static uint32_t
chain_max(const struct table *t)
{
	return t->entries < VHOST_USER_QUEUE_SIZE_MAX
	    ? t->entries
	    : VHOST_USER_QUEUE_SIZE_MAX;
}

/*
 * Follows a chain from descriptor `i` of a table and collects its
 * device-writable buffers.  Device-readable buffers are skipped (the entropy
 * device has none, 5.4.6).  Returns the fault that ended the chain, or NULL.
 */
static const char *
walk_chain(struct memory *mem, struct request *req, struct table t, uint32_t i)
{
	struct virtq_desc d;
	const char *fault;
	uint32_t seen = 0;

	while (seen++ < chain_max(&t)) {
		if ((fault = read_desc(mem, &t, i, &d)) != NULL)
			return fault;
		if ((d.flags & DESC_F_INDIRECT) != 0) {
			if ((fault = enter_indirect(&t, &d)) != NULL)
				return fault;
			i = seen = 0;
			continue;
		}
		if ((d.flags & DESC_F_WRITE) != 0 &&
		    (fault = add_buffer(mem, req, d.addr, d.len)) != NULL)
			return fault;
		if ((d.flags & DESC_F_NEXT) == 0 || is_full(req))
			return NULL;
		i = d.next;
	}
	return "chain longer than its table";
}

void
chain_read(struct memory *mem, const struct virtq_desc *desc, uint32_t num,
    uint16_t head, struct request *req)
{
	struct table t = { .desc = desc, .entries = num };

	req->head = head;
	req->len = 0;
	req->nsegments = 0;
	req->fault = walk_chain(mem, req, t, head);
	if (req->fault == NULL && req->len == 0)
		req->fault = "chain without device-writable buffer";
}
