/*
 * Makes memory files of a fixed size.  Used for in-flight memory, session
 * state and pages.
 */
#include <sys/mman.h>

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "parent/host/sealed.h"

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
