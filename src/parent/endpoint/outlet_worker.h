/*
 * An outlet's worker, between outlet_worker.c, which starts it and speaks with
 * it, and outlet.c, which knows when one is to be started.
 */
#ifndef VRNGD_OUTLET_WORKER_H
#define VRNGD_OUTLET_WORKER_H

#include "parent/endpoint/outlet.h"

extern const struct tap_ops outlet_tap_ops;

/*
 * Starts a worker for clients that come by `fd`, which is closed here.  Returns
 * 0, and outlet_go_on() follows when it has ended; or -1 after logging why.
 */
int outlet_worker_start(struct outlet *, int fd, enum proto_socket_kind);
void outlet_go_on(struct outlet *, bool clean);

/* Tells the worker, if there is one, what has changed. */
void outlet_worker_change(struct outlet *);

/* Ends it by the deadline (ns). */
void outlet_worker_stop(struct outlet *, uint64_t deadline);

/* Whether a line may be logged that clients can cause at will. */
bool outlet_may_log(struct outlet *);

#endif
