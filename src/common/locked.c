/*
 * Allocates and wipes locked memory.  Used by the entropy process wherever
 * bytes of a source are kept.
 */
#include <sys/mman.h>

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include "common/locked.h"
#include "common/log.h"

void *
locked_map(size_t size)
{
	static atomic_flag warned = ATOMIC_FLAG_INIT;
	void *memory;

	memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		log_fatal("cannot map memory for random bytes: %s",
		    strerror(errno));
	if (madvise(memory, size, MADV_DONTDUMP) == -1)
		log_fatal("cannot exclude random bytes from core dumps: %s",
		    strerror(errno));
	if (mlock(memory, size) == -1 && !atomic_flag_test_and_set(&warned))
		log_warning("cannot lock random bytes in memory (%s): they may "
			    "be swapped out; raise RLIMIT_MEMLOCK",
		    strerror(errno));
	return memory;
}

void
locked_unmap(void *memory, size_t size)
{
	if (memory == NULL)
		return;
	explicit_bzero(memory, size);
	munmap(memory, size);
}
