/*
 * The table of source kinds.  Used by entropy.c and source.c.
 */
#include <sys/socket.h>

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "entropy/kind/kind.h"

#define PAUSE_MAX 64 /* ms */

#define KIND(name, word) [SOURCE_##name] = &kind_##word,
static const struct source_kind *const kinds[] = { SOURCE_KIND_LIST(KIND) };
#undef KIND

const struct source_kind *
kind_find(uint32_t kind)
{
	return kind < SOURCE_KINDS ? kinds[kind] : NULL;
}

/*
 * Waits until `fd` is readable or writable (`events`).  Drivers without a poll
 * method, such as that of /dev/hwrng, always report that: if that was wrong,
 * waits `*pause` (ms, 0 at first) before the next attempt.  Returns 0 or an
 * errno.
 */
static int
wait_for(int fd, short events, int *pause)
{
	struct pollfd pfd = { .fd = fd, .events = events };

	if (*pause > 0)
		poll(NULL, 0, *pause);
	*pause = *pause == 0 ? 1 : *pause * 2;
	if (*pause > PAUSE_MAX)
		*pause = PAUSE_MAX;
	while (poll(&pfd, 1, -1) == -1)
		if (errno != EINTR)
			return errno;
	return 0;
}

ssize_t
kind_read(int fd, void *buf, size_t size)
{
	ssize_t n;
	int error, pause = 0;

	while ((n = read(fd, buf, size)) == -1) {
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return -1;
		if ((error = wait_for(fd, POLLIN, &pause)) != 0) {
			errno = error;
			return -1;
		}
	}
	return n;
}

int
kind_write(int fd, const void *buf, size_t size)
{
	const uint8_t *from = buf;
	ssize_t n;
	int error, pause = 0;

	while (size > 0) {
		n = write(fd, from, size);
		if (n >= 0) {
			from += n;
			size -= (size_t)n;
			pause = 0;
		} else if (errno == EAGAIN) {
			if ((error = wait_for(fd, POLLOUT, &pause)) != 0)
				return error;
		} else if (errno != EINTR)
			return errno;
	}
	return 0;
}

int
kind_connected(int fd)
{
	socklen_t size = sizeof(int);
	int error, pause = 0;

	if ((error = wait_for(fd, POLLOUT, &pause)) != 0)
		return error;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == -1)
		return errno;
	return error;
}
