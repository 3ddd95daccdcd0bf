/*
 * Locks memory for random bytes, and wipes it.  Used by the entropy process for
 * all bytes of sources, and by the workers for their windows.
 */
#include <sys/mman.h>

#include <sys/syscall.h>

#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "common/locked.h"
#include "common/log.h"

#define ON_FAULT 1 /* MLOCK_ONFAULT, which some C libraries do not define */

static void
exclude_from_dumps(void *memory, size_t size)
{
	if (madvise(memory, size, MADV_DONTDUMP) == -1)
		log_fatal("cannot exclude random bytes from core dumps: %s",
		    strerror(errno));
}

/* Logs the failure once. */
static void
cannot_lock(void)
{
	static atomic_flag warned = ATOMIC_FLAG_INIT;

	if (!atomic_flag_test_and_set(&warned))
		log_warning("cannot lock memory, random bytes may be swapped "
			    "out: raise RLIMIT_MEMLOCK (%s)",
		    strerror(errno));
}

void *
locked_map(size_t size)
{
	void *memory;

	memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		log_fatal("cannot map memory for random bytes: %s",
		    strerror(errno));
	exclude_from_dumps(memory, size);
	if (mlock(memory, size) == -1)
		cannot_lock();
	return memory;
}

void
locked_keep(void *memory, size_t size)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	uintptr_t before = (uintptr_t)memory % page;
	uint8_t *start = (uint8_t *)memory - before;

	size = (before + size + page - 1) / page * page;
	exclude_from_dumps(start, size);
	if (syscall(SYS_mlock2, start, size, ON_FAULT) == -1)
		cannot_lock();
}

void
locked_unmap(void *memory, size_t size)
{
	if (memory == NULL)
		return;
	explicit_bzero(memory, size);
	munmap(memory, size);
}
