/*
 * A guest's vhost-user connection: starts, replaces and resumes its worker, and
 * stores its session.  Used by guest.c.
 */
#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/deposit.h"
#include "parent/endpoint/vhost.h"
#include "parent/host/deferred_close.h"
#include "parent/host/event.h"
#include "parent/host/privilege.h"

#define TAKEOVER_TIME NS_PER_SEC /* until a second connection is refused */

/* Ids of the stored descriptors, in a deposit. */
enum stored_id {
	STORED_COUNTERS = UINT32_MAX - 1,
	STORED_DEPOSIT,
};

static struct vhost *
vhost_of(struct endpoint *e)
{
	return (struct vhost *)e; /* its first member */
}

static struct ucred
peer_of(int conn)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(conn, SOL_SOCKET, SO_PEERCRED, &cred, &len) == -1)
		return (struct ucred){ .pid = 0, .uid = (uid_t)-1 };
	return cred;
}

/* Logs a new connection, within the limit. */
static void
log_connected(struct vhost *v, int conn)
{
	struct endpoint *e = &v->endpoint;
	const struct ucred cred = peer_of(conn);

	v->peer = cred.pid;
	if (!endpoint_may_log(e))
		return;
	event_log(EVENT_CONNECTED, e->subject,
	    LOG_FIELDS(LOG_NUMBER("VRNGD_PEER_PID", cred.pid),
		LOG_NUMBER("VRNGD_PEER_UID", cred.uid),
		LOG_NUMBER("VRNGD_WORKER_PID", e->active->worker.pid),
		LOG_NUMBER("VRNGD_CONNECTIONS", v->connections)),
	    "connected by pid %d, uid %u; worker is pid %d", cred.pid, cred.uid,
	    e->active->worker.pid);
}

void
vhost_log(struct vhost *v, bool ended)
{
	struct endpoint *e = &v->endpoint;
	const struct log_line line = {
		.level = LOG_LEVEL_INFO,
		.about = e->subject,
		.id = ended ? event_type(EVENT_DISCONNECTED)->id : NULL,
	};

	counted_log(&e->active->counted, &line,
	    ended ? "disconnected" : "connected", e->active->since);
}

enum endpoint_state
vhost_state(const struct vhost *v)
{
	const struct endpoint *e = &v->endpoint;

	if (endpoint_running(e))
		return consumer_waits(&e->consumer) ? ENDPOINT_WAITING
						    : ENDPOINT_CONNECTED;
	return e->place == NULL || endpoint_listening(e) ? ENDPOINT_IDLE
							 : ENDPOINT_PAUSED;
}

/* Creates a deposit with a connection and memory for its state. */
static int
make_deposit(int conn)
{
	struct deposit_parts parts = {
		.n = 2,
		.ids = { DEPOSIT_CONNECTION, DEPOSIT_STATE },
		.fds = { conn, -1 },
	};
	int deposit, error, r = -1;

	if ((deposit = deposit_make()) == -1)
		return -1;
	parts.fds[1] = sealed_memory("vrngd-session", DEPOSIT_STATE_SIZE);
	if (parts.fds[1] != -1) {
		r = deposit_put(deposit, &parts);
		error = errno;
		close(parts.fds[1]);
		errno = error;
	}
	if (r == 0)
		return deposit;
	error = errno;
	close(deposit);
	errno = error;
	return -1;
}

/* The name of the session in systemd's store. */
static const char *
stored_name(const struct vhost *v, char name[FDNAME_SIZE])
{
	snprintf(name, FDNAME_SIZE, FDNAME_SESSION "%s",
	    v->endpoint.subject->name);
	return name;
}

/* Ends the session permanently. */
static void
forget(struct vhost *v)
{
	char name[FDNAME_SIZE];

	if (v->deposit == -1)
		return;
	store_remove(v->endpoint.store, stored_name(v, name));
	deferred_close(v->endpoint.env->event, v->deposit);
	v->deposit = -1;
}

/*
 * Stores the session in systemd's store: its deposit and the page with its
 * counters, in another deposit.
 */
static void
store_session(struct vhost *v)
{
	struct endpoint *e = &v->endpoint;
	const struct deposit_parts parts = {
		.n = 2,
		.ids = { STORED_DEPOSIT, STORED_COUNTERS },
		.fds = { v->deposit, e->active->counted.page.fd },
	};
	char name[FDNAME_SIZE];
	int fd;

	if (e->store->max == 0)
		return;
	if ((fd = deposit_make()) == -1 ||
	    privilege_deposit(process_spare_uid(e->env), fd, &parts) == -1)
		log_about(LOG_LEVEL_ERROR, e->subject,
		    "session is not stored: %s", strerror(errno));
	else
		store_put(e->store, stored_name(v, name), fd);
	if (fd != -1)
		close(fd);
}

/*
 * Splits a stored session: replaces `*deposit`, and returns the page, or -1.
 * Earlier versions stored the deposit itself, from which only a worker may take
 * descriptors.
 */
static int
unstore(int *deposit)
{
	uint32_t ids[2] = { 0 };
	struct deposit_parts parts;

	if (deposit_rewind(*deposit) == -1 ||
	    recv(*deposit, ids, sizeof(ids), MSG_PEEK | MSG_DONTWAIT) !=
		sizeof(ids) ||
	    ids[0] != STORED_DEPOSIT || ids[1] != STORED_COUNTERS ||
	    deposit_rewind(*deposit) == -1 ||
	    deposit_peek(*deposit, &parts) != 1)
		return -1;
	if (parts.n != 2) {
		deposit_close(&parts);
		return -1;
	}
	close(*deposit);
	*deposit = parts.fds[0];
	return parts.fds[1];
}

/* Starts a session with a connection, which is closed here. */
static int
open_session(struct vhost *v, int conn)
{
	struct endpoint *e = &v->endpoint;
	int deposit = -1;

	if (counted_begin(&e->active->counted) == -1 ||
	    (deposit = make_deposit(conn)) == -1) {
		if (endpoint_may_log(e))
			log_about(LOG_LEVEL_ERROR, e->subject,
			    "cannot make memory for a session: %s",
			    strerror(errno));
		counted_end(&e->active->counted);
		deferred_close_unstored(e->env->event, conn);
		return -1;
	}
	v->deposit = deposit;
	v->connections++;
	endpoint_begin(e);
	store_session(v);
	endpoint_serve(e);
	log_connected(v, conn);
	/* The deposit has another copy. */
	close(conn);
	return 0;
}

/* Begins a session, during which it listens for a second connection. */
static void
admit(struct vhost *v, int conn)
{
	endpoint_proceed(&v->endpoint);
	if (open_session(v, conn) == -1)
		endpoint_pause(&v->endpoint, ACCEPT_PAUSE);
}

/* Closes the second connection, as the first one has not ended. */
static void
refuse_second(struct vhost *v)
{
	struct endpoint *e = &v->endpoint;
	pid_t pid = peer_of(v->second).pid;

	if (endpoint_may_log(e))
		event_log(EVENT_SECOND_REFUSED, e->subject,
		    LOG_FIELDS(LOG_NUMBER("VRNGD_PEER_PID", pid),
			LOG_NUMBER("VRNGD_CONNECTED_PID", v->peer)),
		    "second connection refused: from pid %d, while pid %d is "
		    "connected",
		    pid, v->peer);
	deferred_close_unstored(e->env->event, v->second);
	v->second = -1;
}

static void
incoming(struct endpoint *e)
{
	struct vhost *v = vhost_of(e);
	int conn;

	if ((conn = endpoint_accept(e)) == -1)
		return;
	if (v->deposit == -1)
		admit(v, conn);
	else {
		/* It may be from a VMM that replaces another. */
		v->second = conn;
		endpoint_pause(e, TAKEOVER_TIME);
	}
}

/* Serves the second connection, or listens. */
static void
next_session(struct vhost *v)
{
	int conn = v->second;

	v->second = -1;
	if (conn != -1)
		admit(v, conn);
	else
		endpoint_proceed(&v->endpoint);
}

static void
proceed(struct endpoint *e)
{
	struct vhost *v = vhost_of(e);

	if (v->deposit == -1) {
		next_session(v);
		return;
	}
	if (v->second != -1)
		refuse_second(v);
	endpoint_proceed(e);
	if (!endpoint_running(e))
		endpoint_serve(e);
}

static int
serve(struct endpoint *e, int bytes)
{
	struct vhost *v = vhost_of(e);
	int deposit = fcntl(v->deposit, F_DUPFD_CLOEXEC, 0);
	struct frame f;

	if (deposit == -1) {
		close(bytes);
		return -1;
	}
	frame_init(&f, PROTO_START, e->active->worker.number,
	    e->pool->generation);
	f.fds[0] = deposit;
	f.fds[1] = bytes;
	endpoint_set_limits(e, &f.u.limits);
	process_send(&e->active->worker, &f);
	return 0;
}

static void
limits(const struct endpoint *e, struct proto_limits *limits)
{
	const struct vhost *v = (const struct vhost *)e;

	limits->poll_us = v->polling.us;
	limits->poll_share = v->polling.share;
}

/* Creates the memory in which the frontend keeps the state of a queue. */
static int
frame(struct endpoint *e, struct frame *f)
{
	uint64_t size = f->u.inflight.size;
	int fd;

	if (f->hdr.type != PROTO_INFLIGHT_ASK || size == 0 ||
	    size > INFLIGHT_SIZE_MAX)
		return -1;
	if ((fd = sealed_memory("vrngd-inflight", size)) == -1) {
		log_about(LOG_LEVEL_ERROR, e->subject,
		    "cannot create memory for requests in flight: %s",
		    strerror(errno));
		process_kill(&e->active->worker);
	} else
		endpoint_send_fd(e, PROTO_INFLIGHT, fd);
	return 0;
}

/*
 * The delay of the next connection after a clean end, ns: 0, except for a VMM
 * that reconnects all the time.  Each connection costs time, for a process and
 * for messages to systemd.
 */
static uint64_t
pace(struct vhost *v)
{
	return deaths_free(&v->ends, clock_now()) ? 0
						  : NS_PER_SEC / DEATHS_RATE;
}

static void
end(struct endpoint *e, const char *why, uint64_t pause)
{
	struct vhost *v = vhost_of(e);

	if (why == NULL)
		pause = pace(v);
	else
		event_log(EVENT_CUT_OFF, e->subject,
		    LOG_FIELDS(LOG_NUMBER("VRNGD_DEATHS", e->active->died),
			LOG_NUMBER("VRNGD_PAUSE_NS", pause),
			LOG_TEXT("VRNGD_REASON", why)),
		    "session closed: %s; new connections accepted in %" PRIu64
		    " ms",
		    why, pause / NS_PER_MS);
	forget(v);
	if (endpoint_may_log(e))
		vhost_log(v, true);
	counted_end(&e->active->counted);
	if (pause > 0)
		endpoint_pause(e, pause);
	else
		next_session(v);
}

static const struct endpoint_ops vhost_ops = {
	.worker = {
		.role = ROLE_VHOST,
		.program = "vrngd-vhost",
		.out_max = 64,
		.frame = endpoint_frame,
		.ended = endpoint_ended,
	},
	.incoming = incoming,
	.proceed = proceed,
	.serve = serve,
	.frame = frame,
	.end = end,
	.limits = limits,
};

void
vhost_init(struct vhost *v, const struct log_subject *subject,
    struct process_env *env, struct store *store, struct pool *pool)
{
	*v = (struct vhost){ .deposit = -1, .second = -1 };
	endpoint_init(&v->endpoint, &vhost_ops, subject, env, store, pool);
	deaths_init(&v->ends, clock_now());
}

struct counters
vhost_resume(struct vhost *v, int stored)
{
	int page = unstore(&stored);

	v->peer = 0; /* it was accepted by another vrngd */
	v->deposit = stored;
	v->connections++;
	return endpoint_resume(&v->endpoint, page);
}

void
vhost_hang_up(struct vhost *v)
{
	/* The exit of this process closes it without blocking. */
	v->deposit = -1;
	endpoint_hang_up(&v->endpoint);
}

void
vhost_stop(struct vhost *v, uint64_t deadline)
{
	endpoint_stop(&v->endpoint, deadline);
	forget(v);
	if (v->second != -1)
		deferred_close_unstored(v->endpoint.env->event, v->second);
}
