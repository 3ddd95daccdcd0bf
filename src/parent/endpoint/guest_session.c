/*
 * A guest's connection and the worker that serves it: starting, resuming,
 * replacing, and what the log says of it.  Used by guest.c, and by the state's
 * shutdown, which stores sessions.
 */
#include <sys/mman.h>
#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/deposit.h"
#include "common/log.h"
#include "parent/host/aside.h"
#include "parent/endpoint/guest_session.h"
#include "parent/host/event.h"
#include "parent/host/page.h"

/* Somebody has connected, if there were not too many such lines of late. */
static void
log_connected(struct guest *g, int conn)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (!guest_may_log(g))
		return;
	if (getsockopt(conn, SOL_SOCKET, SO_PEERCRED, &cred, &len) == -1)
		cred = (struct ucred){ .pid = 0, .uid = (uid_t)-1 };
	event_log(EVENT_CONNECTED, &g->subject,
	    LOG_FIELDS(LOG_NUMBER("VRNGD_PEER_PID", cred.pid),
		LOG_NUMBER("VRNGD_PEER_UID", cred.uid),
		LOG_NUMBER("VRNGD_WORKER_PID", g->worker.pid),
		LOG_NUMBER("VRNGD_CONNECTIONS", g->connections)),
	    "connected by pid %d, uid %u; worker is pid %d", cred.pid, cred.uid,
	    g->worker.pid);
}

void
guest_session_log(struct guest *g, bool ended)
{
	const struct log_line line = {
		.level = LOG_LEVEL_INFO,
		.about = &g->subject,
		.id = ended ? event_type(EVENT_DISCONNECTED)->id : NULL,
	};

	counted_log(&g->counted, &line, ended ? "disconnected" : "connected",
	    g->connected);
}

/* A session of another vrngd goes on; one does with another worker. */
static void
log_resumed(const struct guest *g)
{
	event_log(EVENT_RESUMED, &g->subject,
	    LOG_FIELDS(LOG_NUMBER("VRNGD_WORKER_PID", g->worker.pid)),
	    "its session goes on: worker is pid %d", g->worker.pid);
}

/* A session of another vrngd goes on; one does with another worker. */
static void
log_restarted(const struct guest *g)
{
	event_log(EVENT_WORKER_RESTARTED, &g->subject,
	    LOG_FIELDS(LOG_NUMBER("VRNGD_WORKER_PID", g->worker.pid),
		LOG_NUMBER("VRNGD_DEATHS", g->died)),
	    "its session goes on with worker pid %d", g->worker.pid);
}

/* It does not; the next may come in `pause` ns. */
static void
log_cut_off(const struct guest *g, const char *why, uint64_t pause)
{
	event_log(EVENT_CUT_OFF, &g->subject,
	    LOG_FIELDS(LOG_NUMBER("VRNGD_DEATHS", g->died),
		LOG_NUMBER("VRNGD_PAUSE_NS", pause),
		LOG_TEXT("VRNGD_REASON", why)),
	    "%s: its connection is cut off, and the next may come in %" PRIu64
	    " ms",
	    why, pause / NS_PER_MS);
}

#define RETRY_PAUSE NS_PER_SEC /* without processes or memory */

/* What is in the store, in the form of a deposit. */
enum stored_id {
	STORED_COUNTERS = UINT32_MAX - 1,
	STORED_DEPOSIT,
};

static int worker_frame(struct process *, struct frame *);
static void worker_ended(struct process *, int);

static const struct process_ops worker_ops = {
	.role = ROLE_VHOST,
	.program = "vrngd-vhost",
	.out_max = 64,
	.frame = worker_frame,
	.ended = worker_ended,
};

static void
set_limits(const struct guest *g, struct proto_limits *limits)
{
	limits->window =
	    alloc_window(&g->consumer.leaf, g->pool->setup.spec.stock);
	limits->request_min = alloc_request_min(&g->consumer.leaf);
	limits->request_max = alloc_request_max(&g->consumer.leaf);
	limits->poll_us = g->polling.us;
	limits->poll_share = g->polling.share;
}

static int retry_event(sd_event_source *, uint64_t, void *);

/* Has the next worker started a while later. */
static void
retry(struct guest *g)
{
	int r;

	g->retry = sd_event_source_disable_unref(g->retry);
	r = sd_event_add_time_relative(g->env->event, &g->retry,
	    CLOCK_MONOTONIC, RETRY_PAUSE / 1000, 0, retry_event, g);
	if (r < 0)
		log_fatal("cannot make a timer: %s", strerror(-r));
}

/* Gives the session to a worker. */
static void
start_worker(struct guest *g)
{
	struct frame f;
	int bytes;

	if (process_start(&g->worker, g->env, &worker_ops, &g->subject,
		&g->worker_limit, g) == -1) {
		retry(g);
		return;
	}
	if (page_give(&g->counted.page, &g->worker) == -1) {
		process_kill(&g->worker);
		return;
	}
	bytes = consumer_join(g->pool, &g->consumer, g->worker.number);
	frame_init(&f, PROTO_START, g->worker.number, g->pool->generation);
	f.fds[0] = fcntl(g->deposit, F_DUPFD_CLOEXEC, 0);
	f.fds[1] = bytes;
	if (bytes == -1 || f.fds[0] == -1) {
		for (size_t i = 0; i < 2; i++)
			if (f.fds[i] != -1)
				close(f.fds[i]);
		process_kill(&g->worker);
		return;
	}
	set_limits(g, &f.u.limits);
	process_send(&g->worker, &f);
}

static int
retry_event(sd_event_source *source, uint64_t usec, void *arg)
{
	(void)source;
	(void)usec;
	start_worker(arg);
	return 0;
}

/* A deposit with a connection, and the memory to tell its state. */
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

/* What systemd's store calls the session. */
static const char *
stored_name(const struct guest *g, char name[PASSED_NAME_SIZE])
{
	snprintf(name, PASSED_NAME_SIZE, PASSED_SESSION "%s", g->name);
	return name;
}

/* Ends what there is of the session, for good. */
static void
forget(struct guest *g)
{
	char name[PASSED_NAME_SIZE];

	g->retry = sd_event_source_disable_unref(g->retry);
	if (g->deposit == -1)
		return;
	store_remove(g->store, stored_name(g, name));
	aside_close(g->env->event, g->deposit);
	g->deposit = -1;
}

static void
begin(struct guest *g, int deposit)
{
	g->deposit = deposit;
	g->connected = clock_now();
	deaths_init(&g->deaths, g->connected);
	g->died = 0;
	g->connections++;
}

/*
 * Puts the session in systemd's store: its deposit and the page with its
 * counters, as what is left in a deposit of their own.
 */
static void
store(struct guest *g)
{
	const struct deposit_parts parts = {
		.n = 2,
		.ids = { STORED_DEPOSIT, STORED_COUNTERS },
		.fds = { g->deposit, g->counted.page.fd },
	};
	char name[PASSED_NAME_SIZE];
	int fd;

	if (g->store->max == 0)
		return;
	if ((fd = deposit_make()) == -1 || deposit_put(fd, &parts) == -1)
		log_about(LOG_LEVEL_ERROR, &g->subject,
		    "its session will not outlive this vrngd: %s",
		    strerror(errno));
	else
		store_put(g->store, stored_name(g, name), fd);
	if (fd != -1)
		close(fd);
}

/*
 * Takes apart what was stored: replaces `*deposit`, and returns the page, or
 * -1.  What an earlier version has stored is a deposit itself, of which nobody
 * but a worker may take descriptors.
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

int
guest_session_open(struct guest *g, int conn)
{
	int deposit = -1;

	if (counted_begin(&g->counted) == -1 ||
	    (deposit = make_deposit(conn)) == -1) {
		if (guest_may_log(g))
			log_about(LOG_LEVEL_ERROR, &g->subject,
			    "cannot make a deposit for its session: %s",
			    strerror(errno));
		counted_end(&g->counted);
		aside_close_unstored(g->env->event, conn);
		return -1;
	}
	begin(g, deposit);
	store(g);
	start_worker(g);
	log_connected(g, conn);
	/* The deposit has another copy. */
	close(conn);
	return 0;
}

/* What it counted for another vrngd is not reported as of this one. */
void
guest_session_resume(struct guest *g, int stored)
{
	int page = unstore(&stored);

	if (counted_resume(&g->counted, page) == -1)
		log_about(LOG_LEVEL_ERROR, &g->subject,
		    "cannot make memory for counters: %s", strerror(errno));
	counters_add(&g->reported.counters, &g->counted.counters);
	begin(g, stored);
	start_worker(g);
	log_resumed(g);
}

/* Memory for the frontend to keep the state of a queue in. */
static int
send_inflight(struct guest *g, uint64_t size)
{
	struct frame f;
	int fd;

	if (size == 0 || size > INFLIGHT_SIZE_MAX)
		return -1;
	if ((fd = sealed_memory("vrngd-inflight", size)) == -1) {
		log_about(LOG_LEVEL_ERROR, &g->subject,
		    "cannot make memory for requests in flight: %s",
		    strerror(errno));
		process_kill(&g->worker);
		return 0;
	}
	frame_init(&f, PROTO_INFLIGHT, g->worker.number, 0);
	f.fds[0] = fd;
	process_send(&g->worker, &f);
	return 0;
}

static int
worker_frame(struct process *p, struct frame *f)
{
	struct guest *g = p->arg;

	switch (f->hdr.type) {
	case PROTO_READY:
		return 0;
	case PROTO_WANT:
		return consumer_want(g->pool, &g->consumer, f);
	case PROTO_INFLIGHT_ASK:
		return send_inflight(g, f->u.inflight.size);
	}
	return -1;
}

/* Closes what has been of the connection; another may come `pause` ns later. */
static void
end(struct guest *g, uint64_t pause)
{
	forget(g);
	if (guest_may_log(g))
		guest_session_log(g, true);
	counted_end(&g->counted);
	guest_listen_after(g, pause);
}

static void
cut_off(struct guest *g, const char *why)
{
	uint64_t pause = backoff_failed(&g->backoff, clock_now(), 0, 1);

	log_cut_off(g, why, pause);
	end(g, pause);
}

/*
 * How long the next connection has to wait after a clean end, ns: not at all,
 * but for a VMM that does nothing but reconnect.  Each connection costs others
 * time, for a process and for messages to systemd.
 */
static uint64_t
pace(struct guest *g)
{
	return deaths_free(&g->ends, clock_now()) ? 0
						  : NS_PER_SEC / DEATHS_RATE;
}

static void
worker_ended(struct process *p, int status)
{
	struct guest *g = p->arg;

	consumer_leave(g->pool, &g->consumer);
	g->died += status != 0;
	if (status == 0)
		end(g, pace(g));
	else if (status == EXIT_SESSION_LOST)
		cut_off(g, "its session could not be taken up");
	else if (!deaths_free(&g->deaths, clock_now()))
		cut_off(g, "its workers keep dying");
	else {
		start_worker(g);
		if (guest_may_log(g) && process_running(&g->worker))
			log_restarted(g);
	}
}

static void
rewire(struct consumer *c, int fd)
{
	struct guest *g = c->arg;
	struct frame f;

	if (fd == -1) {
		process_kill(&g->worker);
		return;
	}
	frame_init(&f, PROTO_BYTES, g->worker.number, g->pool->generation);
	f.fds[0] = fd;
	process_send(&g->worker, &f);
}

static void
ask(struct consumer *c)
{
	struct guest *g = c->arg;
	struct frame f;

	frame_init(&f, PROTO_WANT_ASK, g->worker.number, g->pool->generation);
	process_send(&g->worker, &f);
}

static const struct consumer_ops consumer_ops = {
	.rewire = rewire,
	.ask = ask,
};

void
guest_session_init(struct guest *g, struct alloc_node *parent,
    const struct alloc_share *share, const struct proto_delivery *delivery)
{
	g->deposit = -1;
	deaths_init(&g->ends, clock_now());
	consumer_init(g->pool, &g->consumer, parent, share, delivery,
	    &consumer_ops, g);
	g->consumer.about = &g->subject;
	counted_init(&g->counted, ROLE_VHOST, &g->consumer);
}

void
guest_session_limit(struct guest *g)
{
	struct frame f;

	if (!process_running(&g->worker))
		return;
	frame_init(&f, PROTO_LIMITS, g->worker.number, g->pool->generation);
	set_limits(g, &f.u.limits);
	process_send(&g->worker, &f);
}

void
guest_session_hang_up(struct guest *g)
{
	/* It is closed by the end of this process, which waits for nothing. */
	g->deposit = -1;
	process_hang_up(&g->worker);
}

void
guest_session_stop(struct guest *g, uint64_t deadline)
{
	process_stop(&g->worker, deadline);
	consumer_leave(g->pool, &g->consumer);
	counted_end(&g->counted);
	forget(g);
}
