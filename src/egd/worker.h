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
#include "common/proto.h"
#include "common/window.h"
#include "egd/networks.h"

#define WORKER_FDS 64 /* descriptors besides clients' */

struct client;
struct clients;
struct saved;
struct worker;

/* What epoll reports, in the low half of data.u64, besides clients' places. */
enum worker_event {
	EVENT_BYTES = CLIENTS_MAX,
	EVENT_SOCKET,
};

/* How far the worker has come by the parent's frames, which is their order. */
enum worker_stage {
	WORKER_NEW,
	WORKER_SERVED,	 /* SERVE, with its networks */
	WORKER_LIMITED,	 /* LIMITS */
	WORKER_WIRED,	 /* BYTES */
	WORKER_GIVEN,	 /* CLIENTS or SOCKET: waits for the first bytes */
	WORKER_OPEN,	 /* serves clients */
	WORKER_FINISHED, /* the last client is gone: the worker ends */
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
};

/* What differs from protocol to protocol. */
struct protocol {
	uint32_t quantum; /* bytes of a client's turn */
	/* A client has connected, or is resumed. */
	void (*begin)(struct worker *, struct client *);
	/* Its connection can be read or written, or has ended. */
	void (*event)(struct worker *, struct client *, uint32_t events);
	/* It is its turn; false: what there is would be too little. */
	bool (*take)(struct worker *, struct client *);
};

struct worker {
	struct loop loop;
	pid_t pid;
	uint64_t now; /* ns, of this round of events */
	enum worker_stage stage;
	bool more;	     /* bytes and turns are left for the next round */
	bool bytes_paused;   /* the window has no room; the channel waits */
	uint64_t opens_at;   /* ns; 0: serves clients, or has not all yet */
	int deposit;	     /* clients of an earlier worker; -1: none */
	struct saved *saved; /* the clients' state, which the parent keeps */
	uint32_t most;	     /* clients, by how many descriptors there may be */
	uint32_t shortfall; /* bytes, of the last EGD 01; 0: was answered all */
	int writes_fd;	    /* for what clients write; -1: nowhere */
	struct service service;
	struct service coming; /* another, and so many networks more of it */
	uint32_t ncoming;
	const struct protocol *protocol;
	struct socket socket;
	struct window window;
	struct counters_page *page;   /* for the parent to read */
	struct log_limit log_clients; /* connections and their ends */
	struct log_limit log_refused; /* refused connections */
	struct clients *clients;
};

/* A worker that knows only its channel and where to count. */
void worker_init(struct worker *);

/* Logs what a client caused, within the limit. */
void worker_log(struct worker *, struct log_limit *, const char *fmt, ...)
    LOG_FORMAT(3, 4);

#endif
