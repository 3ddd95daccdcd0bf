/*
 * Memory that one process writes to, and the parent only reads: whatever is in
 * it was written by somebody who is not trusted, at any time.
 */
#ifndef VRNGD_PAGE_H
#define VRNGD_PAGE_H

#include <stdint.h>

#include "parent/host/process.h"

struct page {
	int fd;		 /* of the memory file; -1: there is none */
	uint64_t size;	 /* bytes */
	const void *map; /* to be read by 64-bit loads */
};

/*
 * Makes a memory file of `size` bytes, all 0, whose size cannot be changed.
 * Returns its descriptor, or -1 with errno.
 */
int sealed_memory(const char *name, uint64_t size);

/*
 * Makes a page of `size` bytes, all 0, or takes one that an earlier daemon made
 * (fd, which is closed if it is not one).  Returns 0, or -1 with errno.
 */
int page_make(struct page *, uint64_t size);
int page_take(struct page *, int fd, uint64_t size);

/* Gives it to a child that was just started.  Returns 0, or -1 with errno. */
int page_give(const struct page *, struct process *);

/* Closes it.  Without one: nothing. */
void page_close(struct page *);

#endif
