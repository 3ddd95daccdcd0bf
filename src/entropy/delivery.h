/*
 * Delivery: sends each consumer exactly the granted number of bytes, from the
 * supply or from the consumer's DRBG, over the consumer's byte channel.
 */
#ifndef VRNGD_DELIVERY_H
#define VRNGD_DELIVERY_H

#include <sys/queue.h>

#include <stdbool.h>
#include <stdint.h>

#include "entropy/drbg/drbg.h"
#include "common/proto.h"
#include "entropy/supply.h"

/* Consumers are numbered from 1; table entries are allocated on demand. */
#define CONSUMERS_MAX 65536

struct consumer {
	TAILQ_ENTRY(consumer) entry;
	uint32_t number;
	int fd;		   /* its byte channel */
	bool full;	   /* waits until fd is writable */
	bool unseeded;	   /* waits for a seed */
	struct drbg *drbg; /* NULL: it receives the sources' bytes */
	uint64_t granted;  /* bytes, running totals: granted by the parent, */
	uint64_t sent;	   /* sent, */
	uint64_t voided;   /* and void, because they could not be sent */
	bool pending;	   /* a report to the parent is pending */
};

struct delivery {
	struct supply *supply;
	struct consumer **consumers;	 /* by number; NULL: none */
	uint32_t nconsumers;		 /* entries of the table */
	TAILQ_HEAD(, consumer) unseeded; /* longest wait first */
	int epoll_fd;	  /* watches consumers that wait for room */
	bool pending;	  /* a consumer has a pending report */
	uint64_t granted; /* from the supply, to all consumers so far */
	uint8_t *output;  /* packet of a DRBG, in locked memory */
};

/*
 * `epoll_fd` reports a consumer with room by its number in data.u64; then call
 * delivery_resume().
 */
void delivery_init(struct delivery *, struct supply *, int epoll_fd);

/*
 * Adds a consumer without a grant, which owns `fd` from now on.  Returns 0, or
 * -1 if the number is in use or too high.
 */
int delivery_add(struct delivery *, uint32_t number, int fd);

/* Removes a consumer.  Returns 0, or -1 if the number is unknown. */
int delivery_drop(struct delivery *, uint32_t number);

/*
 * Sets the delivery of later grants to a consumer.  Returns 0, or -1 if the
 * number is unknown.
 */
int delivery_mode(struct delivery *, uint32_t number,
    const struct proto_delivery *);

/*
 * Raises the running total granted to a consumer, and sends bytes.  Those that
 * cannot be sent are void: they do not wait in the stock, which all consumers
 * share.  Returns 0, or -1 if the number is unknown or the total went down.
 */
int delivery_grant(struct delivery *, uint32_t number, uint64_t total);

/* Call this when the full channel of a consumer has room again. */
void delivery_resume(struct delivery *, uint32_t number);

/*
 * Call this when the supply has grown: seeds waiting DRBGs, longest wait first.
 */
void delivery_seed(struct delivery *);

/*
 * The running total of bytes from the supply that can be granted, for struct
 * proto_stock, after the seeds that are due.
 */
uint64_t delivery_total(struct delivery *);

/*
 * The number of a consumer with a pending report, 0 if there is none, and the
 * report; call delivery_reported() after it was sent.
 */
uint32_t delivery_report(struct delivery *, struct proto_void *);
void delivery_reported(struct delivery *, uint32_t number);

#endif
