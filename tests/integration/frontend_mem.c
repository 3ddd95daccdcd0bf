/*
 * The fake frontend's guest memory.  The frontend's addresses have nothing
 * to do with the guest's, so that a backend that mixes them up fails.
 */
#include <sys/mman.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "integration/frontend.h"

int
fe_mem_add(struct fe *fe, uint64_t gpa, uint64_t size, uint64_t offset)
{
	struct fe_region *r = &fe->regions[fe->nregions];

	if (fe->nregions == FE_MAX_REGIONS) {
		errno = ENOSPC;
		return -1;
	}
	r->fd = memfd_create("guest",
	    MFD_CLOEXEC | MFD_ALLOW_SEALING | fe->memfd_flags);
	if (r->fd == -1)
		return -1;
	if (ftruncate(r->fd, (off_t)(offset + size)) == -1)
		goto fail;
	r->base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd,
	    (off_t)offset);
	if (r->base == MAP_FAILED)
		goto fail;
	r->wire.gpa = gpa;
	r->wire.size = size;
	r->wire.offset = offset;
	r->wire.uva = FE_UVA_BASE - fe->nregions * UINT64_C(0x1000000000);
	fe->nregions++;
	return 0;
fail:
	close(r->fd);
	r->fd = -1;
	return -1;
}

int
fe_mem_default(struct fe *fe)
{
	if (fe_mem_add(fe, 0, FE_SPLIT_GPA, 0) == -1)
		return -1;
	return fe_mem_add(fe, FE_SPLIT_GPA, FE_MEM_END - FE_SPLIT_GPA,
	    3 * FE_PAGE);
}

int
fe_mem_slot(struct fe *fe, uint32_t request, const struct fe_region *r)
{
	struct {
		uint64_t padding;
		struct fe_wire_region region;
	} payload = { .region = r->wire };

	return fe_set(fe, request, &payload, sizeof(payload), &r->fd,
	    request == FE_ADD_MEM_REG);
}

int
fe_mem_send(struct fe *fe)
{
	struct {
		uint32_t n;
		uint32_t padding;
		struct fe_wire_region regions[8];
	} table = { 0 };
	int fds[8], rc;
	size_t i;

	fe->mem_sent = true;
	if (fe->pfeatures & FE_P_MEM_SLOTS) {
		for (i = 0; i < fe->nregions; i++) {
			rc = fe_mem_slot(fe, FE_ADD_MEM_REG, &fe->regions[i]);
			if (rc != 0)
				return rc;
		}
		return 0;
	}
	if (fe->nregions > 8) {
		errno = EINVAL;
		return -1;
	}
	for (i = 0; i < fe->nregions; i++) {
		table.regions[i] = fe->regions[i].wire;
		fds[i] = fe->regions[i].fd;
	}
	table.n = (uint32_t)i;
	return fe_set(fe, FE_SET_MEM_TABLE, &table,
	    8 + i * sizeof(table.regions[0]), fds, i);
}

/* The region of a guest address, and how many bytes it has from there. */
static const struct fe_region *
find(const struct fe *fe, uint64_t gpa, uint64_t *left)
{
	const struct fe_region *r;
	size_t i;

	for (i = 0; i < fe->nregions; i++) {
		r = &fe->regions[i];
		if (gpa >= r->wire.gpa && gpa - r->wire.gpa < r->wire.size) {
			*left = r->wire.size - (gpa - r->wire.gpa);
			return r;
		}
	}
	return NULL;
}

void *
fe_ptr(const struct fe *fe, uint64_t gpa, size_t len)
{
	const struct fe_region *r;
	uint64_t left;

	r = find(fe, gpa, &left);
	if (r == NULL || left < len)
		return NULL;
	return r->base + (gpa - r->wire.gpa);
}

uint64_t
fe_uva(const struct fe *fe, uint64_t gpa)
{
	const struct fe_region *r;
	uint64_t left;

	r = find(fe, gpa, &left);
	return r == NULL ? 0 : r->wire.uva + (gpa - r->wire.gpa);
}

int
fe_mem_read(const struct fe *fe, uint64_t gpa, void *buf, size_t len)
{
	const struct fe_region *r;
	uint64_t left;
	size_t n;

	for (; len > 0; len -= n, gpa += n, buf = (char *)buf + n) {
		if ((r = find(fe, gpa, &left)) == NULL) {
			errno = EFAULT;
			return -1;
		}
		n = len < left ? len : (size_t)left;
		memcpy(buf, r->base + (gpa - r->wire.gpa), n);
	}
	return 0;
}

int
fe_mem_fill(struct fe *fe, uint64_t gpa, uint8_t byte, size_t len)
{
	const struct fe_region *r;
	uint64_t left;
	size_t n;

	for (; len > 0; len -= n, gpa += n) {
		if ((r = find(fe, gpa, &left)) == NULL) {
			errno = EFAULT;
			return -1;
		}
		n = len < left ? len : (size_t)left;
		memset(r->base + (gpa - r->wire.gpa), byte, n);
	}
	return 0;
}
