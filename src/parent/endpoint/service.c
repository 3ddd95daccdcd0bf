/*
 * A service: listening or connecting, and the worker that serves its clients.
 * Used by the rooms above, and by guest.c for a guest's EGD socket.
 */
#include <sys/socket.h>

#include <bsd/string.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "parent/endpoint/service.h"
#include "parent/endpoint/service_socket.h"
#include "parent/host/aside.h"
#include "parent/host/event.h"
#include "parent/pool/unit_hint.h"

#define KERNEL_WRITES "/dev/urandom"
#define LIFE_MIN      (1 * NS_PER_SEC) /* of a worker that has done well */
#define DEATHS_FREE   3		       /* in a row, before a pause */

/*
 * Bytes that an EGD service holds ready at least, however small its burst: any
 * one command 01, which is answered from these.
 */
#define EGD_WINDOW_MIN 255

static struct service *
service_of(struct endpoint *e)
{
	return (struct service *)e; /* its first member */
}

static enum proto_protocol
protocol_of(const struct config_service *cs)
{
	if (cs->kind == CONFIG_SERVICE_EGD)
		return SERVE_EGD;
	return cs->socket.transport == CONFIG_UDP ? SERVE_DATAGRAM
						  : SERVE_STREAM;
}

/* Sends the worker what it serves, and to whom. */
static void
send_serve(struct service *s)
{
	const struct config_service *cs = &s->config;
	struct process *worker = &s->endpoint.worker;
	struct frame f;

	frame_init(&f, PROTO_SERVE, worker->number, 0);
	f.u.serve.protocol = protocol_of(cs);
	f.u.serve.max_clients = cs->max_clients;
	f.u.serve.idle_timeout = cs->idle_timeout;
	f.u.serve.nallowed = cs->nallowed;
	f.u.serve.connects = cs->connect;
	f.u.serve.addressed =
	    cs->socket.transport == CONFIG_UDP && !cs->connect;
	process_send(worker, &f);
	for (uint32_t i = 0; i < cs->nallowed; i++) {
		frame_init(&f, PROTO_ALLOW, worker->number, 0);
		f.u.network = cs->allow[i];
		process_send(worker, &f);
	}
}

/* Where what clients write goes: nowhere, unless the pool takes it. */
static void
send_writes(struct service *s)
{
	const char *path = s->accept_writes ? KERNEL_WRITES : "/dev/null";
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd == -1)
		log_about(LOG_LEVEL_WARNING, s->endpoint.subject,
		    "what clients write goes where it did: cannot open %s: %s",
		    path, strerror(errno));
	else
		endpoint_send_fd(&s->endpoint, PROTO_WRITES, fd);
}

static int
serve(struct endpoint *e, int bytes)
{
	struct service *s = service_of(e);

	send_serve(s);
	endpoint_limit(e);
	endpoint_send_fd(e, PROTO_BYTES, bytes);
	if (s->accept_writes)
		send_writes(s);
	return 0;
}

/*
 * Starts a worker for clients that come by `fd`, which is closed here, or
 * pauses.
 */
static void
start_worker(struct service *s, int fd, enum proto_socket_kind kind)
{
	struct endpoint *e = &s->endpoint;
	struct frame f;

	if (counted_begin(&e->counted) == -1) {
		log_about(LOG_LEVEL_ERROR, e->subject,
		    "cannot make memory for counters: %s", strerror(errno));
	} else if (endpoint_start_worker(e) == 0) {
		e->since = clock_now();
		frame_init(&f, PROTO_SOCKET, e->worker.number, 0);
		f.u.socket.kind = kind;
		f.fds[0] = fd;
		process_send(&e->worker, &f);
		return;
	} else
		counted_end(&e->counted);
	aside_close_unstored(e->env->event, fd);
	endpoint_pause(e, backoff_failed(&e->backoff, clock_now(), 0, 1));
}

static void
log_counters(struct service *s, bool ended)
{
	const struct log_line line = {
		.level = ended ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO,
		.about = s->endpoint.subject,
		.id = ended ? event_type(EVENT_SERVED)->id : NULL,
	};

	counted_log(&s->endpoint.counted, &line, ended ? "served" : "serving",
	    s->endpoint.since);
}

/* A worker died, if it did not end cleanly: the next one may have to wait. */
static void
ended(struct endpoint *e, int status)
{
	struct service *s = service_of(e);
	bool connects = s->config.connect;
	bool clean = status == 0;
	uint64_t pause = 0;

	/* It waits for a while until it ends, unless it was connected. */
	if (!connects && clock_now() - e->since < LIFE_MIN)
		clean = false;
	/* That takes it most of a second: clients need not wait longer. */
	if (e->worker.hung && !connects)
		clean = true;
	log_counters(s, true);
	counted_end(&e->counted);
	if (!clean || connects)
		pause = backoff_failed(&e->backoff, clock_now(),
		    connects ? 0 : DEATHS_FREE, 1);
	if (!clean && pause > 0 && endpoint_may_log(e))
		event_log(EVENT_WORKERS_DIE, e->subject,
		    LOG_FIELDS(LOG_TEXT("VRNGD_PROCESS", "egd"),
			LOG_NUMBER("VRNGD_DEATHS", e->backoff.failures),
			LOG_NUMBER("VRNGD_PAUSE_NS", pause)),
		    "%u workers died in a row: going on in %" PRIu64 " ms",
		    e->backoff.failures, pause / NS_PER_MS);
	endpoint_pause(e, pause);
}

static void
limits(const struct endpoint *e, struct proto_limits *limits)
{
	const struct service *s = (const struct service *)e;

	if (s->config.kind == CONFIG_SERVICE_EGD &&
	    limits->window < EGD_WINDOW_MIN)
		limits->window = EGD_WINDOW_MIN;
}

/* It has no frames of its own to send. */
static int
frame(struct endpoint *e, struct frame *f)
{
	(void)e;
	(void)f;
	return -1;
}

/* Connecting has failed: said once, as long as it is for the same reason. */
static void
connect_failed(struct service *s, int error)
{
	struct endpoint *e = &s->endpoint;
	char text[CONFIG_WHERE_SIZE];

	if (error != s->failure && endpoint_may_log(e))
		event_log(EVENT_UNREACHABLE, e->subject,
		    LOG_FIELDS(LOG_NUMBER("VRNGD_ERRNO", error)),
		    "cannot connect to %s: %s%s: trying again",
		    config_socket_text(&s->config.socket, text, sizeof(text)),
		    strerror(error),
		    s->config.socket.transport == CONFIG_UNIX
			? ""
			: unit_hint_network(error));
	s->failure = error;
	endpoint_pause(e, backoff_failed(&e->backoff, clock_now(), 0, 1));
}

static void
connected(struct service *s, int fd)
{
	s->failure = 0;
	start_worker(s, fd, SOCKET_CONNECTED);
}

/* The connection that was on its way has been made, or not. */
static int
connect_event(sd_event_source *source, int fd, uint32_t revents, void *arg)
{
	struct service *s = arg;
	int error = service_socket_error(fd);

	(void)source;
	(void)revents;
	s->endpoint.io = sd_event_source_disable_unref(s->endpoint.io);
	s->pending = -1;
	if (error == 0)
		connected(s, fd);
	else {
		close(fd);
		connect_failed(s, error);
	}
	return 0;
}

static void
connect_now(struct service *s)
{
	bool pending;
	int fd, r;

	if ((fd = service_socket_connect(&s->config, &pending)) == -1) {
		connect_failed(s, errno);
		return;
	}
	if (!pending) {
		connected(s, fd);
		return;
	}
	r = sd_event_add_io(s->endpoint.env->event, &s->endpoint.io, fd,
	    EPOLLOUT, connect_event, s);
	if (r < 0) {
		close(fd);
		connect_failed(s, -r);
	} else
		s->pending = fd;
}

/* A client has come: the worker accepts, and has the listener until it ends. */
static void
incoming(struct endpoint *e)
{
	struct service *s = service_of(e);
	int fd =
	    fcntl(e->place->listener.fd, F_DUPFD_CLOEXEC, CHANNEL_UP_FD + 1);

	if (fd == -1) {
		if (endpoint_may_log(e))
			log_about(LOG_LEVEL_ERROR, e->subject,
			    "cannot listen: %s", strerror(errno));
		endpoint_pause(e, ACCEPT_PAUSE);
		return;
	}
	endpoint_suspend(e);
	start_worker(s, fd,
	    s->config.socket.transport == CONFIG_UDP ? SOCKET_BOUND
						     : SOCKET_LISTENING);
}

static void
proceed(struct endpoint *e)
{
	struct service *s = service_of(e);

	if (s->config.connect)
		connect_now(s);
	else
		endpoint_proceed(e);
}

static const struct endpoint_ops service_ops = {
	.worker = {
		.role = ROLE_EGD,
		.program = "vrngd-egd",
		.out_max = 128,
		.frame = endpoint_frame,
		.ended = endpoint_ended,
	},
	.incoming = incoming,
	.proceed = proceed,
	.serve = serve,
	.frame = frame,
	.ended = ended,
	.limits = limits,
};

static char *
copy(const char *text)
{
	char *s = text == NULL ? NULL : strdup(text);

	if (s == NULL && text != NULL)
		log_fatal("no memory for a service");
	return s;
}

void
service_init(struct service *s, const struct config_service *cs,
    const struct log_subject *subject, struct process_env *env,
    struct store *store, struct pool *pool, struct alloc_node *parent)
{
	*s = (struct service){ .config = *cs, .pending = -1 };
	s->config.socket.where = copy(cs->socket.where);
	s->config.pool = NULL;
	s->config.class = NULL;
	strlcpy(s->name, cs->name, sizeof(s->name));
	s->subject = (struct log_subject){
		.kind = cs->kind == CONFIG_SERVICE_EGD ? "egd" : "stream",
		.name = s->name,
		.pool = pool->name,
	};
	endpoint_init(&s->endpoint, &service_ops,
	    subject == NULL ? &s->subject : subject, env, store, pool);
	endpoint_join(&s->endpoint, parent, &cs->share, &cs->delivery);
}

int
service_start(struct service *s, struct place *p)
{
	if (s->config.connect) {
		connect_now(s);
		return 0;
	}
	if (s->config.socket.passed)
		service_socket_adopt(&s->config, p->listener.fd);
	else if (s->config.socket.transport == CONFIG_UNIX)
		/* Many may come at once; the rest is refused. */
		(void)listen(p->listener.fd, SOMAXCONN);
	return endpoint_listen(&s->endpoint, p);
}

void
service_change(struct service *s, const struct config_service *cs,
    struct alloc_node *parent)
{
	struct endpoint *e = &s->endpoint;

	s->config.rights = cs->rights;
	s->config.max_clients = cs->max_clients;
	s->config.idle_timeout = cs->idle_timeout;
	memcpy(s->config.allow, cs->allow, sizeof(s->config.allow));
	s->config.nallowed = cs->nallowed;
	if (parent != NULL)
		consumer_change(e->pool, &e->consumer, parent, &cs->share,
		    &cs->delivery);
	if (process_running(&e->worker)) {
		send_serve(s);
		endpoint_limit(e);
	}
}

void
service_accept_writes(struct service *s, bool yes)
{
	if (s->accept_writes == yes)
		return;
	s->accept_writes = yes;
	if (process_running(&s->endpoint.worker))
		send_writes(s);
}

void
service_report(struct service *s)
{
	if (process_running(&s->endpoint.worker))
		log_counters(s, false);
	else
		log_about(LOG_LEVEL_INFO, s->endpoint.subject, "no clients");
}

void
service_stop(struct service *s, uint64_t deadline)
{
	struct endpoint *e = &s->endpoint;

	if (s->pending != -1)
		aside_close_unstored(e->env->event, s->pending);
	endpoint_stop(e, deadline);
	free(s->config.socket.where);
}
