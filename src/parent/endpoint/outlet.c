/*
 * A service: its listener or its connecting, and the worker that serves its
 * clients while there are any.  Used by the rooms above, and by guest.c for its
 * EGD socket.
 */
#include <bsd/string.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "parent/host/aside.h"
#include "parent/endpoint/outlet.h"
#include "parent/endpoint/outlet_socket.h"
#include "parent/host/event.h"
#include "parent/pool/unit_hint.h"

static void outlet_go_on(struct outlet *, bool clean);

#define KERNEL_WRITES "/dev/urandom"
#define LIFE_MIN      (1 * NS_PER_SEC) /* of a worker that has done well */

/*
 * Bytes that an EGD service holds ready at least, however small its burst: any
 * one command 01, which is answered from these.
 */
#define EGD_WINDOW_MIN 255

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
static bool
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
	struct alloc_node *leaf = &o->consumer.leaf;
	struct frame f;

	frame_init(&f, PROTO_LIMITS, o->worker.number, o->pool->generation);
	f.u.limits.window = alloc_window(leaf, o->pool->setup.spec.stock);
	if (o->config.kind == CONFIG_OUTLET_EGD &&
	    f.u.limits.window < EGD_WINDOW_MIN)
		f.u.limits.window = EGD_WINDOW_MIN;
	f.u.limits.request_min = alloc_request_min(leaf);
	f.u.limits.request_max = alloc_request_max(leaf);
	process_send(&o->worker, &f);
}

static enum proto_protocol
protocol_of(const struct config_outlet *co)
{
	if (co->kind == CONFIG_OUTLET_EGD)
		return SERVE_EGD;
	return co->socket.transport == CONFIG_UDP ? SERVE_DATAGRAM
						  : SERVE_STREAM;
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
	f.u.serve.connects = co->connect;
	f.u.serve.addressed =
	    co->socket.transport == CONFIG_UDP && !co->connect;
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

/*
 * Starts a worker for clients that come by `fd`, which is closed here.  Returns
 * 0, and outlet_go_on() follows when it has ended; or -1 after logging why.
 */
static int
outlet_worker_start(struct outlet *o, int fd, enum proto_socket_kind kind)
{
	struct frame f;
	int bytes;

	if (counted_begin(&o->counted) == -1) {
		log_about(LOG_LEVEL_ERROR, o->subject,
		    "cannot make memory for counters: %s", strerror(errno));
		aside_close_unstored(o->env->event, fd);
		return -1;
	}
	if (process_start(&o->worker, o->env, &worker_ops, o->subject,
		&o->worker_limit, o) == -1) {
		counted_end(&o->counted);
		aside_close_unstored(o->env->event, fd);
		return -1;
	}
	o->connected = clock_now();
	bytes = consumer_join(o->pool, &o->consumer, o->worker.number);
	if (bytes == -1 || page_give(&o->counted.page, &o->worker) == -1) {
		if (bytes != -1)
			close(bytes);
		aside_close_unstored(o->env->event, fd);
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
log_stats(struct outlet *o, bool ended)
{
	const struct log_line line = {
		.level = ended ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO,
		.about = o->subject,
		.id = ended ? event_type(EVENT_SERVED)->id : NULL,
	};

	counted_log(&o->counted, &line, ended ? "served" : "serving",
	    o->connected);
}

static int
worker_frame(struct process *p, struct frame *f)
{
	struct outlet *o = p->arg;

	switch (f->hdr.type) {
	case PROTO_READY:
		return 0;
	case PROTO_WANT:
		return consumer_want(o->pool, &o->consumer, f);
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
	consumer_leave(o->pool, &o->consumer);
	log_stats(o, true);
	counted_end(&o->counted);
	outlet_go_on(o, clean);
}

static void
rewire(struct consumer *c, int fd)
{
	struct outlet *o = c->arg;

	if (fd == -1)
		process_kill(&o->worker);
	else
		send_bytes(o, fd);
}

static void
ask(struct consumer *c)
{
	struct outlet *o = c->arg;
	struct frame f;

	frame_init(&f, PROTO_WANT_ASK, o->worker.number, o->pool->generation);
	process_send(&o->worker, &f);
}

/* One of its clients can make it wait, and all others with it. */
static void
granted(struct consumer *c)
{
	struct outlet *o = c->arg;

	process_expect(&o->worker);
}

static const struct consumer_ops consumer_ops = {
	.rewire = rewire,
	.ask = ask,
	.granted = granted,
};

/* Tells the worker, if there is one, what has changed. */
static void
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
		log_stats(o, false);
	else
		log_about(LOG_LEVEL_INFO, o->subject, "no clients");
}

/* Ends it by the deadline (ns). */
static void
outlet_worker_stop(struct outlet *o, uint64_t deadline)
{
	process_stop(&o->worker, deadline);
	consumer_leave(o->pool, &o->consumer);
	counted_end(&o->counted);
}

#define DEATHS_FREE 3 /* in a row, before a pause */

static int io_event(sd_event_source *, int, uint32_t, void *);

/* Goes on from the beginning, in a while. */
static void
again_after(struct outlet *o, uint64_t ns)
{
	sd_event_source_set_time_relative(o->timer, ns / 1000);
	sd_event_source_set_enabled(o->timer, SD_EVENT_ONESHOT);
}

/* Connecting has failed: said once, as long as it is for the same reason. */
static void
connect_failed(struct outlet *o, int error)
{
	char text[CONFIG_WHERE_SIZE];

	if (error != o->failure && outlet_may_log(o))
		event_log(EVENT_UNREACHABLE, o->subject,
		    LOG_FIELDS(LOG_NUMBER("VRNGD_ERRNO", error)),
		    "cannot connect to %s: %s%s: trying again",
		    config_socket_text(&o->config.socket, text, sizeof(text)),
		    strerror(error),
		    o->config.socket.transport == CONFIG_UNIX
			? ""
			: unit_hint_network(error));
	o->failure = error;
	again_after(o, backoff_failed(&o->backoff, clock_now(), 0, 1));
}

/* Serves a connection that was made. */
static void
serve_connection(struct outlet *o, int fd)
{
	o->failure = 0;
	if (outlet_worker_start(o, fd, SOCKET_CONNECTED) == -1)
		again_after(o, backoff_failed(&o->backoff, clock_now(), 0, 1));
}

static void
connect_now(struct outlet *o)
{
	bool pending;
	int fd, r;

	if ((fd = outlet_socket_connect(&o->config, &pending)) == -1) {
		connect_failed(o, errno);
		return;
	}
	if (!pending) {
		serve_connection(o, fd);
		return;
	}
	r = sd_event_add_io(o->env->event, &o->io, fd, EPOLLOUT, io_event, o);
	if (r < 0) {
		close(fd);
		connect_failed(o, -r);
	} else
		o->pending = fd;
}

/* The connection that was on its way has been made, or not. */
static void
connect_done(struct outlet *o)
{
	int fd = o->pending, error = outlet_socket_error(fd);

	o->io = sd_event_source_disable_unref(o->io);
	o->pending = -1;
	if (error == 0) {
		serve_connection(o, fd);
		return;
	}
	close(fd);
	connect_failed(o, error);
}

/* Somebody has come: the worker accepts, and has the listener until it ends. */
static void
serve_listener(struct outlet *o)
{
	int fd = fcntl(o->listener.fd, F_DUPFD_CLOEXEC, CHANNEL_FD + 1);

	sd_event_source_set_enabled(o->io, SD_EVENT_OFF);
	if (fd != -1 &&
	    outlet_worker_start(o, fd,
		o->config.socket.transport == CONFIG_UDP
		    ? SOCKET_BOUND
		    : SOCKET_LISTENING) == 0)
		return;
	if (fd == -1 && outlet_may_log(o))
		log_about(LOG_LEVEL_ERROR, o->subject, "cannot listen: %s",
		    strerror(errno));
	again_after(o, backoff_failed(&o->backoff, clock_now(), 0, 1));
}

static int
io_event(sd_event_source *source, int fd, uint32_t revents, void *arg)
{
	struct outlet *o = arg;

	(void)source;
	(void)fd;
	(void)revents;
	if (o->config.connect)
		connect_done(o);
	else
		serve_listener(o);
	return 0;
}

static int
timer_event(sd_event_source *source, uint64_t usec, void *arg)
{
	struct outlet *o = arg;

	(void)source;
	(void)usec;
	if (o->config.connect)
		connect_now(o);
	else
		sd_event_source_set_enabled(o->io, SD_EVENT_ON);
	return 0;
}

/*
 * Starts a worker for clients that come by `fd`, which is closed here.  Returns
 * 0, and outlet_go_on() follows when it has ended; or -1 after logging why.
 */
static void
outlet_go_on(struct outlet *o, bool clean)
{
	uint64_t pause = 0;

	/* That takes it most of a second: clients need not wait longer. */
	if (o->worker.hung && !o->config.connect)
		clean = true;
	if (!clean || o->config.connect)
		pause = backoff_failed(&o->backoff, clock_now(),
		    o->config.connect ? 0 : DEATHS_FREE, 1);
	if (!clean && pause > 0 && outlet_may_log(o))
		event_log(EVENT_WORKERS_DIE, o->subject,
		    LOG_FIELDS(LOG_TEXT("VRNGD_PROCESS", "egd"),
			LOG_NUMBER("VRNGD_DEATHS", o->backoff.failures),
			LOG_NUMBER("VRNGD_PAUSE_NS", pause)),
		    "%u workers died in a row: going on in %" PRIu64 " ms",
		    o->backoff.failures, pause / NS_PER_MS);
	again_after(o, pause);
}

static char *
copy(const char *text)
{
	char *s = text == NULL ? NULL : strdup(text);

	if (s == NULL && text != NULL)
		log_fatal("no memory for an outlet");
	return s;
}

void
outlet_init(struct outlet *o, const struct config_outlet *co,
    struct process_env *env, struct pool *pool, struct alloc_node *parent,
    const struct alloc_share *share, const struct proto_delivery *delivery,
    const struct log_subject *subject)
{
	*o = (struct outlet){ .env = env, .pool = pool, .config = *co };
	o->config.socket.where = copy(co->socket.where);
	o->config.pool = NULL;
	o->config.class = NULL;
	o->listener.fd = o->pending = -1;
	strlcpy(o->name, co->name, sizeof(o->name));
	log_limit_init(&o->worker_limit, clock_now());
	log_limit_init(&o->log_limit, clock_now());
	o->subject = subject != NULL ? subject : &o->own_subject;
	o->own_subject = (struct log_subject){
		.kind = co->kind == CONFIG_OUTLET_EGD ? "egd" : "stream",
		.name = o->name,
		.pool = pool->name,
	};
	consumer_init(pool, &o->consumer, parent, share, delivery,
	    &consumer_ops, o);
	o->consumer.about = o->subject;
	counted_init(&o->counted, ROLE_EGD, &o->consumer);
}

int
outlet_start(struct outlet *o, struct listener *made)
{
	sd_event *event = o->env->event;
	int r;

	o->listener = *made;
	if (made->path != NULL)
		o->listener.path = o->config.socket.where;
	made->fd = -1;
	r = sd_event_add_time(event, &o->timer, CLOCK_MONOTONIC, 0, 1,
	    timer_event, o);
	if (r >= 0)
		r = sd_event_source_set_enabled(o->timer, SD_EVENT_OFF);
	if (r >= 0 && !o->config.connect)
		r = sd_event_add_io(event, &o->io, o->listener.fd, EPOLLIN,
		    io_event, o);
	if (r < 0) {
		log_about(LOG_LEVEL_ERROR, o->subject, "cannot begin: %s",
		    strerror(-r));
		return -1;
	}
	if (o->config.connect)
		connect_now(o);
	return 0;
}

void
outlet_change(struct outlet *o, const struct config_outlet *co)
{
	o->config.rights = co->rights;
	o->config.max_clients = co->max_clients;
	o->config.idle_timeout = co->idle_timeout;
	memcpy(o->config.allow, co->allow, sizeof(o->config.allow));
	o->config.nallowed = co->nallowed;
	if (o->listener.path != NULL)
		listener_protect(&o->listener, &co->rights);
	outlet_worker_change(o);
}

void
outlet_hang_up(struct outlet *o)
{
	process_hang_up(&o->worker);
}

void
outlet_stop(struct outlet *o, uint64_t deadline)
{
	outlet_worker_stop(o, deadline);
	consumer_remove(o->pool, &o->consumer);
	o->io = sd_event_source_disable_unref(o->io);
	o->timer = sd_event_source_disable_unref(o->timer);
	if (o->pending != -1)
		aside_close_unstored(o->env->event, o->pending);
	if (o->listener.fd != -1)
		outlet_socket_retire(o->listener.fd, &o->config);
	listener_close(&o->listener, o->env->event);
	free(o->config.socket.where);
}
