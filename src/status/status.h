/*
 * The status process: serves those who monitor the daemon, on the socket that
 * the parent made.  What clients send is parsed here, and nothing else is done
 * with it.
 */
#ifndef VRNGD_STATUS_H
#define VRNGD_STATUS_H

#include "common/loop.h"
#include "status/client.h"

struct status {
	struct server server;
	struct loop loop;
	int listen_fd;
	uint64_t accept_at; /* ns, when to accept again; 0: now */
	bool unasked;	    /* the channel had no room for a question */
	struct proto_events_ask events; /* the last query for events */
	bool awaited;			/* its answer */
};

/* Begins without a socket; `busy` is called before what may block. */
void status_init(struct status *, void (*busy)(void));

/* Waits for an event and handles it. */
void status_step(struct status *);

#endif
