/*
 * A guest's vhost-user socket: one connection at a time, whose session outlives
 * the worker that serves it, and the daemon, in a deposit (deposit.h).
 */
#ifndef VRNGD_PARENT_VHOST_H
#define VRNGD_PARENT_VHOST_H

#include "parent/endpoint/endpoint.h"

struct vhost {
	struct endpoint endpoint;
	const char *name;     /* of the guest */
	int deposit;	      /* of the session; -1: not connected */
	pid_t peer;	      /* that has connected; 0: not known */
	int second;	      /* a second connection, for a while; -1: none */
	struct deaths deaths; /* of this session's workers */
	struct deaths ends;   /* of sessions, clean ones */
	struct config_polling polling;
	uint32_t connections; /* so far, this one too */
	uint32_t died;	      /* workers of this session */
};

/* Without a listener and without a session.  The name must outlive it. */
void vhost_init(struct vhost *, const char *name, const struct log_subject *,
    struct process_env *, struct store *, struct pool *);

/*
 * Resumes the session that was stored by another vrngd (fd, the endpoint's from
 * now on).  Returns the counters that it had then.
 */
struct counters vhost_resume(struct vhost *, int stored);

/* Logs the counters of its session, which has ended or goes on. */
void vhost_log(struct vhost *, bool ended);

/* The two steps of the end, as of endpoint_stop(). */
void vhost_hang_up(struct vhost *);
void vhost_stop(struct vhost *, uint64_t deadline);

#endif
