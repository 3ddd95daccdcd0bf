/*
 * The vhost worker: all that there is of a guest's session, in one struct.
 */
#ifndef VRNGD_WORKER_H
#define VRNGD_WORKER_H

#include <stdbool.h>
#include <stdint.h>

#include "common/child.h"
#include "vhost/device/inflight.h"
#include "vhost/device/memory.h"
#include "vhost/device/polling.h"
#include "vhost/device/queue.h"
#include "vhost/device/rng.h"
#include "vhost/saved.h"
#include "vhost/protocol/session.h"

/* What epoll reports, in data.u32. */
enum worker_event {
	EVENT_CHANNEL,
	EVENT_UP,
	EVENT_SESSION,
	EVENT_KICK,
	EVENT_BYTES,
};

/* An eventfd of the frontend's that we write to. */
struct notifier {
	int fd;	       /* -1: none */
	uint32_t id;   /* in the deposit */
	bool blocking; /* a write could wait */
};

struct worker {
	int epoll_fd;
	struct child_watch watch;
	struct session session;
	bool started;  /* START has come */
	bool finished; /* the session is to be ended */
	uint64_t features;
	uint64_t protocol_features;
	uint8_t status; /* device status; kept, not acted on */
	struct memory memory;
	struct queue queue; /* the requestq */
	struct inflight inflight;
	struct rng rng;
	struct polling polling;
	struct save save;
	int kick_fd;	  /* -1: none */
	uint32_t kick_id; /* in the deposit */
	struct notifier call;
	struct notifier err;
	bool kick_set;	     /* by SET_VRING_KICK, with or without fd */
	bool enabled;	     /* by SET_VRING_ENABLE, or always */
	bool running;	     /* the ring is mapped and served */
	bool broken;	     /* and was found to make no sense */
	bool more;	     /* and has more requests to be looked at */
	bool asked_inflight; /* a reply waits for its memory */
	bool has_input;	     /* there may be a message to be read */
};

/* Adds, changes (op as for epoll_ctl) a descriptor to wait for.  -1: errno. */
int worker_watch(struct worker *, int op, int fd, uint32_t events,
    enum worker_event);

/* Handles the session's message and queues the reply that is owed for it. */
void worker_handle(struct worker *);

/* Answers GET_INFLIGHT_FD with the memory that the parent made. */
void worker_inflight(struct worker *, int fd);

/*
 * Starts or stops the ring, as what is known of it now demands.  To be called
 * after every change to it or to the memory that it lies in.  Its requests are
 * served later (worker->more), when that change has been saved.
 */
void ring_update(struct worker *);

/* Stops serving it; what was read ahead is given up. */
void ring_stop(struct worker *);

/* Serves it, if it runs.  Returns whether the driver was called. */
bool ring_run(struct worker *);

/*
 * While it is looked at (worker->polling): looks for requests, for a few tens
 * of microseconds at most, and serves them.
 */
void ring_look(struct worker *);

/* The three eventfds of a ring: takes a new one, -1 for none, and its id. */
int ring_set_kick(struct worker *, int fd, uint32_t id);
void ring_set_call(struct worker *, int fd, uint32_t id);
void ring_set_err(struct worker *, int fd, uint32_t id);

/*
 * Puts a message's descriptors into the deposit, as message->ids.  One that
 * cannot take them is given up, with a line in the log: the session then ends
 * with this worker.
 */
void save_fds(struct worker *, struct message *);

/*
 * Puts what is used of the deposit's messages into fewer, which are this
 * process's own.  Returns 0, or -1 with errno; the deposit is complete even then.
 */
int save_gather(struct worker *);

/*
 * Saves the state, and that `consume` bytes of the message at hand are to be
 * consumed, and what has become of its reply.
 */
void save_state(struct worker *, uint32_t consume, enum saved_reply);

/*
 * Takes up the session of a deposit (fd): a new one, or one that another worker
 * has left.  If it cannot be taken up, the worker ends with EXIT_SESSION_LOST,
 * after logging why.
 */
void save_resume(struct worker *, int deposit);

#endif
