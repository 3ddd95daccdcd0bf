/*
 * Locked memory for bytes of sources and data derived from them: not swapped
 * out, and excluded from core dumps.
 */
#ifndef VRNGD_LOCKED_H
#define VRNGD_LOCKED_H

#include <stddef.h>

/*
 * Maps `size` zeroed bytes.  Ends the process if that fails; a failure to lock
 * them is logged, once in a process.
 */
void *locked_map(size_t size);

/* Wipes and unmaps them; NULL is ignored. */
void locked_unmap(void *memory, size_t size);

/*
 * Locks the pages of a variable, each from its first use, and excludes them
 * from core dumps.  Handles failures like the function above.
 */
void locked_keep(void *memory, size_t size);

#endif
