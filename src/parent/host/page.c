/*
 * Creates memory files of a fixed size, and maps the pages with the counters of
 * children.  Used by pool.c, counted.c and vhost.c.
 */
#include <sys/mman.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "parent/host/page.h"

int
sealed_memory(const char *name, uint64_t size)
{
	int fd, error;

	fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd == -1)
		return -1;
	if (ftruncate(fd, (off_t)size) == 0 &&
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) ==
		0)
		return fd;
	error = errno;
	close(fd);
	errno = error;
	return -1;
}

static int
map(struct page *p, int fd, uint64_t size)
{
	void *at = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	int error = errno;

	*p = (struct page){ .fd = -1 };
	if (at == MAP_FAILED) {
		close(fd);
		errno = error;
		return -1;
	}
	*p = (struct page){ .fd = fd, .size = size, .map = at };
	return 0;
}

int
page_make(struct page *p, uint64_t size)
{
	int fd = sealed_memory("vrngd-counters", size);

	*p = (struct page){ .fd = -1 };
	return fd == -1 ? -1 : map(p, fd, size);
}

/* Reading a shrunk file would end the process by SIGBUS. */
int
page_take(struct page *p, int fd, uint64_t size)
{
	int seals = fcntl(fd, F_GET_SEALS);
	struct stat st;

	*p = (struct page){ .fd = -1 };
	if (seals != -1 && (seals & F_SEAL_SHRINK) != 0 &&
	    fstat(fd, &st) == 0 && (uint64_t)st.st_size == size)
		return map(p, fd, size);
	close(fd);
	errno = EINVAL;
	return -1;
}

int
page_give(const struct page *p, struct process *child)
{
	struct frame f;

	frame_init(&f, PROTO_COUNTERS, child->number, 0);
	f.fds[0] = fcntl(p->fd, F_DUPFD_CLOEXEC, 0);
	if (f.fds[0] == -1)
		return -1;
	process_send(child, &f);
	return 0;
}

void
page_close(struct page *p)
{
	if (p->fd == -1)
		return;
	munmap((void *)(uintptr_t)p->map, p->size);
	close(p->fd);
	*p = (struct page){ .fd = -1 };
}
