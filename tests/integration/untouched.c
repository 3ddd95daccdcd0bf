/*
 * What a request may change in guest memory, by its descriptors as they are;
 * for tests of requests that are malformed.
 */
#include <stdlib.h>
#include <string.h>

#include "integration/untouched.h"

#define CHAIN_MAX 4096 /* descriptors, of one that never ends */

static void
allow(struct untouched *u, uint64_t gpa, uint64_t len)
{
	if (gpa >= FE_MEM_END)
		return;
	if (len > FE_MEM_END - gpa)
		len = FE_MEM_END - gpa;
	memset(u->may + gpa, true, len);
}

/* The buffers of a chain, for as long as its descriptors are there. */
static void
allow_chain(struct untouched *u, const struct fe_desc *table, size_t n,
    uint16_t head)
{
	const struct fe_desc *d;

	for (int i = 0; i < CHAIN_MAX && head < n; i++) {
		d = &table[head];
		if ((d->flags & (FE_DESC_WRITE | FE_DESC_INDIRECT)) ==
		    FE_DESC_WRITE)
			allow(u, d->addr, d->len);
		if ((d->flags & FE_DESC_NEXT) == 0)
			break;
		head = d->next;
	}
}

/* All buffers of a table, as it is with a packed ring. */
static void
allow_each(struct untouched *u, const struct fe_packed_desc *table, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if ((table[i].flags & FE_DESC_WRITE) != 0)
			allow(u, table[i].addr, table[i].len);
}

/*
 * A table has a chain of its own, from its beginning, as far as there is one.
 */
static void
allow_tables(struct untouched *u, const struct fe *fe, uint16_t head)
{
	const struct fe_desc *d = &fe->ring.desc[head];
	uint64_t len = d->len;
	void *table;

	if ((d->flags & FE_DESC_INDIRECT) == 0 || d->addr >= FE_MEM_END)
		return;
	if (len > FE_MEM_END - d->addr)
		len = FE_MEM_END - d->addr;
	table = fe_ptr(fe, d->addr, len);
	if (table == NULL)
		return;
	if (fe->ring.packed != NULL)
		allow_each(u, table, len / sizeof(*d));
	else
		allow_chain(u, table, len / sizeof(*d), 0);
}

void
untouched_begin(struct untouched *u, const struct fe *fe, uint16_t head)
{
	const struct fe_ring *r = &fe->ring;

	u->was = malloc(FE_MEM_END);
	u->may = calloc(FE_MEM_END, sizeof(*u->may));
	assert_non_null(u->was);
	assert_non_null(u->may);
	CHECK(fe_mem_read(fe, 0, u->was, FE_MEM_END));
	/* The driver's own writing is about to come. */
	allow(u, r->avail_gpa, 6 + 2 * (uint64_t)r->size);
	allow(u, r->used_gpa,
	    6 + sizeof(struct fe_used_elem) * (uint64_t)r->size);
	if (r->packed != NULL)
		allow(u, r->desc_gpa,
		    sizeof(struct fe_packed_desc) * (uint64_t)r->size);
	if (head < r->size) {
		allow_chain(u, r->desc, r->size, head);
		allow_tables(u, fe, head);
	}
}

void
untouched_end(struct untouched *u, const struct fe *fe)
{
	uint8_t *is = malloc(FE_MEM_END);
	uint64_t gpa = 0;

	assert_non_null(is);
	CHECK(fe_mem_read(fe, 0, is, FE_MEM_END));
	while (gpa < FE_MEM_END && (u->may[gpa] || is[gpa] == u->was[gpa]))
		gpa++;
	free(is);
	free(u->was);
	free(u->may);
	if (gpa < FE_MEM_END)
		fail_msg("byte %#jx has changed", (uintmax_t)gpa);
}
