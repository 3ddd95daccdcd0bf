/*
 * Memory for bytes of sources and for what is known of them: locked, so that it
 * is not swapped out, and left out of core dumps.
 */
#ifndef VRNGD_LOCKED_H
#define VRNGD_LOCKED_H

#include <stddef.h>

/*
 * Maps `size` bytes of 0.  Ends the process if there are none; if they must not
 * be locked that is logged, once in a process.
 */
void *locked_map(size_t size);

/* Wipes and unmaps them; NULL is nothing. */
void locked_unmap(void *memory, size_t size);

/*
 * Locks the pages that a variable is in, each from when it is first used, and
 * leaves them out of core dumps.  Ends the process and logs likewise.
 */
void locked_keep(void *memory, size_t size);

#endif
