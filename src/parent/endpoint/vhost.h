/*
 * A guest's vhost-user socket: one connection at a time, whose session outlives
 * its worker and the daemon in a deposit (deposit.h).
 */
#ifndef VRNGD_PARENT_VHOST_H
#define VRNGD_PARENT_VHOST_H

#include "parent/endpoint/endpoint.h"

struct vhost {
	struct endpoint endpoint;
	int deposit;	    /* of the session; -1: not connected */
	pid_t peer;	    /* pid of the peer; 0: unknown */
	int second;	    /* waiting second connection; -1: none */
	struct deaths ends; /* clean ends of sessions */
	struct config_polling polling;
	uint32_t connections; /* so far, including this one */
};

/*
 * Initializes it without listener and session.  The subject, which has the
 * guest's name, must outlive it.
 */
void vhost_init(struct vhost *, const struct log_subject *,
    struct process_env *, struct store *, struct pool *);

/*
 * Resumes a session that another vrngd stored (fd, owned by the endpoint from
 * now on).  Returns its stored counters.
 */
struct counters vhost_resume(struct vhost *, int stored);

enum endpoint_state vhost_state(const struct vhost *);

/* Logs the counters of its session, which has ended or continues. */
void vhost_log(struct vhost *, bool ended);

/* The two steps of its end, like endpoint_stop(). */
void vhost_hang_up(struct vhost *);
void vhost_stop(struct vhost *, uint64_t deadline);

#endif
