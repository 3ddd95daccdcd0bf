/*
 * The egd worker: all that there is of an outlet and its clients, in one
 * struct.
 */
#ifndef VRNGD_WORKER_H
#define VRNGD_WORKER_H

#include <sys/types.h>

#include <stdbool.h>
#include <stdint.h>

#include "egd/client.h"
#include "common/child.h"
#include "common/counters.h"
#include "common/log.h"
#include "egd/networks.h"
#include "egd/now.h"
#include "common/proto.h"
#include "egd/turns.h"
#include "common/window.h"

#define WORKER_FDS   64	  /* descriptors besides clients' */
#define STREAM_CHUNK 4096 /* bytes that a stream is given at once, at most */

/* What epoll reports, in the low half of data.u64, besides clients' places. */
enum worker_event {
	EVENT_CHANNEL = CLIENTS_MAX,
	EVENT_UP,
	EVENT_BYTES,
	EVENT_SOCKET,
};

/* What the outlet is, as SERVE and ALLOW say it. */
struct outlet {
	struct proto_serve serve;
	struct networks allowed;
};

/* Where the clients come from, as SOCKET says it. */
struct door {
	bool open;		     /* SOCKET has come */
	enum proto_socket_kind kind; /* and said this */
	int fd;			     /* of listeners and datagrams; or -1 */
	uint64_t empty_since;	     /* ns; without any client; 0: never */
	uint64_t pause_until;	     /* ns; not accepting; 0: it is */
	int error;		     /* why; the last that was logged */
	struct sockaddr_storage to;  /* the last sender, of SOCKET_BOUND */
	socklen_t to_len;
};

struct worker {
	int epoll_fd;
	pid_t pid;
	uint64_t now;	  /* ns, of this round of events */
	bool served;	  /* `outlet` is complete */
	bool limited;	  /* LIMITS have come, */
	bool wired;	  /* and BYTES */
	bool more;	  /* bytes and turns are left for the next round */
	bool finished;	  /* the last client is gone */
	bool crowded;	  /* the window has no room; its channel waits */
	bool full;	  /* the channel; room in it is waited for */
	uint32_t serials; /* of clients, so far */
	uint32_t most;	  /* clients, for want of descriptors */
	int writes_fd;	  /* for what clients write; -1: nowhere */
	struct child_watch watch;
	struct outlet outlet;
	struct outlet coming; /* another, and so many networks more of it */
	uint32_t ncoming;
	struct door door;
	struct window window;
	struct turns turns;
	struct now asks;
	struct counters_page *page;   /* for the parent to read */
	struct log_limit log_clients; /* those who come and go */
	struct log_limit log_refused; /* those who are turned away */
	struct clients clients;
};

/* A worker that knows nothing yet but its channel and where to count. */
void worker_init(struct worker *, struct counters_page *);

/*
 * Adds, changes or removes (op as for epoll_ctl) a descriptor to wait for; what
 * is to be reported is an enum worker_event or a client's place, and the serial
 * number of that client.  Returns -1 with errno.
 */
int worker_watch(struct worker *, int op, int fd, uint32_t events,
    uint32_t which, uint32_t serial);

/* The same, of a descriptor that can be watched. */
void worker_must_watch(struct worker *, int op, int fd, uint32_t events,
    enum worker_event);

/* Logs what a client caused, as far as the limit goes. */
void worker_say(struct worker *, struct log_limit *, const char *fmt, ...)
    LOG_FORMAT(3, 4);

/* Takes the first frame, a SERVE. */
void frames_serve(struct worker *, const struct frame *);

/* Reads and does what the parent says. */
void frames_read(struct worker *);

/* Opens the door: takes SOCKET. */
void door_open(struct worker *, const struct frame *);

/* Whether an address is in the outlet's networks; tells it if not. */
bool door_allows(struct worker *, const struct peer *);

/* Turns somebody away: counts and logs it. */
void door_refuse(struct worker *, const struct peer *, const char *why);

/* Takes those who wait to be let in; a few, then others' turn comes. */
void door_accept(struct worker *);

/* Ends pauses, and the worker if nobody has come for long. */
void door_expire(struct worker *);

/* When that is to be looked at (ns); 0: not. */
uint64_t door_deadline(const struct worker *);

/* EGD: handles events of a client's connection. */
void command_event(struct worker *, struct client *, uint32_t events);

/* Forgets what was put by for a client that goes. */
void command_end(struct worker *, const struct client *);

/* Hands on bytes of the window to a client whose turn it is. */
void command_take(struct worker *, struct client *);

/*
 * Answers a client that asks: `available` bytes could be had besides those that
 * have come.
 */
void command_answer(struct worker *, struct client *, uint64_t available);

/* The same three for streams: raw bytes, as long as they are taken. */
void stream_start(struct worker *, struct client *);
void stream_event(struct worker *, struct client *, uint32_t events);
void stream_take(struct worker *, struct client *);

/* And for datagrams, whose socket is the door. */
void datagram_start(struct worker *, const struct peer *);
void datagram_event(struct worker *, uint32_t events);
bool datagram_take(struct worker *, struct client *);

/* Gives the clients what there is for them, each in its turn. */
void serve_run(struct worker *);

/* Tells the parent what is wanted, and asks what clients ask. */
void serve_tell(struct worker *);

/* The bytes that a stream waits for: what a burst allows, if not more. */
uint32_t serve_chunk(const struct worker *);

#endif
