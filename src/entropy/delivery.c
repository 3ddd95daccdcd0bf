/*
 * Sends each consumer the bytes that it was granted.  Used by entropy.c for the
 * parent's grants and when a channel has room again.
 */
#include <sys/epoll.h>
#include <sys/socket.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "entropy/delivery.h"
#include "common/locked.h"
#include "common/log.h"

void
delivery_init(struct delivery *d, struct supply *supply, int epoll_fd)
{
	memset(d, 0, sizeof(*d));
	d->supply = supply;
	d->epoll_fd = epoll_fd;
	d->output = locked_map(BYTES_PACKET_MAX);
	/* Unused entries of the table take no memory. */
	/* NOLINTNEXTLINE(bugprone-sizeof-expression): of pointers */
	d->consumers = calloc(CONSUMERS_MAX, sizeof(*d->consumers));
	if (d->consumers == NULL)
		log_fatal("out of memory for consumers");
	TAILQ_INIT(&d->unseeded);
}

static struct consumer *
find(struct delivery *d, uint32_t number)
{
	return number < d->nconsumers ? d->consumers[number] : NULL;
}

int
delivery_add(struct delivery *d, uint32_t number, int fd)
{
	struct consumer *c;

	if (number == 0 || number >= CONSUMERS_MAX || find(d, number) != NULL)
		return -1;
	if ((c = calloc(1, sizeof(*c))) == NULL)
		log_fatal("out of memory for a consumer");
	c->number = number;
	c->fd = fd;
	d->consumers[number] = c;
	if (number >= d->nconsumers)
		d->nconsumers = number + 1;
	return 0;
}

/* Queues a report about a consumer to the parent. */
static void
set_news(struct delivery *d, struct consumer *c)
{
	c->pending = d->pending = true;
}

static void
set_full(struct delivery *d, struct consumer *c, bool full)
{
	struct epoll_event ev = { .events = EPOLLOUT, .data.u64 = c->number };

	if (c->full == full)
		return;
	if (epoll_ctl(d->epoll_fd, full ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, c->fd,
		&ev) == -1)
		log_fatal("cannot watch a consumer: %s", strerror(errno));
	c->full = full;
	set_news(d, c);
}

static void
set_unseeded(struct delivery *d, struct consumer *c, bool unseeded)
{
	if (c->unseeded == unseeded)
		return;
	if (unseeded)
		TAILQ_INSERT_TAIL(&d->unseeded, c, entry);
	else
		TAILQ_REMOVE(&d->unseeded, c, entry);
	c->unseeded = unseeded;
	set_news(d, c);
}

int
delivery_drop(struct delivery *d, uint32_t number)
{
	struct consumer *c;

	if ((c = find(d, number)) == NULL)
		return -1;
	set_full(d, c, false);
	set_unseeded(d, c, false);
	close(c->fd);
	drbg_free(c->drbg);
	d->consumers[number] = NULL;
	free(c);
	return 0;
}

int
delivery_mode(struct delivery *d, uint32_t number,
    const struct proto_delivery *how)
{
	struct consumer *c;

	if ((c = find(d, number)) == NULL)
		return -1;
	if (how->mode == DELIVERY_RAW) {
		drbg_free(c->drbg);
		c->drbg = NULL;
		set_unseeded(d, c, false);
	} else if (c->drbg == NULL)
		c->drbg = drbg_new(how);
	else
		drbg_change(c->drbg, how);
	return 0;
}

/* The bytes granted, minus those sent and void. */
static uint64_t
due(const struct consumer *c)
{
	return c->granted - c->sent - c->voided;
}

/* Seeds the DRBG of a consumer, if the supply has enough bytes. */
static bool
seed(struct delivery *d, struct consumer *c)
{
	uint8_t bytes[DRBG_SEED_MAX];
	size_t n;
	int r;

	if ((n = supply_seed(d->supply, bytes, sizeof(bytes))) == 0)
		return false;
	r = drbg_seed(c->drbg, bytes, n, clock_now());
	explicit_bzero(bytes, sizeof(bytes));
	return r == 0;
}

/*
 * Generates the next bytes of a consumer's DRBG, after a reseed if one is due.
 * Returns false if no seed is available.
 */
static bool
generate(struct delivery *d, struct consumer *c, size_t n)
{
	uint64_t now = clock_now();

	if (!c->unseeded && !drbg_needs_seed(c->drbg, now) &&
	    drbg_generate(c->drbg, d->output, n, now) == 0)
		return true;
	/* Queues a consumer after those that have waited longer. */
	if (!c->unseeded && !TAILQ_EMPTY(&d->unseeded))
		return false;
	return seed(d, c) && drbg_generate(c->drbg, d->output, n, now) == 0;
}

/* Sends a packet of a DRBG's output, like send_stock(). */
static ssize_t
send_generated(struct delivery *d, struct consumer *c, size_t size)
{
	ssize_t n;

	if (!generate(d, c, size)) {
		set_unseeded(d, c, true);
		return 0;
	}
	n = send(c->fd, d->output, size, MSG_DONTWAIT | MSG_NOSIGNAL);
	explicit_bzero(d->output, size);
	return n;
}

/*
 * Sends a packet from the supply, in one piece even if the bytes are in two:
 * the filter forbids sendmsg(2), which could pass descriptors.  Returns its
 * size; 0 if the supply is empty; -1 with errno.
 */
static ssize_t
send_stock(struct delivery *d, struct consumer *c, size_t size)
{
	const uint8_t *bytes;
	struct iovec iov[2];
	ssize_t n;

	if ((size = supply_peek(d->supply, size, iov)) == 0)
		return 0;
	bytes = iov[0].iov_base;
	if (iov[1].iov_len > 0) {
		memcpy(d->output, iov[0].iov_base, iov[0].iov_len);
		memcpy(d->output + iov[0].iov_len, iov[1].iov_base,
		    iov[1].iov_len);
		bytes = d->output;
	}
	n = send(c->fd, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (bytes == d->output)
		explicit_bzero(d->output, size);
	if (n > 0)
		supply_remove(d->supply, (size_t)n);
	return n;
}

/* A consumer whose worker has exited is ignored until the parent removes it. */
static void
deliver(struct delivery *d, struct consumer *c)
{
	ssize_t n = 0;
	size_t size;

	while (!c->full && !c->unseeded && due(c) > 0) {
		size = due(c) > BYTES_PACKET_MAX ? BYTES_PACKET_MAX
						 : (size_t)due(c);
		n = c->drbg != NULL ? send_generated(d, c, size)
				    : send_stock(d, c, size);
		if (n <= 0)
			break;
		c->sent += (uint64_t)n;
	}
	if (n == -1 && (errno == EPIPE || errno == ECONNRESET))
		return;
	if (n == -1)
		set_full(d, c, true);
	if (due(c) > 0) {
		c->voided += due(c);
		set_news(d, c);
	}
}

int
delivery_grant(struct delivery *d, uint32_t number, uint64_t total)
{
	struct consumer *c;

	if ((c = find(d, number)) == NULL || total < c->granted)
		return -1;
	if (c->drbg == NULL)
		d->granted += total - c->granted;
	c->granted = total;
	deliver(d, c);
	return 0;
}

void
delivery_resume(struct delivery *d, uint32_t number)
{
	struct consumer *c;

	if ((c = find(d, number)) != NULL)
		set_full(d, c, false);
}

void
delivery_seed(struct delivery *d)
{
	struct consumer *c;

	while ((c = TAILQ_FIRST(&d->unseeded)) != NULL && seed(d, c))
		set_unseeded(d, c, false);
}

uint64_t
delivery_total(struct delivery *d)
{
	return d->granted +
	    (TAILQ_EMPTY(&d->unseeded) ? supply_held(d->supply) : 0);
}

uint32_t
delivery_report(struct delivery *d, struct proto_void *report)
{
	struct consumer *c;

	if (!d->pending)
		return 0;
	for (uint32_t i = 1; i < d->nconsumers; i++) {
		if ((c = d->consumers[i]) == NULL || !c->pending)
			continue;
		*report = (struct proto_void){
			.total = c->voided,
			.blocked = c->full || c->unseeded,
		};
		return i;
	}
	d->pending = false;
	return 0;
}

void
delivery_reported(struct delivery *d, uint32_t number)
{
	d->consumers[number]->pending = false;
}
