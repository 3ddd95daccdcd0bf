/*
 * Sources of kind egd: a client of an EGD server.  Used by kind.c's table.
 */
#include <sys/epoll.h>
#include <sys/socket.h>

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>

#include "common/clock.h"
#include "entropy/kind/kind.h"
#include "common/log.h"

#define COMMAND_READ 2 /* followed by a length: answered with all bytes */
#define REQUEST_SIZE 255
#define PIPELINE     4 /* requests not yet answered */

struct egd {
	size_t due; /* requested bytes that have not been read */
};

static void
egd_prepare(struct device *d)
{
	if ((d->state = calloc(1, sizeof(struct egd))) == NULL)
		log_fatal("out of memory for a source");
}

static int
egd_open(struct device *d)
{
	struct egd *egd = d->state;

	egd->due = 0;
	return kind_connected(d->fd);
}

/*
 * Requests more bytes, so that at most `size` bytes are due: in as few requests
 * as possible, but before the last one has been answered.  Returns 0 or an
 * errno.
 */
static int
ask(struct device *d, size_t size)
{
	struct egd *egd = d->state;
	uint8_t requests[2 * PIPELINE];
	size_t len = 0, n;

	if (size > (size_t)PIPELINE * REQUEST_SIZE)
		size = (size_t)PIPELINE * REQUEST_SIZE;
	while (egd->due == 0 || egd->due + REQUEST_SIZE <= size) {
		n = size - egd->due;
		if (n > REQUEST_SIZE)
			n = REQUEST_SIZE;
		requests[len++] = COMMAND_READ;
		requests[len++] = (uint8_t)n;
		egd->due += n;
	}
	return kind_write(d->fd, requests, len);
}

/*
 * Waits for an answer, for at most twice the timeout of the source.  Some
 * servers answer with fewer bytes than requested when they have no more:
 * without a limit the wait would not end; a new connection starts again.
 * Returns 0 or an errno.
 */
static int
await_answer(const struct device *d)
{
	struct pollfd pfd = { .fd = d->fd, .events = POLLIN };
	uint64_t ms = 2 * d->spec.timeout / NS_PER_MS;
	int n;

	do
		n = poll(&pfd, 1, ms == 0 || ms > INT_MAX ? -1 : (int)ms);
	while (n == -1 && errno == EINTR);
	if (n == -1)
		return errno;
	return n == 0 ? ETIMEDOUT : 0;
}

/* Answers have no framing: all bytes are requested ones, in any pieces. */
static ssize_t
egd_read(struct device *d, uint8_t *buf, size_t size)
{
	struct egd *egd = d->state;
	ssize_t n;
	int error;

	/* A server may have sent an answer before it disconnected. */
	if (((error = ask(d, size)) != 0 && error != EPIPE) ||
	    (error = await_answer(d)) != 0) {
		errno = error;
		return -1;
	}
	n = kind_read(d->fd, buf, size < egd->due ? size : egd->due);
	if (n > 0)
		egd->due -= (size_t)n;
	return n;
}

static const struct sandbox_rule rules[] = {
	{ .nr = SCMP_SYS(getsockopt),
	    .why = "result of connect(2)",
	    .nargs = 2,
	    .args = { SANDBOX_INT(1, SOL_SOCKET), SANDBOX_INT(2, SO_ERROR) } },
};

const struct source_kind kind_egd = {
	.has_fd = true,
	.hang_up = EPOLLRDHUP | EPOLLET,
	.rules = rules,
	.nrules = sizeof(rules) / sizeof(*rules),
	.prepare = egd_prepare,
	.open = egd_open,
	.read = egd_read,
};
