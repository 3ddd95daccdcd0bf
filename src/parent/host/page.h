/*
 * A page of memory that a child writes and the parent only reads.  Its contents
 * are untrusted, and can change at any time.
 */
#ifndef VRNGD_PAGE_H
#define VRNGD_PAGE_H

#include <stdint.h>

#include "parent/host/process.h"

struct page {
	int fd;		 /* of the memory file; -1: none */
	uint64_t size;	 /* bytes */
	const void *map; /* to be read by 64-bit loads */
};

/*
 * Creates a memory file of `size` zeroed bytes, sealed against resizing.
 * Returns its descriptor, or -1 with errno.
 */
int sealed_memory(const char *name, uint64_t size);

/*
 * Creates a page of `size` zeroed bytes, or adopts the page of an earlier
 * daemon (fd, which is closed if it is invalid).  Returns 0, or -1 with errno.
 */
int page_make(struct page *, uint64_t size);
int page_take(struct page *, int fd, uint64_t size);

/* Sends it to a child after its start.  Returns 0, or -1 with errno. */
int page_give(const struct page *, struct process *);

/* Closes it, if it exists. */
void page_close(struct page *);

#endif
