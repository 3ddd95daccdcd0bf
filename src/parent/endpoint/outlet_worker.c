/*
 * A service's worker: starting it, its frames, its end.  Used by outlet.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "parent/host/event.h"
#include "parent/endpoint/outlet.h"
#include "parent/endpoint/outlet_worker.h"

#define KERNEL_WRITES "/dev/urandom"
#define LIFE_MIN      (1 * NS_PER_SEC) /* of a worker that has done well */

static int worker_frame(struct process *, struct frame *);
static void worker_ended(struct process *, int);

static const struct process_ops worker_ops = {
	.role = ROLE_EGD,
	.program = "vrngd-egd",
	.out_max = 128,
	.frame = worker_frame,
	.ended = worker_ended,
};

/* A line that clients can cause at will. */
bool
outlet_may_log(struct outlet *o)
{
	uint32_t suppressed;

	if (!log_limit_pass(&o->log_limit, clock_now(), &suppressed))
		return false;
	if (suppressed > 0)
		log_about(LOG_LEVEL_INFO, o->subject,
		    "%u lines about its workers suppressed", suppressed);
	return true;
}

static void
send_limits(struct outlet *o)
{
	struct alloc_node *leaf = &o->member->leaf;
	struct frame f;

	frame_init(&f, PROTO_LIMITS, o->worker.number, o->pool->generation);
	f.u.limits.window = alloc_window(leaf, o->pool->setup.spec.stock);
	f.u.limits.request_min = alloc_request_min(leaf);
	f.u.limits.request_max = alloc_request_max(leaf);
	process_send(&o->worker, &f);
}

static enum proto_protocol
protocol_of(const struct config_outlet *co)
{
	if (co->kind == CONFIG_OUTLET_EGD)
		return SERVE_EGD;
	return co->transport == CONFIG_UDP ? SERVE_DATAGRAM : SERVE_STREAM;
}

/* Tells the worker what it serves, and to whom. */
static void
send_serve(struct outlet *o)
{
	const struct config_outlet *co = &o->config;
	struct frame f;

	frame_init(&f, PROTO_SERVE, o->worker.number, 0);
	f.u.serve.protocol = protocol_of(co);
	f.u.serve.max_clients = co->max_clients;
	f.u.serve.idle_timeout = co->idle_timeout;
	f.u.serve.nallowed = co->nallowed;
	process_send(&o->worker, &f);
	for (uint32_t i = 0; i < co->nallowed; i++) {
		frame_init(&f, PROTO_ALLOW, o->worker.number, 0);
		f.u.network = co->allow[i];
		process_send(&o->worker, &f);
	}
}

static void
send_bytes(struct outlet *o, int fd)
{
	struct frame f;

	frame_init(&f, PROTO_BYTES, o->worker.number, o->pool->generation);
	f.fds[0] = fd;
	process_send(&o->worker, &f);
}

/* Where what clients write goes: nowhere, unless the pool takes it. */
static void
send_writes(struct outlet *o)
{
	const char *path = o->accept_writes ? KERNEL_WRITES : "/dev/null";
	struct frame f;

	frame_init(&f, PROTO_WRITES, o->worker.number, 0);
	f.fds[0] = open(path, O_WRONLY | O_CLOEXEC);
	if (f.fds[0] == -1)
		log_about(LOG_LEVEL_WARNING, o->subject,
		    "what clients write goes where it did: cannot open %s: %s",
		    path, strerror(errno));
	else
		process_send(&o->worker, &f);
}

int
outlet_worker_start(struct outlet *o, int fd, enum proto_socket_kind kind)
{
	struct frame f;
	int bytes;

	if (counted_begin(&o->counted) == -1) {
		log_about(LOG_LEVEL_ERROR, o->subject,
		    "cannot make memory for counters: %s", strerror(errno));
		close(fd);
		return -1;
	}
	if (process_start(&o->worker, o->env, &worker_ops, o->subject,
		&o->worker_limit, o) == -1) {
		counted_end(&o->counted);
		close(fd);
		return -1;
	}
	o->connected = clock_now();
	bytes = tap_join(o->pool, &o->tap, o->worker.number);
	if (bytes == -1 || page_give(&o->counted.page, &o->worker) == -1) {
		if (bytes != -1)
			close(bytes);
		close(fd);
		process_kill(&o->worker);
		return 0;
	}
	send_serve(o);
	send_limits(o);
	send_bytes(o, bytes);
	if (o->accept_writes)
		send_writes(o);
	frame_init(&f, PROTO_SOCKET, o->worker.number, 0);
	f.u.socket.kind = kind;
	f.fds[0] = fd;
	process_send(&o->worker, &f);
	return 0;
}

static void
log_stats(struct outlet *o, enum log_level level, const char *id,
    const char *what)
{
	const struct counters *c = counted_read(&o->counted);
	uint64_t served = clock_now() - o->connected;
	const struct log_line line = {
		.level = level,
		.about = o->subject,
		.id = id,
		.fields = LOG_FIELDS(REQUEST_COUNTERS(EVENT_COUNTER)
			CLIENT_COUNTERS(EVENT_COUNTER)
			    LOG_NUMBER("VRNGD_SERVED_NS", served)),
	};

	log_send(&line,
	    "%s, %" PRIu64 " bytes in %" PRIu64 " requests (%" PRIu64
	    " short, %" PRIu64 " malformed) of %" PRIu64 " clients, %" PRIu64
	    " ms of %" PRIu64 " ms with a request waiting",
	    what, c->bytes, c->requests, c->short_answers, c->malformed,
	    c->connections, c->wait_ns / NS_PER_MS, served / NS_PER_MS);
}

static int
worker_frame(struct process *p, struct frame *f)
{
	struct outlet *o = p->arg;
	struct frame now;

	switch (f->hdr.type) {
	case PROTO_READY:
		return 0;
	case PROTO_WANT:
		return tap_want(o->pool, &o->tap, f);
	case PROTO_NOW_ASK:
		frame_init(&now, PROTO_NOW, p->number, o->pool->generation);
		now.u.now = tap_now(o->pool, &o->tap);
		process_send(p, &now);
		return 0;
	}
	return -1;
}

static void
worker_ended(struct process *p, int status)
{
	struct outlet *o = p->arg;
	bool clean = status == 0;

	/* It waits for a while until it ends, unless it was connected. */
	if (!o->config.connect && clock_now() - o->connected < LIFE_MIN)
		clean = false;
	tap_leave(o->pool, &o->tap);
	log_stats(o, LOG_LEVEL_DEBUG, event_type(EVENT_SERVED)->id, "served");
	counted_end(&o->counted);
	outlet_go_on(o, clean);
}

static void
rewire(struct tap *t, int fd)
{
	struct outlet *o = t->arg;

	if (fd == -1)
		process_kill(&o->worker);
	else
		send_bytes(o, fd);
}

static void
ask(struct tap *t)
{
	struct outlet *o = t->arg;
	struct frame f;

	frame_init(&f, PROTO_WANT_ASK, o->worker.number, o->pool->generation);
	process_send(&o->worker, &f);
}

const struct tap_ops outlet_tap_ops = {
	.rewire = rewire,
	.ask = ask,
};

void
outlet_worker_change(struct outlet *o)
{
	if (process_running(&o->worker)) {
		send_serve(o);
		send_limits(o);
	}
}

void
outlet_accept_writes(struct outlet *o, bool yes)
{
	if (o->accept_writes == yes)
		return;
	o->accept_writes = yes;
	if (process_running(&o->worker))
		send_writes(o);
}

void
outlet_limit(struct outlet *o)
{
	if (process_running(&o->worker))
		send_limits(o);
}

struct counters
outlet_counters(struct outlet *o)
{
	return counted_total(&o->counted);
}

void
outlet_report(struct outlet *o)
{
	if (process_running(&o->worker))
		log_stats(o, LOG_LEVEL_INFO, NULL, "serving");
	else
		log_about(LOG_LEVEL_INFO, o->subject, "no clients");
}

void
outlet_worker_stop(struct outlet *o, uint64_t deadline)
{
	process_stop(&o->worker, deadline);
	tap_leave(o->pool, &o->tap);
	counted_end(&o->counted);
}
