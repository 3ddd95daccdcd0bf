/*
 * Maps guest memory, translates its addresses, and survives SIGBUS.  Used by
 * all code that accesses memory of the frontend.
 */
#include <sys/mman.h>
#include <sys/stat.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "vhost/device/memory.h"

#define PAGE_MIN 4096

/* For the handler of SIGBUS, which receives only an address. */
static struct memory *sigbus_memory;

/* Replaces a mapping with private memory, if it contains `addr`. */
static bool
mapping_replace(const struct mapping *map, const uint8_t *addr)
{
	if (map->base == NULL || addr < map->base ||
	    addr >= map->base + map->length)
		return false;
	return mmap(map->base, map->length, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1,
		   0) != MAP_FAILED;
}

static void
sigbus(int sig, siginfo_t *si, void *context)
{
	struct memory *mem = sigbus_memory;
	int saved = errno;
	bool replaced;

	(void)sig, (void)context;
	replaced = mapping_replace(&mem->log, si->si_addr) ||
	    mapping_replace(&mem->inflight, si->si_addr);
	for (uint32_t i = 0; i < mem->nregions && !replaced; i++)
		replaced = mapping_replace(&mem->regions[i].map, si->si_addr);
	if (!replaced)
		_exit(1);
	mem->lost = 1;
	errno = saved;
}

/*@
 @ assigns \nothing;
 @*/
static void
catch_sigbus(void)
{
	struct sigaction sa = {
		.sa_sigaction = sigbus,
		.sa_flags = SA_SIGINFO,
	};

	if (sigemptyset(&sa.sa_mask) == -1 ||
	    sigaction(SIGBUS, &sa, NULL) == -1)
		log_fatal("sigaction: %s", strerror(errno));
}

/*@
 @ requires \valid(map);
 @ assigns *map;
 @ ensures mapping_is_valid(map);
 @*/
static void
mapping_clear(struct mapping *map)
{
	map->base = map->start = NULL;
	map->length = map->size = 0;
	map->offset = 0;
	map->id = 0;
}

void
memory_init(struct memory *mem)
{
	sigbus_memory = mem;
	catch_sigbus();
	mapping_clear(&mem->log);
	mapping_clear(&mem->inflight);
	mem->recent = 0;
	mem->shrunk = mem->logging = false;
	mem->lost = 0;
	/* Regions are set when they are added: their pages stay unused. */
	mem->nregions = 0;
	mem->removals = 0;
}

/*
 * The page size of a file, to which its mappings must be aligned: on hugetlbfs
 * it is the block size.
 */
/*@
 @ requires \valid_read(st);
 @ assigns \nothing;
 @ ensures 0 < \result <= INT64_MAX;
 @*/
static uint64_t
page_size(const struct stat *st)
{
	uint64_t size = (uint64_t)st->st_blksize;

	if (st->st_blksize < PAGE_MIN || (size & (size - 1)) != 0)
		return PAGE_MIN;
	return size;
}

/*@
 @ requires page > 0;
 @ assigns \nothing;
 @ ensures \result <= n < \result + page;
 @*/
static uint64_t
round_down(uint64_t n, uint64_t page)
{
	return n - n % page;
}

int
mapping_open(struct mapping *map, int fd, uint64_t offset, uint64_t size,
    const char **why)
{
	struct stat st;
	uint64_t end, page, first, length;
	uint8_t *base;

	if (fstat(fd, &st) == -1) {
		*why = strerror(errno);
		return -1;
	}
	page = page_size(&st);
	if (size == 0 || __builtin_add_overflow(offset, size, &end) ||
	    end > INT64_MAX - page) {
		*why = "size or offset is out of range";
		return -1;
	}
	if (S_ISREG(st.st_mode) && end > (uint64_t)st.st_size) {
		*why = "region exceeds its file";
		return -1;
	}
	first = round_down(offset, page);
	length = round_down(end + page - 1, page) - first;
	base = mmap(NULL, length, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_NORESERVE, fd, (off_t)first);
	if (base == MAP_FAILED) {
		*why = strerror(errno);
		return -1;
	}
	map->base = base;
	map->length = length;
	map->start = map->base + (offset - first);
	map->size = size;
	map->offset = offset;
	return 0;
}

void
mapping_close(struct mapping *map)
{
	if (map->base != NULL && munmap(map->base, map->length) == -1)
		log_error("munmap: %s", strerror(errno));
	mapping_clear(map);
}

/* Whether two ranges overlap; they must not wrap around. */
/*@
 @ assigns \nothing;
 @*/
static bool
overlap(uint64_t a, uint64_t asize, uint64_t b, uint64_t bsize)
{
	return a < b + bsize && b < a + asize;
}

/*@
 @ assigns \nothing;
 @ ensures \result <==> addr + size > UINT64_MAX;
 @*/
static bool
wraps(uint64_t addr, uint64_t size)
{
	uint64_t end;

	return __builtin_add_overflow(addr, size, &end);
}

/* Why a region cannot be added, or NULL. */
/*@
 @ requires \valid_read(mem) && memory_is_valid(mem) && \valid_read(desc);
 @ assigns \nothing;
 @ ensures \result == \null ==> mem->nregions < VHOST_USER_MEM_SLOTS &&
 @   desc->guest_addr + desc->size <= UINT64_MAX &&
 @   desc->user_addr + desc->size <= UINT64_MAX;
 @*/
static const char *
region_fault(const struct memory *mem, const struct vhost_user_region *desc)
{
	if (mem->nregions == VHOST_USER_MEM_SLOTS)
		return "all memory slots are in use";
	if (wraps(desc->guest_addr, desc->size) ||
	    wraps(desc->user_addr, desc->size))
		return "addresses of the region wrap around";
	/*@
	 @ loop invariant i <= mem->nregions;
	 @ loop assigns i;
	 @ loop variant mem->nregions - i;
	 @*/
	for (uint32_t i = 0; i < mem->nregions; i++) {
		const struct vhost_user_region *o = &mem->regions[i].desc;

		if (overlap(o->guest_addr, o->size, desc->guest_addr,
			desc->size) ||
		    overlap(o->user_addr, o->size, desc->user_addr, desc->size))
			return "region overlaps another one";
	}
	return NULL;
}

/*@
 @ predicate copy_is_valid(struct region r) =
 @   r.desc.guest_addr + r.desc.size <= UINT64_MAX &&
 @   r.desc.user_addr + r.desc.size <= UINT64_MAX &&
 @   \valid(r.map.start + (0 .. r.desc.size - 1));
 @*/

/*@
 @ requires \valid(mem) && i < VHOST_USER_MEM_SLOTS && copy_is_valid(r);
 @ assigns mem->regions[i];
 @ ensures region_is_valid(&mem->regions[i]);
 @ ensures mem->nregions == \old(mem->nregions);
 @ ensures \forall integer k; 0 <= k < VHOST_USER_MEM_SLOTS && k != i ==>
 @   region_is_same{Pre,Post}(&mem->regions[k]);
 @*/
static void
set_region(struct memory *mem, uint32_t i, struct region r)
{
	mem->regions[i] = r;
}

/* Adds the region behind the last one, where it belongs. */
/*@
 @ requires \valid(mem) && memory_is_valid(mem);
 @ requires mem->nregions < VHOST_USER_MEM_SLOTS;
 @ requires region_is_valid(&mem->regions[mem->nregions]);
 @ assigns mem->regions[0 .. VHOST_USER_MEM_SLOTS - 1], mem->nregions,
 @   mem->recent;
 @ ensures memory_is_valid(mem);
 @*/
static void
insert_last(struct memory *mem)
{
	struct region last = mem->regions[mem->nregions];
	uint32_t i;

	/*@ assert copy_is_valid(last); */
	/*@
	 @ loop invariant i <= mem->nregions < VHOST_USER_MEM_SLOTS;
	 @ loop invariant regions_are_valid(mem, 0, i);
	 @ loop invariant regions_are_valid(mem, i + 1, mem->nregions + 1);
	 @ loop assigns i, mem->regions[0 .. VHOST_USER_MEM_SLOTS - 1];
	 @ loop variant i;
	 @*/
	for (i = mem->nregions; i > 0 &&
	     mem->regions[i - 1].desc.guest_addr > last.desc.guest_addr;
	     i--)
		set_region(mem, i, mem->regions[i - 1]);
	set_region(mem, i, last);
	mem->nregions++;
	mem->recent = (uint16_t)i;
}

int
memory_add(struct memory *mem, const struct vhost_user_region *desc, int fd,
    uint32_t id, const char **why)
{
	const char *fault = region_fault(mem, desc);
	struct region *r = &mem->regions[mem->nregions];

	if (fault != NULL) {
		*why = fault;
		/*@ assert memory_is_same{Pre,Here}(mem); */
		/*@ assert memory_is_valid(mem); */
		return -1;
	}
	if (mapping_open(&r->map, fd, desc->mmap_offset, desc->size, why) ==
	    -1) {
		/*@ assert memory_is_same{Pre,Here}(mem); */
		/*@ assert memory_is_valid(mem); */
		return -1;
	}
	/*@ assert memory_is_same{Pre,Here}(mem); */
	/*@ ghost opened: ; */
	r->map.id = id;
	r->desc = *desc;
	/*@ assert memory_is_same{opened,Here}(mem); */
	/*@ assert memory_is_valid(mem); */
	/*@ assert r->desc.size == desc->size; */
	/*@ assert region_is_valid(r); */
	insert_last(mem);
	mem->shrunk = false;
	return 0;
}

int
memory_remove(struct memory *mem, const struct vhost_user_region *desc)
{
	/*@
	 @ loop invariant i <= mem->nregions;
	 @ loop assigns i;
	 @ loop variant mem->nregions - i;
	 @*/
	for (uint32_t i = 0; i < mem->nregions; i++) {
		struct region *r = &mem->regions[i];

		if (r->desc.guest_addr != desc->guest_addr ||
		    r->desc.user_addr != desc->user_addr ||
		    r->desc.size != desc->size)
			continue;
		mapping_close(&r->map);
		mem->removals++;
		mem->nregions--;
		/*@
		 @ loop invariant
		 @   i <= mem->nregions < VHOST_USER_MEM_SLOTS;
		 @ loop invariant regions_are_valid(mem, 0, i);
		 @ loop invariant
		 @   regions_are_valid(mem, i + 1, mem->nregions + 1);
		 @ loop assigns i, mem->regions[0 .. VHOST_USER_MEM_SLOTS - 1];
		 @ loop variant mem->nregions - i;
		 @*/
		for (; i < mem->nregions; i++)
			set_region(mem, i, mem->regions[i + 1]);
		mem->recent = 0;
		mem->shrunk = true;
		return 0;
	}
	return -1;
}

void
memory_clear(struct memory *mem)
{
	/*@
	 @ loop invariant i <= mem->nregions <= VHOST_USER_MEM_SLOTS;
	 @ loop assigns i, mem->regions[0 .. VHOST_USER_MEM_SLOTS - 1];
	 @ loop variant mem->nregions - i;
	 @*/
	for (uint32_t i = 0; i < mem->nregions; i++)
		mapping_close(&mem->regions[i].map);
	mem->removals++;
	mem->nregions = 0;
	mem->recent = 0;
}

/*@
 @ requires \valid_read(r);
 @ assigns \nothing;
 @ ensures \result <==> r->desc.guest_addr <= addr <
 @   r->desc.guest_addr + r->desc.size;
 @*/
static bool
region_has(const struct region *r, uint64_t addr)
{
	return addr >= r->desc.guest_addr &&
	    addr - r->desc.guest_addr < r->desc.size;
}

/* The region that contains a guest address, or NULL. */
/*@
 @ requires \valid(mem) && memory_is_valid(mem);
 @ assigns mem->recent, \result \from *mem, addr;
 @ ensures \result == \null ||
 @   (\exists integer i; 0 <= i < mem->nregions &&
 @     \result == &mem->regions[i]);
 @ ensures \result != \null ==>
 @   \result->desc.guest_addr <= addr <
 @     \result->desc.guest_addr + \result->desc.size;
 @*/
static struct region *
region_find(struct memory *mem, uint64_t addr)
{
	uint32_t low = 0, high = mem->nregions, mid;

	if (mem->recent < mem->nregions &&
	    region_has(&mem->regions[mem->recent], addr))
		return &mem->regions[mem->recent];
	/*@
	 @ loop invariant low <= high <= mem->nregions;
	 @ loop assigns low, high, mid;
	 @ loop variant high - low;
	 @*/
	while (low < high) {
		mid = low + (high - low) / 2;
		if (region_has(&mem->regions[mid], addr)) {
			mem->recent = (uint16_t)mid;
			return &mem->regions[mid];
		}
		if (addr < mem->regions[mid].desc.guest_addr)
			high = mid;
		else
			low = mid + 1;
	}
	return NULL;
}

uint8_t *
memory_guest(struct memory *mem, uint64_t addr, uint64_t *len)
{
	struct region *r;
	uint64_t offset;

	if ((r = region_find(mem, addr)) == NULL)
		return NULL;
	offset = addr - r->desc.guest_addr;
	if (*len > r->desc.size - offset)
		*len = r->desc.size - offset;
	return r->map.start + offset;
}

uint8_t *
memory_user(struct memory *mem, uint64_t addr, uint64_t len)
{
	/*@
	 @ loop invariant i <= mem->nregions;
	 @ loop assigns i;
	 @ loop variant mem->nregions - i;
	 @*/
	for (uint32_t i = 0; i < mem->nregions; i++) {
		const struct region *r = &mem->regions[i];
		uint64_t offset = addr - r->desc.user_addr;

		if (addr >= r->desc.user_addr && offset < r->desc.size)
			return len <= r->desc.size - offset
			    ? r->map.start + offset
			    : NULL;
	}
	return NULL;
}

bool
memory_user_to_guest(const struct memory *mem, uint64_t addr,
    uint64_t *guest_addr)
{
	/*@
	 @ loop invariant i <= mem->nregions;
	 @ loop assigns i;
	 @ loop variant mem->nregions - i;
	 @*/
	for (uint32_t i = 0; i < mem->nregions; i++) {
		const struct vhost_user_region *r = &mem->regions[i].desc;

		if (addr >= r->user_addr && addr - r->user_addr < r->size) {
			*guest_addr = r->guest_addr + (addr - r->user_addr);
			return true;
		}
	}
	return false;
}

void
memory_dirty(struct memory *mem, uint64_t guest_addr, uint64_t len)
{
	uint64_t page, last;

	if (!mem->logging || mem->log.base == NULL || len == 0)
		return;
	last = (guest_addr + len - 1) / LOG_PAGE_SIZE;
	/*@
	 @ loop invariant page <= UINT64_MAX / LOG_PAGE_SIZE + 1;
	 @ loop assigns page, mem->log.start[0 .. mem->log.size - 1];
	 @ loop variant last - page;
	 @*/
	for (page = guest_addr / LOG_PAGE_SIZE; page <= last; page++) {
		if (page / 8 >= mem->log.size)
			return;
		__atomic_fetch_or(&mem->log.start[page / 8],
		    (uint8_t)(1U << (page % 8)), __ATOMIC_SEQ_CST);
	}
}
