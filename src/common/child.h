/*
 * What every child does first: take the channel that the parent gave it, hear
 * from the parent who it is to be, and send its log lines there.
 */
#ifndef VRNGD_CHILD_H
#define VRNGD_CHILD_H

#include "common/channel.h"
#include "common/counters.h"
#include "common/sandbox.h"

/*
 * Starts a child of the given role: checks its channel, closes every other
 * descriptor above that, reads HELLO and passes through sandbox_confine().
 * Returns the frame's payload.  Ends the process if anything is amiss.
 */
struct proto_hello child_start(enum proto_role role);

/* What a child knows of its supervision by the parent (PING in proto.h). */
struct child_watch {
	bool owed; /* a PONG, which the channel had no room for */
	bool busy; /* the parent sends a PING: BUSY was sent */
};

/*
 * Reads the parent's next frame, as channel_recv(), but for PING, which it
 * answers.
 */
enum channel_result child_recv(struct child_watch *, struct frame *,
    enum proto_role);

/*
 * Sends the PONG that is owed, if any.  Returns false while the channel has no
 * room for it.
 */
bool child_answer(struct child_watch *);

/*
 * To be called before anything that an outsider can make wait: has the parent
 * watch this child until that is over.
 */
void child_busy(struct child_watch *);

/* Waits for the next frame, which must be of that type. */
void child_await(struct frame *, enum proto_role, enum proto_type);

/*
 * Waits for COUNTERS and maps them, as large as the role has them
 * (counters_size()).  To be called before child_ready().
 */
void *child_counters(enum proto_role);

/*
 * Ends the set-up: passes through sandbox_filter() and tells the parent that
 * this child is ready.
 */
void child_ready(const struct sandbox_rule *rules, size_t nrules,
    unsigned long nofile);

#endif
