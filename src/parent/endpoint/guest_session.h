/*
 * A guest's session: its connection, which outlives the worker that serves it,
 * in a deposit (deposit.h).  When a worker dies another goes on with it.
 */
#ifndef VRNGD_GUEST_SESSION_H
#define VRNGD_GUEST_SESSION_H

#include "parent/endpoint/guest.h"

/* No session, and a consumer below a node of the pool's tree. */
void guest_session_init(struct guest *, struct alloc_node *parent,
    const struct alloc_share *, const struct proto_delivery *);

/*
 * Begins a session with a connection, which is this function's.  Returns 0, or
 * -1 after logging why there is none.
 */
int guest_session_open(struct guest *, int conn);

/* Goes on with the session of a deposit (fd), which is the guest's from now. */
void guest_session_resume(struct guest *, int deposit);

/* The guest's limits have changed. */
void guest_session_limit(struct guest *);

/* Asks the session to end, if there is one, as the daemon does. */
void guest_session_hang_up(struct guest *);

/* Ends it and its worker by the deadline (ns). */
void guest_session_stop(struct guest *, uint64_t deadline);

/* Logs the counters of its session, which has ended or goes on. */
void guest_session_log(struct guest *, bool ended);

#endif
