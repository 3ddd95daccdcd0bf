/*
 * Memory that is shared with processes which are not trusted.
 */
#ifndef VRNGD_SEALED_H
#define VRNGD_SEALED_H

#include <stdint.h>

/*
 * Makes a memory file of `size` bytes, all 0, whose size cannot be changed.
 * Returns its descriptor, or -1 with errno.
 */
int sealed_memory(const char *name, uint64_t size);

#endif
