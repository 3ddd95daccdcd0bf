/*
 * Guest memory, and all other memory that the frontend shares: the only place
 * that maps it and checks its addresses.
 *
 * The frontend may shrink a file below a mapping.  An access to the hole would
 * end the process by SIGBUS; instead the mapping is replaced with private
 * memory and `lost` is set, so that the access succeeds and the session ends in
 * order.
 */
#ifndef VRNGD_MEMORY_H
#define VRNGD_MEMORY_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vhost/protocol/vhost_user.h"

#define LOG_PAGE_SIZE 4096 /* bytes per bit of the dirty log */

/*
 * Only memory.c writes these fields, and it is proved to keep them valid:
 * scripts/prove compiles all other files with them constant.
 */
#ifndef MEMORY_OWNED
#define MEMORY_OWNED
#endif

/* A mapped part of a file. */
struct mapping {
	uint8_t *MEMORY_OWNED base;  /* what mmap() returned, or NULL */
	size_t MEMORY_OWNED length;  /* bytes mapped */
	uint8_t *MEMORY_OWNED start; /* the requested part */
	size_t MEMORY_OWNED size;
	uint64_t offset; /* its offset in the file */
	uint32_t id;	 /* id of the file in the deposit */
};

struct region {
	struct vhost_user_region desc;
	struct mapping map;
};

struct memory {
	struct region MEMORY_OWNED regions[VHOST_USER_MEM_SLOTS];
	uint32_t MEMORY_OWNED nregions; /* sorted by guest address */
	uint64_t MEMORY_OWNED removals; /* so far, after which a region may be
					 * unmapped */
	uint16_t recent;		/* region of the last address */
	struct mapping log;		/* the dirty log */
	struct mapping inflight;
	bool shrunk;  /* regions were removed, and none added since */
	bool logging; /* LOG_ALL was negotiated */
	volatile sig_atomic_t lost;
};

/*@
 @ // What a mapping says that it maps, if anything.
 @ predicate mapping_is_valid(struct mapping *m) =
 @   \valid(m->start + (0 .. m->size - 1));
 @
 @ predicate region_is_valid(struct region *r) =
 @   r->desc.guest_addr + r->desc.size <= UINT64_MAX &&
 @   r->desc.user_addr + r->desc.size <= UINT64_MAX &&
 @   \valid(r->map.start + (0 .. r->desc.size - 1));
 @
 @ predicate region_is_same{L1,L2}(struct region *r) =
 @   \at(r->desc.guest_addr, L1) == \at(r->desc.guest_addr, L2) &&
 @   \at(r->desc.user_addr, L1) == \at(r->desc.user_addr, L2) &&
 @   \at(r->desc.size, L1) == \at(r->desc.size, L2) &&
 @   \at(r->map.start, L1) == \at(r->map.start, L2);
 @
 @ // What memory_add() and memory_remove() leave.
 @ predicate memory_is_valid(struct memory *mem) =
 @   mem->nregions <= VHOST_USER_MEM_SLOTS &&
 @   \forall integer i; 0 <= i < mem->nregions ==>
 @     region_is_valid(&mem->regions[i]);
 @
 @ // All of them but those before `from`, and from `to` on.
 @ predicate regions_are_valid(struct memory *mem, integer from,
 @     integer to) =
 @   \forall integer i; from <= i < to ==> region_is_valid(&mem->regions[i]);
 @
 @ // Guest address `addr` is at `host`, with `len` bytes of one region.
 @ predicate memory_maps(struct memory *mem, integer addr, uint8_t *host,
 @     integer len) =
 @   \exists integer i; 0 <= i < mem->nregions &&
 @     mem->regions[i].desc.guest_addr <= addr &&
 @     addr + len <= mem->regions[i].desc.guest_addr +
 @       mem->regions[i].desc.size &&
 @     host == mem->regions[i].map.start +
 @       (addr - mem->regions[i].desc.guest_addr);
 @
 @ predicate memory_is_same{L1,L2}(struct memory *mem) =
 @   \at(mem->nregions, L1) == \at(mem->nregions, L2) &&
 @   \forall integer i; 0 <= i < \at(mem->nregions, L1) ==>
 @     \at(mem->regions[i].desc.guest_addr, L1) ==
 @       \at(mem->regions[i].desc.guest_addr, L2) &&
 @     \at(mem->regions[i].desc.user_addr, L1) ==
 @       \at(mem->regions[i].desc.user_addr, L2) &&
 @     \at(mem->regions[i].desc.size, L1) ==
 @       \at(mem->regions[i].desc.size, L2) &&
 @     \at(mem->regions[i].map.start, L1) ==
 @       \at(mem->regions[i].map.start, L2);
 @
 @ lemma memory_same_maps{L1,L2}: \forall struct memory *mem, integer addr,
 @     uint8_t *host, integer len;
 @   memory_is_same{L1,L2}(mem) && memory_maps{L1}(mem, addr, host, len) ==>
 @   memory_maps{L2}(mem, addr, host, len);
 @
 @ // No region has any of the `len` bytes at `p`.
 @ predicate memory_is_apart(struct memory *mem, uint8_t *p, integer len) =
 @   \forall integer i; 0 <= i < mem->nregions ==>
 @     \separated(p + (0 .. len - 1), mem->regions[i].map.start +
 @       (0 .. mem->regions[i].desc.size - 1));
 @*/

/* Initializes an empty memory, and handles SIGBUS.  One per process. */
/*@
 @ requires \valid(mem);
 @ ensures memory_is_valid(mem) && mapping_is_valid(&mem->log);
 @ ensures mapping_is_valid(&mem->inflight);
 @*/
void memory_init(struct memory *mem);

/*
 * Maps `size` bytes at `offset` of a file, for reading and writing.  The caller
 * still owns the fd.  Returns 0, or -1 with the reason in `*why`.
 */
/*@
 @ requires \valid(map) && \valid(why) && \separated(map, why);
 @ assigns map->base, map->length, map->start, map->size, map->offset, *why;
 @ ensures \result == 0 || \result == -1;
 @ ensures \result == 0 ==> mapping_is_valid(map) && map->size == size;
 @ ensures \result == -1 ==>
 @   map->start == \old(map->start) && map->size == \old(map->size);
 @*/
int mapping_open(struct mapping *map, int fd, uint64_t offset, uint64_t size,
    const char **why);

/*@
 @ requires \valid(map);
 @ assigns *map;
 @ ensures mapping_is_valid(map);
 @*/
void mapping_close(struct mapping *map);

/*
 * Adds a region (VHOST_USER_ADD_MEM_REG) of a file with this `id` in the
 * deposit.  It must not overlap another in guest or frontend addresses.
 * Returns like mapping_open().
 */
/*@
 @ requires \valid(mem) && memory_is_valid(mem) && \valid_read(desc);
 @ requires \valid(why) && \separated(mem, desc, why);
 @ assigns mem->regions[0 .. VHOST_USER_MEM_SLOTS - 1], mem->nregions,
 @   mem->recent, mem->shrunk, *why;
 @ ensures memory_is_valid(mem);
 @*/
int memory_add(struct memory *mem, const struct vhost_user_region *desc, int fd,
    uint32_t id, const char **why);

/* Removes the region with exactly these addresses and size.  -1: none. */
/*@
 @ requires \valid(mem) && memory_is_valid(mem) && \valid_read(desc);
 @ requires \separated(mem, desc);
 @ assigns mem->regions[0 .. VHOST_USER_MEM_SLOTS - 1], mem->nregions,
 @   mem->removals, mem->recent, mem->shrunk;
 @ ensures memory_is_valid(mem);
 @ ensures \result == 0 ==>
 @   mem->removals == (uint64_t)(\old(mem->removals) + 1);
 @*/
int memory_remove(struct memory *mem, const struct vhost_user_region *desc);

/* Removes all regions. */
/*@
 @ requires \valid(mem) && memory_is_valid(mem);
 @ assigns mem->regions[0 .. VHOST_USER_MEM_SLOTS - 1], mem->nregions,
 @   mem->removals, mem->recent;
 @ ensures memory_is_valid(mem);
 @ ensures mem->removals == (uint64_t)(\old(mem->removals) + 1);
 @*/
void memory_clear(struct memory *mem);

/*
 * The mapping of guest address `addr`; `*len` (bytes) is reduced to the rest of
 * the region.  NULL if the address is in no region.
 */
/*@
 @ requires \valid(mem) && \valid(len) && \separated(mem, len);
 @ requires memory_is_valid(mem);
 @ assigns mem->recent, *len, \result \from *mem, addr, *len;
 @ ensures memory_is_valid(mem);
 @ ensures *len <= \old(*len);
 @ ensures \result == \null ==> *len == \old(*len);
 @ ensures \result != \null && \old(*len) > 0 ==> *len > 0;
 @ ensures \result != \null ==> memory_maps(mem, addr, \result, *len);
 @ ensures \result != \null ==> \valid(\result + (0 .. *len - 1));
 @*/
uint8_t *memory_guest(struct memory *mem, uint64_t addr, uint64_t *len);

/*
 * The mapping of the frontend's address `addr`, if all `len` bytes are in one
 * region; otherwise NULL.
 */
/*@
 @ requires \valid_read(mem) && memory_is_valid(mem);
 @ assigns \result \from *mem, addr, len;
 @ ensures \result != \null ==> \valid(\result + (0 .. len - 1));
 @*/
uint8_t *memory_user(struct memory *mem, uint64_t addr, uint64_t len);

/* The guest address of the frontend's address `addr`; false: it has none. */
/*@
 @ requires \valid_read(mem) && memory_is_valid(mem);
 @ requires \valid(guest_addr) && \separated(mem, guest_addr);
 @ assigns *guest_addr;
 @*/
bool memory_user_to_guest(const struct memory *mem, uint64_t addr,
    uint64_t *guest_addr);

/* Marks guest memory as written, if the frontend logs writes. */
/*@
 @ requires \valid_read(mem) && mapping_is_valid(&mem->log);
 @ assigns mem->log.start[0 .. mem->log.size - 1];
 @*/
void memory_dirty(struct memory *mem, uint64_t guest_addr, uint64_t len);

#endif
