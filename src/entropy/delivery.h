/*
 * Delivery: hands each consumer exactly what the parent granted it, from the
 * stock, over that consumer's byte channel.
 */
#ifndef VRNGD_DELIVERY_H
#define VRNGD_DELIVERY_H

#include <stdbool.h>
#include <stdint.h>

#include "proto.h"
#include "stock.h"

/* Consumers are numbered from 1, each number's table entry made when needed. */
#define CONSUMERS_MAX 65536

struct consumer {
	int fd;		  /* its byte channel; -1: none */
	uint32_t blocked; /* waits until fd takes more */
	uint64_t granted; /* bytes, running totals: told by the parent, */
	uint64_t sent;	  /* handed out, */
	uint64_t voided;  /* and not, because the channel was full */
	bool news;	  /* the parent has not heard of that */
};

struct delivery {
	struct stock *stock;
	struct consumer *consumers; /* by number */
	uint32_t nconsumers;
	int epoll_fd;	   /* where blocked consumers wait */
	bool news;	   /* some consumer has */
	uint64_t returned; /* granted, then void: still in stock */
};

/*
 * `epoll_fd` reports a consumer that can take more with its number in
 * data.u64, for which delivery_resume() is then to be called.
 */
void delivery_init(struct delivery *, struct stock *, int epoll_fd);

/*
 * Adds a consumer with nothing granted; `fd` is delivery's from now on.
 * Returns 0, or -1 if there is one of that number or the number is too high.
 */
int delivery_add(struct delivery *, uint32_t number, int fd);

/* Drops a consumer; what it was granted and not sent is returned to stock. */
int delivery_drop(struct delivery *, uint32_t number);

/*
 * Raises the running total granted to a consumer and sends what it can.
 * Returns 0, or -1 if there is no such consumer or the total went down.
 */
int delivery_grant(struct delivery *, uint32_t number, uint64_t total);

/*
 * The channel of a consumer was full and may have room again.  What is granted
 * to a consumer while its channel is full is void: it does not wait in the
 * stock, which is there for all.
 */
void delivery_resume(struct delivery *, uint32_t number);

/*
 * The number of a consumer of which the parent is to be told, 0 if there is
 * none, and what; delivery_told() when it has been.
 */
uint32_t delivery_news(struct delivery *, struct proto_void *);
void delivery_told(struct delivery *, uint32_t number);

#endif
