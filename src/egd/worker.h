/*
 * The EGD worker: what its parts share.  Its clients and their saved
 * state are in structs of their own, of which only those parts know that use
 * them.
 */
#ifndef VRNGD_WORKER_H
#define VRNGD_WORKER_H

#include <sys/socket.h>
#include <sys/types.h>

#include <stdbool.h>
#include <stdint.h>

#include "common/counters.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/polling.h"
#include "common/proto.h"
#include "common/window.h"
#include "egd/networks.h"

#define WORKER_FDS 64 /* descriptors besides clients' */

struct client;
struct clients;
struct saved;
struct worker;

/*
 * Epoll events, in the low half of data.u64, in addition to places of clients.
 */
enum worker_event {
	EVENT_BYTES = CLIENTS_MAX,
	EVENT_SOCKET,
};

/* The stage of the worker, by the frames of the parent in their order. */
enum worker_stage {
	WORKER_NEW,
	WORKER_SERVED,	 /* SERVE, with its networks */
	WORKER_LIMITED,	 /* LIMITS */
	WORKER_WIRED,	 /* BYTES */
	WORKER_GIVEN,	 /* CLIENTS or SOCKET: waits for the first bytes */
	WORKER_OPEN,	 /* serves clients */
	WORKER_FINISHED, /* without clients: the worker exits */
};

/* The service, as SERVE and ALLOW describe it. */
struct service {
	struct proto_serve serve;
	struct networks allowed;
};

/* The socket of datagrams. */
struct socket {
	int fd; /* -1: none */
	enum proto_socket_kind kind;
	struct sockaddr_storage to; /* the last sender, of SOCKET_BOUND */
	socklen_t to_len;
	/* Of SOCKET_CONNECTED, whose peer may be unreachable: */
	int failure;	   /* errno, logged; 0: none */
	uint64_t pause;	   /* ns, until the last retry */
	uint64_t retry_at; /* ns, the next one; 0: is sent to */
	uint64_t retried;  /* ns, the last one */
};

/* The functions of a protocol. */
struct protocol {
	uint32_t quantum; /* bytes of a client's turn */
	/* A client has connected, or is resumed. */
	void (*begin)(struct worker *, struct client *);
	/* Its connection is readable or writable, or has ended. */
	void (*event)(struct worker *, struct client *, uint32_t events);
	/* It is its turn; false: there are too few bytes. */
	bool (*take)(struct worker *, struct client *);
};

struct worker {
	struct loop loop;
	pid_t pid;
	uint64_t now; /* ns, of this round of events */
	enum worker_stage stage;
	bool full;	     /* the client limit was reached, and logged */
	bool more;	     /* bytes and turns are left for the next round */
	bool bytes_paused;   /* the window has no room; the channel waits */
	uint64_t opens_at;   /* ns; 0: serves clients, or has not all yet */
	int deposit;	     /* clients of an earlier worker; -1: none */
	struct saved *saved; /* the clients' state, which the parent keeps */
	uint32_t most;	     /* clients, by the limit of descriptors */
	uint32_t shortfall;  /* bytes missing for the last EGD 01 */
	int writes_fd;	     /* for writes of clients; -1: none */
	struct service service;
	struct service coming; /* the next one, while it is received */
	uint32_t ncoming;      /* its networks that are still to come */
	const struct protocol *protocol;
	struct socket socket;
	struct window window;
	struct polling polling;
	struct counters_page *page;   /* for the parent to read */
	struct log_limit log_clients; /* connections and their ends */
	struct log_limit log_refused; /* refused connections */
	struct clients *clients;
};

/* Initializes a worker with its channel and its page of counters. */
void worker_init(struct worker *);

/* Logs a line that a client caused, at a limited rate. */
void worker_log(struct worker *, struct log_limit *, const char *fmt, ...)
    LOG_FORMAT(3, 4);

#endif
