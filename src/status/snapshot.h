/*
 * A status as the parent wrote it, which all who wait for it are sent.
 */
#ifndef VRNGD_SNAPSHOT_H
#define VRNGD_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SNAPSHOT_SIZE_MAX (UINT64_C(1) << 30) /* bytes */

struct snapshot {
	const char *text; /* JSON, mapped; not terminated */
	size_t size;
	unsigned int users;
};

/*
 * Maps a status of that size out of a memory file, and closes that.  It is
 * given back as soon as nobody uses it: it begins with one user.  Returns NULL
 * with errno if it cannot be mapped.
 */
struct snapshot *snapshot_new(int fd, uint64_t size);

/* One user more, or less.  NULL: nothing. */
struct snapshot *snapshot_use(struct snapshot *);
void snapshot_release(struct snapshot *);

#endif
