/*
 * The vhost worker: the state of a guest's session.
 */
#ifndef VRNGD_WORKER_H
#define VRNGD_WORKER_H

#include <stdbool.h>
#include <stdint.h>

#include "common/loop.h"
#include "common/polling.h"
#include "vhost/device/device_state.h"
#include "vhost/device/inflight.h"
#include "vhost/device/memory.h"
#include "vhost/device/queue.h"
#include "vhost/device/rng.h"
#include "vhost/saved.h"
#include "vhost/protocol/session.h"

/* The source of an epoll event, in data.u64, besides those of the loop. */
enum worker_event {
	EVENT_SESSION,
	EVENT_KICK,
	EVENT_BYTES,
	EVENT_TRANSFER,
};

/* An eventfd of the frontend to write to. */
struct notifier {
	int fd;	       /* -1: none */
	uint32_t id;   /* in the deposit */
	bool blocking; /* a write could block */
};

enum transfer_state {
	TRANSFER_NONE,	  /* or it was checked */
	TRANSFER_SAVING,  /* nothing was written yet */
	TRANSFER_SAVED,	  /* written, and the descriptor closed */
	TRANSFER_LOADING, /* the frontend may write more */
	TRANSFER_LOADED,  /* read to its end, and the descriptor closed */
	TRANSFER_FAILED,
};

/* Of the device's state, over a descriptor of the frontend. */
struct transfer {
	enum transfer_state state;
	int fd; /* -1: none */
	bool socket;
	const char *why;		     /* it failed */
	size_t n;			     /* bytes that were read */
	uint8_t bytes[DEVICE_STATE_MAX + 1]; /* to see what is too long */
};

struct worker {
	struct loop loop;
	struct session session;
	bool started;  /* START was received */
	bool finished; /* end the session */
	uint64_t features;
	uint64_t protocol_features;
	uint8_t status; /* device status; stored only */
	struct memory memory;
	struct queue queue; /* the requestq */
	struct inflight inflight;
	struct rng rng;
	struct polling polling;
	struct save save;
	struct counters_page *page; /* for the parent to read */
	uint64_t memory_due; /* ns, until memory is expected; 0: it is there */
	uint64_t kicks;	     /* of a blank ring; see ring_kick() */
	unsigned int faults; /* that were logged, one bit each */
	int kick_fd;	     /* -1: none */
	uint32_t kick_id;    /* in the deposit */
	struct notifier call;
	struct notifier err;
	bool kick_set;	     /* by SET_VRING_KICK, with or without fd */
	bool enabled;	     /* by SET_VRING_ENABLE, or always */
	bool running;	     /* the ring is mapped and served */
	bool broken;	     /* its avail index is invalid */
	bool wanted;	     /* bytes, since the last run */
	bool more;	     /* it has more requests */
	bool asked_inflight; /* a reply waits for memory from the parent */
	bool has_input;	     /* there may be a message to read */
	/* Last: most workers do not use its pages. */
	struct transfer transfer;
};

/* Makes a worker that has no session yet, with counters of the parent's. */
void worker_init(struct worker *);

/*
 * Waits for events and handles them, one round.  Returns false when the session
 * has ended.
 */
bool worker_step(struct worker *);

/*
 * Shows the parent why requests cannot be served; FAULT_NONE: they can.
 * worker_fault() also logs it, once.
 */
void worker_show_fault(struct worker *, enum fault);
void worker_fault(struct worker *, enum fault);

/*
 * The frontend has started the device: it shares memory soon, unless it has
 * none to share.  Checks whether it has, at worker->memory_due.
 */
void worker_expect_memory(struct worker *);
void worker_check_memory(struct worker *);

/* Handles the message of the session, and queues its reply. */
void worker_handle(struct worker *);

/* Answers GET_INFLIGHT_FD with the memory from the parent. */
void worker_inflight(struct worker *, int fd);

/*
 * Starts a transfer of the device's state over a descriptor, which it owns from
 * now on, in place of an earlier one.  The state is saved by transfer_save(),
 * which the caller calls when the message has been consumed, and loaded by
 * transfer_load(), when the descriptor is readable; they do not block.
 * Returns NULL, or the reason to reject the request.
 */
const char *transfer_start(struct worker *, const struct vhost_user_transfer *,
    int fd);
void transfer_save(struct worker *);
void transfer_load(struct worker *);

/*
 * Ends the transfer, and puts a loaded state into effect.  Returns NULL, or why
 * the transfer failed.
 */
const char *transfer_check(struct worker *);

/* Ends the transfer, if there is one, as failed. */
void transfer_end(struct worker *);

/*
 * Starts the ring if it is complete and enabled, and stops it otherwise.  Call
 * this after every change of the ring or of its memory.  Its requests are
 * served later (worker->more), when the change has been saved.
 */
void ring_update(struct worker *);

/* Stops serving it; requests that were read ahead are left in the ring. */
void ring_stop(struct worker *);

/* Serves it, if it runs.  Returns whether the driver was called. */
bool ring_run(struct worker *);

/*
 * Serves it after its start or a kick.  Kicks for requests that never appear
 * show that the guest's memory is a private copy of the shared file.
 */
void ring_kick(struct worker *);

/*
 * During a poll (worker->polling): checks for requests, for a few tens of
 * microseconds at most, and serves them.
 */
void ring_look(struct worker *);

/* Sets an eventfd of the ring, -1 for none, with its id in the deposit. */
int ring_set_kick(struct worker *, int fd, uint32_t id);
void ring_set_call(struct worker *, int fd, uint32_t id);
void ring_set_err(struct worker *, int fd, uint32_t id);

/*
 * Stores the descriptors of a message in the deposit, as message->ids, except
 * that of a transfer, whose other end must see it closed.  If that fails, the
 * deposit is abandoned with a log message, and the session cannot be resumed
 * after this worker.
 */
void save_fds(struct worker *, struct message *);

/*
 * Gathers the parts in use of the deposit's messages into fewer messages, sent
 * by this process.  Returns 0, or -1 with errno; the deposit is complete in
 * either case.
 */
int save_gather(struct worker *);

/*
 * Saves the state, with the number of bytes of the current message to consume,
 * and the state of its reply.
 */
void save_state(struct worker *, uint32_t consume, enum saved_reply);

/*
 * Starts or resumes the session of a deposit (fd).  If it cannot be resumed,
 * logs the reason and exits with EXIT_SESSION_LOST.
 */
void save_resume(struct worker *, int deposit);

#endif
