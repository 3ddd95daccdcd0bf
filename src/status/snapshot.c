/*
 * Memory of statuses, shared by the clients (client.c) that are sent the same
 * one.
 */
#include <sys/mman.h>

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "status/snapshot.h"

struct snapshot *
snapshot_new(int fd, uint64_t size)
{
	struct snapshot *s = NULL;
	void *text = MAP_FAILED;

	errno = EINVAL;
	/* Private: before Linux 6.7 a sealed file cannot be shared. */
	if (size > 0 && size <= SNAPSHOT_SIZE_MAX)
		text = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (text != MAP_FAILED && (s = malloc(sizeof(*s))) == NULL)
		munmap(text, size);
	close(fd);
	if (s == NULL)
		return NULL;
	*s = (struct snapshot){ .text = text, .size = size, .users = 1 };
	return s;
}

struct snapshot *
snapshot_use(struct snapshot *s)
{
	s->users++;
	return s;
}

void
snapshot_release(struct snapshot *s)
{
	if (s == NULL || --s->users > 0)
		return;
	munmap((void *)(uintptr_t)s->text, s->size);
	free(s);
}
