/*
 * Delivery: hands each consumer exactly what the parent granted it, from the
 * supply or from a DRBG of its own, over that consumer's byte channel.
 */
#ifndef VRNGD_DELIVERY_H
#define VRNGD_DELIVERY_H

#include <sys/queue.h>

#include <stdbool.h>
#include <stdint.h>

#include "entropy/drbg/drbg.h"
#include "common/proto.h"
#include "entropy/supply.h"

/* Consumers are numbered from 1, each number's table entry made when needed. */
#define CONSUMERS_MAX 65536

struct consumer {
	TAILQ_ENTRY(consumer) entry;
	uint32_t number;
	int fd;		   /* its byte channel */
	bool full;	   /* waits until fd takes more */
	bool unseeded;	   /* waits for a seed */
	struct drbg *drbg; /* NULL: it is given the sources' own bytes */
	uint64_t granted;  /* bytes, running totals: told by the parent, */
	uint64_t sent;	   /* handed out, */
	uint64_t voided;   /* and not, because that could not be done */
	bool news;	   /* the parent has not heard of that */
};

struct delivery {
	struct supply *supply;
	struct consumer **consumers;	 /* by number; NULL: none */
	uint32_t nconsumers;		 /* entries of the table, so far */
	TAILQ_HEAD(, consumer) unseeded; /* who waited longest first */
	int epoll_fd;			 /* where consumers wait for room */
	bool news;			 /* some consumer has */
	uint64_t granted; /* out of the supply, to all there ever were */
	uint8_t *output;  /* of a DRBG, on its way: locked memory */
};

/*
 * `epoll_fd` reports a consumer that can take more with its number in
 * data.u64, for which delivery_resume() is then to be called.
 */
void delivery_init(struct delivery *, struct supply *, int epoll_fd);

/*
 * Adds a consumer with nothing granted; `fd` is delivery's from now on.
 * Returns 0, or -1 if there is one of that number or the number is too high.
 */
int delivery_add(struct delivery *, uint32_t number, int fd);

/* Drops a consumer.  Returns 0, or -1 if there is none of that number. */
int delivery_drop(struct delivery *, uint32_t number);

/*
 * How later grants to a consumer are met.  Returns 0, or -1 if there is no such
 * consumer.
 */
int delivery_mode(struct delivery *, uint32_t number,
    const struct proto_delivery *);

/*
 * Raises the running total granted to a consumer and sends what it can.  What
 * it cannot is void: it does not wait in the stock, which is there for all.
 * Returns 0, or -1 if there is no such consumer or the total went down.
 */
int delivery_grant(struct delivery *, uint32_t number, uint64_t total);

/* The channel of a consumer was full and may have room again. */
void delivery_resume(struct delivery *, uint32_t number);

/* The supply may have grown: seeds whoever waits for it, the longest first. */
void delivery_seed(struct delivery *);

/*
 * What is there to be granted out of the supply, now or ever, as struct
 * proto_stock has it: seeds come first.
 */
uint64_t delivery_total(struct delivery *);

/*
 * The number of a consumer of which the parent is to be told, 0 if there is
 * none, and what; delivery_told() when it has been.
 */
uint32_t delivery_news(struct delivery *, struct proto_void *);
void delivery_told(struct delivery *, uint32_t number);

#endif
