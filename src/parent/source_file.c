#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "source_file.h"

/*
 * A FIFO is opened for writing too, so that the end of one writer is not the
 * end of file for the reader, and that opening does not wait for a writer.
 */
int
source_file_open(const char *path, const char **why)
{
	struct stat st;
	int fd, flags = O_CLOEXEC | O_NOCTTY | O_NONBLOCK;

	if (stat(path, &st) == -1) {
		*why = strerror(errno);
		return -1;
	}
	if (S_ISREG(st.st_mode)) {
		*why = "it is a regular file, whose bytes would be served "
		       "again after every start: give a device or a FIFO";
		return -1;
	}
	if (!S_ISCHR(st.st_mode) && !S_ISFIFO(st.st_mode)) {
		*why = "it is neither a character device nor a FIFO";
		return -1;
	}
	fd = open(path, flags | (S_ISFIFO(st.st_mode) ? O_RDWR : O_RDONLY));
	/* Not to wait in open(2), where nobody can stop it: only in read(2). */
	if (fd != -1 &&
	    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK) == -1) {
		*why = strerror(errno);
		close(fd);
		return -1;
	}
	if (fd == -1)
		*why = strerror(errno);
	return fd;
}
