#include <sys/mman.h>
#include <sys/socket.h>

#include <bsd/string.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "event.h"
#include "guest.h"

#define ACCEPT_PAUSE NS_PER_SEC /* without fds or memory */
#define DEATHS_FREE  3		/* in a row, before a pause */

static int worker_frame(struct process *, struct frame *);
static void worker_ended(struct process *, bool);

static const struct process_ops worker_ops = {
	.role = ROLE_VHOST,
	.program = "vrngd-vhost",
	.out_max = 64,
	.frame = worker_frame,
	.ended = worker_ended,
};

void
guest_name(char name[GUEST_NAME_SIZE], const char *path)
{
	const char *base = strrchr(path, '/');
	size_t len;

	base = base == NULL ? path : base + 1;
	len = strlen(base);
	if (len > 5 && strcmp(base + len - 5, ".sock") == 0)
		len -= 5;
	if (len >= GUEST_NAME_SIZE)
		len = GUEST_NAME_SIZE - 1;
	strlcpy(name, base, len + 1);
	for (char *c = name; *c != '\0'; c++)
		if (!isalnum((unsigned char)*c) && strchr("._-", *c) == NULL)
			*c = '_';
}

/* A line that the guest's side can cause at will. */
static bool
may_log(struct guest *g)
{
	uint32_t suppressed;

	if (!log_limit_pass(&g->log_limit, clock_now(), &suppressed))
		return false;
	if (suppressed > 0)
		log_about(LOG_LEVEL_INFO, &g->subject,
		    "%u lines about its connections suppressed", suppressed);
	return true;
}

static void
listen_after(struct guest *g, uint64_t ns)
{
	if (g->listen_io == NULL)
		return;
	if (ns == 0) {
		sd_event_source_set_enabled(g->listen_io, SD_EVENT_ON);
		return;
	}
	sd_event_source_set_enabled(g->listen_io, SD_EVENT_OFF);
	sd_event_source_set_time_relative(g->timer, ns / 1000);
	sd_event_source_set_enabled(g->timer, SD_EVENT_ONESHOT);
}

static int
timer_event(sd_event_source *source, uint64_t usec, void *arg)
{
	(void)source;
	(void)usec;
	listen_after(arg, 0);
	return 0;
}

static void
log_connected(struct guest *g, int conn)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (!may_log(g))
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

static void
set_limits(const struct guest *g, struct proto_limits *limits)
{
	limits->window = alloc_window(&g->member.leaf);
	limits->request_min = alloc_request_min(&g->member.leaf);
	limits->request_max = alloc_request_max(&g->member.leaf);
}

/* Starts a worker for a connection, which is closed here. */
static int
start_worker(struct guest *g, int conn)
{
	struct frame f;
	int bytes;

	if (process_start(&g->worker, g->env, &worker_ops, &g->subject,
		&g->worker_limit, g) == -1) {
		close(conn);
		return -1;
	}
	g->connected = clock_now();
	g->stats = (struct proto_stats){ 0 };
	g->connections++;
	bytes = tap_join(g->pool, &g->tap, g->worker.number);
	if (bytes == -1) {
		close(conn);
		process_kill(&g->worker);
		return 0;
	}
	log_connected(g, conn);
	frame_init(&f, PROTO_START, g->worker.number, g->pool->generation);
	set_limits(g, &f.u.limits);
	f.fds[0] = conn;
	f.fds[1] = bytes;
	process_send(&g->worker, &f);
	return 0;
}

static int
listen_event(sd_event_source *source, int fd, uint32_t revents, void *arg)
{
	struct guest *g = arg;
	int conn;

	(void)source;
	(void)revents;
	conn = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (conn == -1) {
		if (errno == EAGAIN || errno == ECONNABORTED || errno == EINTR)
			return 0;
		if (may_log(g))
			log_about(LOG_LEVEL_ERROR, &g->subject,
			    "cannot accept a connection: %s", strerror(errno));
		listen_after(g, ACCEPT_PAUSE);
		return 0;
	}
	/* A second connection waits until this one is gone. */
	sd_event_source_set_enabled(g->listen_io, SD_EVENT_OFF);
	if (start_worker(g, conn) == -1)
		listen_after(g, ACCEPT_PAUSE);
	return 0;
}

/*
 * Memory for the frontend to keep the state of a queue in: it may be written,
 * but its size is sealed.
 */
static int
send_inflight(struct guest *g, uint64_t size)
{
	struct frame f;
	int fd;

	if (size == 0 || size > INFLIGHT_SIZE_MAX)
		return -1;
	fd = memfd_create("vrngd-inflight", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd == -1 || ftruncate(fd, (off_t)size) == -1 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) ==
		-1) {
		log_about(LOG_LEVEL_ERROR, &g->subject,
		    "cannot make memory for requests in flight: %s",
		    strerror(errno));
		if (fd != -1)
			close(fd);
		process_kill(&g->worker);
		return 0;
	}
	frame_init(&f, PROTO_INFLIGHT, g->worker.number, 0);
	f.fds[0] = fd;
	process_send(&g->worker, &f);
	return 0;
}

static void
log_stats(struct guest *g, const char *id, const char *what)
{
	const struct proto_stats *s = &g->stats;
	uint64_t served = clock_now() - g->connected;
	const struct log_line line = {
		.level = LOG_LEVEL_INFO,
		.about = &g->subject,
		.id = id,
		.fields = LOG_FIELDS(EVENT_STATS_FIELDS(s),
		    LOG_NUMBER("VRNGD_SERVED_NS", served)),
	};

	log_send(&line,
	    "%s, %" PRIu64 " bytes in %" PRIu64 " requests (%" PRIu64
	    " short, %" PRIu64 " malformed), %" PRIu64 " ms of %" PRIu64
	    " ms with a request waiting",
	    what, s->bytes, s->requests, s->cut, s->refused,
	    s->wait_ns / NS_PER_MS, served / NS_PER_MS);
}

/* Answers guest_query(). */
static void
tell(struct guest *g)
{
	if (!g->queried)
		return;
	g->queried = false;
	g->told(g, g->told_arg);
}

static void
add_stats(struct proto_stats *sum, const struct proto_stats *s)
{
	sum->bytes += s->bytes;
	sum->requests += s->requests;
	sum->cut += s->cut;
	sum->refused += s->refused;
	sum->wait_ns += s->wait_ns;
}

static int
worker_frame(struct process *p, struct frame *f)
{
	struct guest *g = p->arg;

	switch (f->hdr.type) {
	case PROTO_READY:
		return 0;
	case PROTO_WANT:
		return tap_want(g->pool, &g->tap, f);
	case PROTO_INFLIGHT_ASK:
		return send_inflight(g, f->u.inflight.size);
	case PROTO_STATS:
		g->stats = f->u.stats;
		if (g->asked)
			log_stats(g, NULL, "connected");
		g->asked = false;
		tell(g);
		return 0;
	}
	return -1;
}

static void
worker_ended(struct process *p, bool clean)
{
	struct guest *g = p->arg;
	uint64_t pause = 0;

	tap_leave(g->pool, &g->tap);
	g->asked = false;
	if (may_log(g))
		log_stats(g, event_type(EVENT_DISCONNECTED)->id,
		    "disconnected");
	add_stats(&g->past, &g->stats);
	g->stats = (struct proto_stats){ 0 };
	tell(g);
	if (!clean)
		pause =
		    backoff_failed(&g->backoff, clock_now(), DEATHS_FREE, 1);
	if (pause > 0 && may_log(g))
		event_log(EVENT_WORKERS_DIE, &g->subject,
		    LOG_FIELDS(LOG_TEXT("VRNGD_PROCESS", "vhost"),
			LOG_NUMBER("VRNGD_DEATHS", g->backoff.failures),
			LOG_NUMBER("VRNGD_PAUSE_NS", pause)),
		    "%u workers died in a row: the next may connect in %" PRIu64
		    " ms",
		    g->backoff.failures, pause / NS_PER_MS);
	listen_after(g, pause);
}

static void
rewire(struct tap *t, int fd)
{
	struct guest *g = t->arg;
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
ask(struct tap *t)
{
	struct guest *g = t->arg;
	struct frame f;

	frame_init(&f, PROTO_WANT_ASK, g->worker.number, g->pool->generation);
	process_send(&g->worker, &f);
}

static const struct tap_ops tap_ops = {
	.rewire = rewire,
	.ask = ask,
};

void
guest_init(struct guest *g, const char *name, struct process_env *env,
    struct pool *pool, struct alloc_node *parent,
    const struct alloc_share *share, const struct proto_delivery *delivery)
{
	*g = (struct guest){ .env = env, .pool = pool };
	g->listener.fd = -1;
	strlcpy(g->name, name, sizeof(g->name));
	g->subject = (struct log_subject){
		.kind = "guest",
		.name = g->name,
		.pool = pool->name,
	};
	member_init(pool, &g->member, parent, share, delivery);
	g->member.about = &g->subject;
	tap_init(&g->tap, &g->member, &tap_ops, g);
	log_limit_init(&g->log_limit, clock_now());
	log_limit_init(&g->worker_limit, clock_now());
}

void
guest_change(struct guest *g, struct alloc_node *parent,
    const struct alloc_share *share, const struct proto_delivery *delivery)
{
	struct frame f;

	member_change(g->pool, &g->member, parent, share, delivery);
	if (g->egd != NULL)
		outlet_limit(g->egd);
	if (!process_running(&g->worker))
		return;
	frame_init(&f, PROTO_LIMITS, g->worker.number, g->pool->generation);
	set_limits(g, &f.u.limits);
	process_send(&g->worker, &f);
}

void
guest_unlisten(struct guest *g)
{
	g->listen_io = sd_event_source_disable_unref(g->listen_io);
	g->timer = sd_event_source_disable_unref(g->timer);
	listener_close(&g->listener);
}

int
guest_listen(struct guest *g)
{
	sd_event *event = g->env->event;
	int r;

	r = sd_event_add_io(event, &g->listen_io, g->listener.fd, EPOLLIN,
	    listen_event, g);
	if (r >= 0)
		r = sd_event_add_time(event, &g->timer, CLOCK_MONOTONIC, 0, 1,
		    timer_event, g);
	if (r >= 0)
		r = sd_event_source_set_enabled(g->timer, SD_EVENT_OFF);
	/* A second connection waits until the first is gone. */
	if (r >= 0 && process_running(&g->worker))
		r = sd_event_source_set_enabled(g->listen_io, SD_EVENT_OFF);
	if (r < 0)
		log_about(LOG_LEVEL_ERROR, &g->subject, "cannot listen: %s",
		    strerror(-r));
	return r < 0 ? -1 : 0;
}

void
guest_report(struct guest *g)
{
	struct frame f;

	if (g->egd != NULL)
		outlet_report(g->egd);
	if (!process_running(&g->worker)) {
		log_about(LOG_LEVEL_INFO, &g->subject, "not connected");
		return;
	}
	if (g->asked)
		return;
	g->asked = true;
	if (g->queried)
		return;
	frame_init(&f, PROTO_STATS_ASK, g->worker.number, 0);
	process_send(&g->worker, &f);
}

void
guest_ask(struct guest *g)
{
	struct frame f;

	if (!process_running(&g->worker) || g->queried || g->asked)
		return;
	frame_init(&f, PROTO_STATS_ASK, g->worker.number, 0);
	process_send(&g->worker, &f);
}

bool
guest_query(struct guest *g)
{
	if (!process_running(&g->worker))
		return false;
	guest_ask(g);
	g->queried = true;
	return true;
}

void
guest_hang_up(struct guest *g)
{
	if (g->egd != NULL)
		outlet_hang_up(g->egd);
	process_hang_up(&g->worker);
}

void
guest_stop(struct guest *g, uint64_t deadline)
{
	process_stop(&g->worker, deadline);
	tell(g);
	tap_leave(g->pool, &g->tap);
	if (g->egd != NULL)
		outlet_stop(g->egd, deadline);
	free(g->egd);
	member_remove(g->pool, &g->member);
	guest_unlisten(g);
	free(g->path);
}
