#include <sys/epoll.h>
#include <sys/socket.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "delivery.h"
#include "log.h"
#include "proto.h"

void
delivery_init(struct delivery *d, struct stock *stock, int epoll_fd)
{
	*d = (struct delivery){ .stock = stock, .epoll_fd = epoll_fd };
}

static struct consumer *
delivery_find(struct delivery *d, uint32_t number)
{
	if (number >= d->nconsumers || d->consumers[number].fd == -1)
		return NULL;
	return &d->consumers[number];
}

/* Makes the table reach to `number`. */
static void
delivery_reach(struct delivery *d, uint32_t number)
{
	uint32_t n = d->nconsumers == 0 ? 64 : d->nconsumers;

	if (number < d->nconsumers)
		return;
	while (n <= number)
		n *= 2;
	d->consumers = reallocarray(d->consumers, n, sizeof(*d->consumers));
	if (d->consumers == NULL)
		log_fatal("no memory for %u consumers", n);
	for (uint32_t i = d->nconsumers; i < n; i++)
		d->consumers[i] = (struct consumer){ .fd = -1 };
	d->nconsumers = n;
}

int
delivery_add(struct delivery *d, uint32_t number, int fd)
{
	if (number == 0 || number >= CONSUMERS_MAX ||
	    delivery_find(d, number) != NULL)
		return -1;
	delivery_reach(d, number);
	d->consumers[number] = (struct consumer){ .fd = fd };
	return 0;
}

static void
consumer_watch(struct delivery *d, struct consumer *c, uint32_t blocked)
{
	struct epoll_event ev = {
		.events = EPOLLOUT,
		.data.u64 = (uint64_t)(c - d->consumers),
	};

	if (c->blocked == blocked)
		return;
	if (epoll_ctl(d->epoll_fd, blocked ? EPOLL_CTL_ADD : EPOLL_CTL_DEL,
		c->fd, &ev) == -1)
		log_fatal("cannot watch a consumer: %s", strerror(errno));
	c->blocked = blocked;
}

/* Granted, and neither sent nor void. */
static uint64_t
due(const struct consumer *c)
{
	return c->granted - c->sent - c->voided;
}

int
delivery_drop(struct delivery *d, uint32_t number)
{
	struct consumer *c;

	if ((c = delivery_find(d, number)) == NULL)
		return -1;
	consumer_watch(d, c, 0);
	close(c->fd);
	d->returned += due(c);
	*c = (struct consumer){ .fd = -1 };
	return 0;
}

/*
 * Sends one packet.  Returns its size; 0 if there is nothing to send; -1 with
 * errno.
 */
static ssize_t
consumer_send(struct delivery *d, struct consumer *c)
{
	struct iovec iov[2];
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };
	uint64_t size = due(c);
	ssize_t n;

	if (size > BYTES_PACKET_MAX)
		size = BYTES_PACKET_MAX;
	if (stock_peek(d->stock, (size_t)size, iov) == 0)
		return 0;
	n = sendmsg(c->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n > 0) {
		stock_remove(d->stock, (size_t)n);
		c->sent += (uint64_t)n;
	}
	return n;
}

/* Voids what cannot be sent now. */
static void
consumer_void(struct delivery *d, struct consumer *c)
{
	d->returned += due(c);
	c->voided += due(c);
	c->news = d->news = true;
}

/* A consumer that is gone is left alone until the parent says so as well. */
static void
consumer_deliver(struct delivery *d, struct consumer *c)
{
	ssize_t n;

	while ((n = consumer_send(d, c)) > 0)
		continue;
	if (n == -1 && errno != EPIPE && errno != ECONNRESET) {
		consumer_watch(d, c, 1);
		consumer_void(d, c);
	}
}

int
delivery_grant(struct delivery *d, uint32_t number, uint64_t total)
{
	struct consumer *c;

	if ((c = delivery_find(d, number)) == NULL || total < c->granted)
		return -1;
	c->granted = total;
	if (c->blocked)
		consumer_void(d, c);
	else
		consumer_deliver(d, c);
	return 0;
}

void
delivery_resume(struct delivery *d, uint32_t number)
{
	struct consumer *c;

	if ((c = delivery_find(d, number)) == NULL || !c->blocked)
		return;
	consumer_watch(d, c, 0);
	c->news = d->news = true;
}

uint32_t
delivery_news(struct delivery *d, struct proto_void *news)
{
	if (!d->news)
		return 0;
	for (uint32_t i = 1; i < d->nconsumers; i++) {
		if (!d->consumers[i].news)
			continue;
		*news = (struct proto_void){
			.total = d->consumers[i].voided,
			.blocked = d->consumers[i].blocked,
		};
		return i;
	}
	d->news = false;
	return 0;
}

void
delivery_told(struct delivery *d, uint32_t number)
{
	d->consumers[number].news = false;
}
