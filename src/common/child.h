/*
 * The start of a child: it opens the channel to the parent, receives its identity
 * (HELLO), and sends its log lines to the parent.
 */
#ifndef VRNGD_CHILD_H
#define VRNGD_CHILD_H

#include "common/channel.h"
#include "common/counters.h"
#include "common/sandbox.h"

/*
 * Starts a child of the given role: checks its channel, closes every other
 * descriptor above that, reads HELLO and passes through sandbox_confine().
 * Returns the payload of the frame.  Ends the process on any error.
 */
struct proto_hello child_start(enum proto_role role);

/* The state of a child's supervision by the parent (PING in proto.h). */
struct child_watch {
	bool owed; /* a PONG, which the channel had no room for */
	bool busy; /* the parent sends a PING: BUSY was sent */
};

/*
 * Reads the next frame of the parent like channel_recv(), and answers PING.
 */
enum channel_result child_recv(struct child_watch *, struct frame *,
    enum proto_role);

/*
 * Sends a pending PONG.  Returns false while the channel has no room for it.
 */
bool child_answer(struct child_watch *);

/*
 * Call this before an operation that an outsider can block: the parent watches
 * this child until it is finished.
 */
void child_busy(struct child_watch *);

/* Waits for the next frame, which must have this type. */
void child_await(struct frame *, enum proto_role, enum proto_type);

/*
 * Waits for COUNTERS and maps them with the size of the role (counters_size()).
 * Call this before child_ready().
 */
void *child_counters(enum proto_role);

/*
 * Completes the start: enters sandbox_filter(), and notifies the parent that this
 * child is ready.
 */
void child_ready(const struct sandbox_rule *rules, size_t nrules,
    unsigned long nofile);

#endif
