/*
 * Follows descriptor chains.  Used by queue.c, and in parts by packed.c.
 */
#include <endian.h>
#include <stddef.h>
#include <string.h>

#include "common/proto.h"
#include "vhost/device/chain.h"

const char chain_outside[] = "buffer outside memory";

#define LOAD(field) __atomic_load_n(field, __ATOMIC_RELAXED)

/* A table of descriptors: the queue's own or an indirect one. */
struct table {
	const struct virtq_desc *desc; /* NULL: read by address */
	uint64_t guest_addr;
	uint32_t entries;
	bool indirect;
};

/* Copies `len` bytes of guest memory, which may span regions. */
/*@
 @ requires \valid(mem) && memory_is_valid(mem);
 @ requires \valid(to + (0 .. len - 1));
 @ requires \separated(mem, to + (0 .. len - 1));
 @ requires memory_is_apart(mem, to, len);
 @ assigns to[0 .. len - 1], mem->recent;
 @ ensures memory_is_valid(mem);
 @*/
static bool
read_guest(struct memory *mem, uint64_t addr, uint8_t *to, uint64_t len)
{
	const uint8_t *from;
	uint64_t done, n;

	/*@
	 @ loop invariant done <= len;
	 @ loop invariant memory_is_valid(mem) && memory_is_apart(mem, to, len);
	 @ loop assigns done, n, from, to[0 .. len - 1], mem->recent;
	 @ loop variant len - done;
	 @*/
	for (done = 0; done < len; done += n) {
		n = len - done;
		if ((from = memory_guest(mem, addr + done, &n)) == NULL)
			return false;
		memcpy(to + done, from, n);
	}
	/* A snapshot: no byte is fetched from the guest again. */
	__atomic_signal_fence(__ATOMIC_ACQUIRE);
	return true;
}

/* A little-endian number of `n` bytes. */
/*@
 @ requires n <= 8 && \valid_read(from + (0 .. n - 1));
 @ assigns \nothing;
 @*/
static uint64_t
decode(const uint8_t *from, size_t n)
{
	uint64_t value = 0;

	/*@
	 @ loop invariant n <= \at(n, Pre);
	 @ loop assigns n, value;
	 @ loop variant n;
	 @*/
	while (n > 0)
		value = value << 8 | from[--n];
	return value;
}

bool
chain_entry(struct memory *mem, uint64_t addr, struct virtq_desc *d)
{
	uint8_t bytes[sizeof(*d)];

	if (!read_guest(mem, addr, bytes, sizeof(bytes)))
		return false;
	d->addr = decode(bytes, 8);
	d->len = (uint32_t)decode(bytes + 8, 4);
	d->flags = (uint16_t)decode(bytes + 12, 2);
	d->next = (uint16_t)decode(bytes + 14, 2);
	return true;
}

/*
 * Reads one descriptor, each byte once, since the guest may change them at any
 * time.  Returns the fault, or NULL.
 */
/*@
 @ requires \valid(mem) && memory_is_valid(mem);
 @ requires \valid_read(t) && \valid(d) && \separated(mem, t, d);
 @ requires t->desc != \null ==> \valid_read(t->desc + (0 .. t->entries - 1));
 @ assigns *d, mem->recent;
 @ ensures memory_is_valid(mem);
 @*/
static const char *
read_desc(struct memory *mem, const struct table *t, uint32_t i,
    struct virtq_desc *d)
{
	if (i >= t->entries)
		return "next descriptor out of range";
	if (t->desc != NULL) {
		const struct virtq_desc *from = &t->desc[i];

		d->addr = le64toh(LOAD(&from->addr));
		d->len = le32toh(LOAD(&from->len));
		d->flags = le16toh(LOAD(&from->flags));
		d->next = le16toh(LOAD(&from->next));
		return NULL;
	}
	if (!chain_entry(mem, t->guest_addr + i * sizeof(*d), d))
		return "indirect table outside memory";
	return NULL;
}

/* Appends a segment, which lies within one region of `mem`. */
/*@
 @ requires \valid_read(mem) && memory_is_valid(mem);
 @ requires \valid(req) && \separated(mem, req);
 @ requires request_is_valid(mem, req);
 @ requires req->nsegments < REQUEST_SEGMENTS;
 @ requires 0 < len <= REQUEST_MAX - req->len;
 @ requires memory_maps(mem, guest_addr, host, len);
 @ assigns req->segments[req->nsegments], req->nsegments, req->len,
 @   chain_ends[req->nsegments + 1];
 @ ensures memory_is_same{Pre,Post}(mem);
 @ ensures request_is_valid(mem, req);
 @ ensures req->len == \old(req->len) + len;
 @ ensures req->nsegments == \old(req->nsegments) + 1;
 @*/
static void
push_segment(struct request *req, uint8_t *host, uint64_t guest_addr,
    uint32_t len) /*@ ghost (struct memory *mem) */
{
	struct segment *s = &req->segments[req->nsegments];

	s->host = host;
	s->guest_addr = guest_addr;
	s->len = len;
	/*@ ghost chain_ends[req->nsegments + 1] = req->len + len; */
	req->nsegments++;
	req->len += len;
	/*@ assert req->nsegments == \at(req->nsegments, Pre) + 1; */
	/*@ assert req->len == \at(req->len, Pre) + len; */
	/*@ assert memory_is_same{Pre,Here}(mem); */
	/*@ assert segments_are_same{Pre,Here}(req, \at(req->nsegments, Pre)); */
	/*@ assert segments_are_valid(mem, req, \at(req->nsegments, Pre)); */
	/*@ assert segments_are_valid(mem, req, req->nsegments); */
	/*@ assert
	 @   segments_end(req, \at(req->nsegments, Pre), \at(req->len, Pre)); */
	/*@ assert segments_end(req, req->nsegments, req->len); */
}

/* Adds a buffer to a request, a segment for each region that it lies in. */
/*@
 @ requires \valid(mem) && memory_is_valid(mem);
 @ requires \valid(req) && \separated(mem, req);
 @ requires request_is_valid(mem, req);
 @ assigns req->segments[0 .. REQUEST_SEGMENTS - 1], req->nsegments, req->len,
 @   mem->recent, chain_ends[0 .. REQUEST_SEGMENTS];
 @ ensures memory_is_valid(mem);
 @ ensures request_is_valid(mem, req);
 @*/
static const char *
add_buffer(struct memory *mem, struct request *req, uint64_t addr, uint64_t len)
{
	uint8_t *host;
	uint64_t n;

	if (len > REQUEST_MAX - req->len)
		len = REQUEST_MAX - req->len;
	/*@
	 @ loop invariant memory_is_valid(mem) && request_is_valid(mem, req);
	 @ loop invariant req->len + len <= REQUEST_MAX;
	 @ loop assigns host, n, addr, len,
	 @   req->segments[0 .. REQUEST_SEGMENTS - 1], req->nsegments, req->len,
	 @   mem->recent, chain_ends[0 .. REQUEST_SEGMENTS];
	 @ loop variant len;
	 @*/
	while (len > 0 && req->nsegments < REQUEST_SEGMENTS) {
		n = len;
		if ((host = memory_guest(mem, addr, &n)) == NULL)
			return chain_outside;
		push_segment(req, host, addr, (uint32_t)n) /*@ ghost (mem) */;
		addr += n;
		len -= n;
	}
	return NULL;
}

/*
 * The indirect table that a descriptor points to (2.7.5.3).  Returns the
 * fault, or NULL.
 */
/*@
 @ requires \valid(t) && \valid_read(d) && \separated(t, d);
 @ assigns *t;
 @ ensures \result == \null ==>
 @   !\old(t->indirect) && t->indirect && t->desc == \null;
 @ ensures \result != \null ==> *t == \old(*t);
 @*/
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
/*@
 @ requires \valid_read(t);
 @ assigns \nothing;
 @ ensures \result == \min(t->entries, VHOST_USER_QUEUE_SIZE_MAX);
 @*/
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
/*@
 @ requires \valid(mem) && memory_is_valid(mem);
 @ requires \valid(req) && \separated(mem, req);
 @ requires request_is_valid(mem, req);
 @ requires t.desc != \null ==> \valid_read(t.desc + (0 .. t.entries - 1));
 @ assigns req->segments[0 .. REQUEST_SEGMENTS - 1], req->nsegments, req->len,
 @   mem->recent, chain_ends[0 .. REQUEST_SEGMENTS];
 @ ensures memory_is_valid(mem) && request_is_valid(mem, req);
 @*/
static const char *
walk_chain(struct memory *mem, struct request *req, struct table t, uint32_t i)
{
	struct virtq_desc d;
	const char *fault;
	uint32_t seen = 0;

	/*@
	 @ loop invariant memory_is_valid(mem) && request_is_valid(mem, req);
	 @ loop invariant t.desc != \null ==>
	 @   \valid_read(t.desc + (0 .. t.entries - 1));
	 @ loop invariant seen <= \min(t.entries, VHOST_USER_QUEUE_SIZE_MAX);
	 @ loop assigns d, fault, seen, i, t,
	 @   req->segments[0 .. REQUEST_SEGMENTS - 1], req->nsegments, req->len,
	 @   mem->recent, chain_ends[0 .. REQUEST_SEGMENTS];
	 @ loop variant (t.indirect ? 0 : VHOST_USER_QUEUE_SIZE_MAX + 1) +
	 @   \min(t.entries, VHOST_USER_QUEUE_SIZE_MAX) - seen;
	 @*/
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
		if ((d.flags & DESC_F_NEXT) == 0 || chain_is_full(req))
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
	const char *fault;

	req->head = head;
	req->len = 0;
	req->nsegments = 0;
	/*@ ghost chain_ends[0] = 0; */
	fault = walk_chain(mem, req, t, head);
	if (fault == NULL && req->len == 0)
		fault = "chain without device-writable buffer";
	/*@ ghost walked: ; */
	req->fault = fault;
	/*@ assert memory_is_same{walked,Here}(mem); */
	/*@ assert segments_are_same{walked,Here}(req, req->nsegments); */
	/*@ assert segments_are_valid(mem, req, req->nsegments); */
}

const char chain_empty[] = "chain without device-writable buffer";

void
chain_begin(struct request *req)
{
	req->head = req->count = req->len = req->nsegments = 0;
	req->fault = NULL;
	/*@ ghost chain_ends[0] = 0; */
}

const char *
chain_add(struct memory *mem, struct request *req, uint64_t addr, uint64_t len)
{
	return add_buffer(mem, req, addr, len);
}
