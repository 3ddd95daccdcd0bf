/*
 * Guest memory, and every other memory that the frontend shares with us: the
 * one place where such memory is mapped and where its addresses are checked.
 *
 * The frontend may shrink a file under a mapping.  The access that hits the
 * hole would end the process by SIGBUS; instead the mapping is replaced with
 * private memory and `lost` is set, so that the access goes through and the
 * session can be ended in order.
 */
#ifndef VRNGD_MEMORY_H
#define VRNGD_MEMORY_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vhost/protocol/vhost_user.h"

#define LOG_PAGE_SIZE 4096 /* a bit of the dirty log stands for these */

/* A part of a file, mapped. */
struct mapping {
	uint8_t *base;	/* what mmap() returned, or NULL */
	size_t length;	/* bytes mapped */
	uint8_t *start; /* the part that was asked for */
	size_t size;
	uint64_t offset; /* of it in the file */
	uint32_t id;	 /* of the file, in the deposit */
};

struct region {
	struct vhost_user_region desc;
	struct mapping map;
};

struct memory {
	struct region regions[VHOST_USER_MEM_SLOTS];
	uint32_t nregions;  /* sorted by guest address */
	uint32_t recent;    /* where the last address was */
	struct mapping log; /* the dirty log */
	struct mapping inflight;
	bool shrunk;  /* regions were removed, and none added since */
	bool logging; /* LOG_ALL was negotiated */
	volatile sig_atomic_t lost;
};

/* Makes an empty memory, and SIGBUS harmless.  One to a process. */
void memory_init(struct memory *);

/*
 * Maps `size` bytes at `offset` of a file, for reading and writing.  The fd
 * stays the caller's.  Returns 0, or -1 and in `*why` the reason.
 */
int mapping_open(struct mapping *, int fd, uint64_t offset, uint64_t size,
    const char **why);
void mapping_close(struct mapping *);

/*
 * Adds a region (VHOST_USER_ADD_MEM_REG) of a file that has `id` in the
 * deposit; it must not overlap another in guest or frontend addresses.  Returns
 * as mapping_open().
 */
int memory_add(struct memory *, const struct vhost_user_region *, int fd,
    uint32_t id, const char **why);

/* Removes the region of just these addresses and size.  -1: there is none. */
int memory_remove(struct memory *, const struct vhost_user_region *);
void memory_clear(struct memory *);

/*
 * Where guest address `addr` is mapped; `*len` (bytes) is cut to what follows
 * in the same region.  NULL if the address is in no region.
 */
uint8_t *memory_guest(struct memory *, uint64_t addr, uint64_t *len);

/*
 * Where the frontend's address `addr` is mapped, if all `len` bytes are in one
 * region; else NULL.
 */
uint8_t *memory_user(struct memory *, uint64_t addr, uint64_t len);

/* Marks guest memory as written, if the frontend logs that. */
void memory_dirty(struct memory *, uint64_t guest_addr, uint64_t len);

#endif
