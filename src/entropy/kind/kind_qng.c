/*
 * QNG generators, which a process of its own reads and sends packets of
 * (src/usb).  Used by kind.c's table.
 */
#include <sys/epoll.h>

#include <errno.h>
#include <string.h>

#include "common/locked.h"
#include "entropy/kind/kind.h"

#define HEADER_SIZE offsetof(struct proto_usb_packet, bytes)

/* The last packet, and its bytes not yet read. */
struct qng {
	struct proto_usb_packet packet;
	size_t start, end;
};

static void
qng_prepare(struct device *d)
{
	d->state = locked_map(sizeof(struct qng));
}

/* Receives a packet.  Returns 1; 0 at the end; -1 with errno. */
static int
receive(struct device *d, struct qng *q)
{
	ssize_t n;

	n = kind_read(d->fd, &q->packet, sizeof(q->packet));
	if (n <= 0)
		return (int)n;
	errno = EPROTO;
	if ((size_t)n < HEADER_SIZE)
		return -1;
	if (q->packet.error != 0) {
		d->unwell = q->packet.unwell != 0;
		errno = q->packet.error;
		return -1;
	}
	q->start = 0;
	q->end = (size_t)n - HEADER_SIZE;
	return q->end > 0 ? 1 : -1;
}

static ssize_t
qng_read(struct device *d, uint8_t *buf, size_t size)
{
	struct qng *q = d->state;
	int result;

	if (q->start == q->end && (result = receive(d, q)) != 1)
		return result;
	if (size > q->end - q->start)
		size = q->end - q->start;
	memcpy(buf, q->packet.bytes + q->start, size);
	explicit_bzero(q->packet.bytes + q->start, size);
	q->start += size;
	return (ssize_t)size;
}

static void
qng_close(struct device *d)
{
	explicit_bzero(d->state, sizeof(struct qng));
}

const struct source_kind kind_qng = {
	.has_fd = true,
	.hang_up = EPOLLRDHUP | EPOLLET,
	.gone = ENODEV,
	.prepare = qng_prepare,
	.read = qng_read,
	.close = qng_close,
};
